# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins shared by the tests of what lands on a host."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from ansible_collections.quorum.hardening.plugins.module_utils.commands import Outcome
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Names


class OwnNames(Names):
    """root is whoever runs the tests; nobody else is known."""

    def user(self, name: str) -> int | None:
        return os.geteuid() if name == "root" else None

    def group(self, name: str) -> int | None:
        return os.getegid() if name == "root" else None


class Script:
    """A runner that keeps what it was asked and answers from a function; success when that says nothing."""

    def __init__(self, answer: Callable[[Sequence[str]], Outcome | None] = lambda argv: None) -> None:
        self.calls: list[list[str]] = []
        self._answer = answer

    def __call__(self, argv: Sequence[str], stdin: str = "", timeout: float | None = None) -> Outcome:
        self.calls.append(list(argv))
        return self._answer(argv) or Outcome(0)


def shown_units(argv: Sequence[str], **properties: str) -> Outcome | None:
    """Answer of ``systemctl show``: every unit asked for runs since long ago, but for what is given."""
    if list(argv[:2]) != ["systemctl", "show"]:
        return None
    state = {
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "UnitFileState": "enabled",
        **properties,
    }
    units = list(argv)[list(argv).index("--") + 1 :]
    return Outcome(0, "\n".join("".join(f"{k}={v}\n" for k, v in {"Id": unit, **state}.items()) for unit in units))
