# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dpkg says of its packages, read out of its own books: no program is started."""

from __future__ import annotations

import re
from collections.abc import Iterable

DPKG_STATUS = "/var/lib/dpkg/status"
#: Changes of state that dpkg had not yet worked into its status file when it was cut short; the files are numbers.
DPKG_UPDATES = "/var/lib/dpkg/updates"
INSTALLED = "install ok installed"
HELD = "hold ok installed"


def parse_packages(status: str) -> dict[str, tuple[str, str]]:
    """Installed packages of a dpkg status file: name to (version, architecture)."""
    found = {}
    for block in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if line[:1] not in (" ", "\t") and ": " in line
        )
        if fields.get("Status") in (INSTALLED, HELD):
            found[fields["Package"]] = (fields.get("Version", ""), fields.get("Architecture", ""))
    return found


def marked(status: str, updates: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Packages of a dpkg status file that are on hold, and those that are neither whole nor gone; both sorted.

    :param updates: names in :data:`DPKG_UPDATES`; a journal counts as one more that is not whole.
    """
    held, halfway = [], []
    # Nearly all are whole: only the others' paragraphs are looked at.
    for found in re.finditer(r"^Status: (?!install ok installed$)(\S+) (\S+) (\S+)$", status, re.MULTILINE):
        block = status[status.rfind("\n\n", 0, found.start()) + 1 : found.start()]
        name = re.search(r"^Package: (\S+)$", block, re.MULTILINE)
        want, error, state = found.groups()
        if name and want == "hold":
            held.append(name[1])
        if name and (error != "ok" or state not in ("installed", "config-files", "not-installed")):
            halfway.append(name[1])
    halfway += ["(dpkg's journal)"] * any(name.isdigit() for name in updates)
    return sorted(held), sorted(halfway)
