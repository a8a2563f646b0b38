# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins shared by the tests of what lands on a host."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Optional

from ansible_collections.quorum.hardening.plugins.module_utils.commands import Outcome
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Names


class OwnNames(Names):
    """root is whoever runs the tests; nobody else is known."""

    def user(self, name: str) -> Optional[int]:
        return os.geteuid() if name == "root" else None

    def group(self, name: str) -> Optional[int]:
        return os.getegid() if name == "root" else None


class Script:
    """A runner that keeps what it was asked and answers from a function; success when that says nothing."""

    def __init__(self, answer: Callable[[Sequence[str]], Optional[Outcome]] = lambda argv: None) -> None:
        self.calls: list[list[str]] = []
        self._answer = answer

    def __call__(self, argv: Sequence[str], stdin: str = "", timeout: Optional[float] = None) -> Outcome:
        self.calls.append(list(argv))
        return self._answer(argv) or Outcome(0)
