# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads attested documents on the controller; what they must hold is judged in ``module_utils/documents``."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from ansible_collections.quorum.hardening.plugins.module_utils.documents import LARGEST, Reading, is_url


def read(path: str) -> Reading:
    """The text of a file, or why it has none. Never raises, and never waits at a pipe."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return Reading(problem="is no file")
            content = file.read(LARGEST + 1)
    except OSError as error:
        return Reading(problem=f"cannot be read ({error.strerror or error})")
    if len(content) > LARGEST:
        return Reading(problem=f"is larger than {LARGEST // 1024} KiB, and so no text that somebody has signed")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    return Reading(problem="is no text in UTF-8") if "\0" in text else Reading(text)


def readings(documents: Iterable[str], directory: str) -> dict[str, Reading]:
    """Document as the inventory names it -> what was read, seen from the inventory's directory; URLs are left out."""
    return {name: read(os.path.join(directory, name)) for name in documents if name and not is_url(name)}
