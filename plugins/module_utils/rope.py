# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The undo of this host as a landing and a way back take it in hand, with errors as they expect them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import undo
from .commands import HostError


class HostRope:
    """Ties, confirms and lets go; see :mod:`undo`."""

    def arm(
        self,
        name: str,
        paths: list[str],
        commands: list[list[str]],
        seconds: int,
        files: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        try:
            return undo.arm(name, paths, commands, seconds, files=files)
        except undo.UndoError as problem:
            raise HostError(str(problem)) from problem

    def settle(self, name: str) -> None:
        undo.settle(name)

    def disarm(self, name: str) -> None:
        undo.disarm(name)
