# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running other programs: one small function that modules use and that tests replace by a fake."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# What a login shell of root finds; modules may be started with a shorter PATH.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_FOUND = 127
TIMED_OUT = 124


@dataclass(frozen=True)
class Outcome:
    """A finished program: exit code, standard output, standard error."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def words(self) -> str:
        """What the program said, errors first, without surrounding blank lines."""
        return "\n".join(part.strip() for part in (self.err, self.out) if part.strip())


class Runner(Protocol):
    """Anything that runs a program and says how it ended."""

    def __call__(self, argv: Sequence[str], stdin: str = "", timeout: float | None = None) -> Outcome: ...


class HostError(Exception):
    """The host refused what a module tried; the message is meant for the person who reads the run's output."""


def run(argv: Sequence[str], stdin: str = "", timeout: float | None = None) -> Outcome:
    """Run a program in the C locale.

    :param argv: program and arguments, never passed through a shell.
    :param timeout: seconds; None waits for ever.
    :returns: exit code 127 when the program is not there, 124 when it took too long.
    """
    environment = {**os.environ, "LC_ALL": "C", "PATH": SEARCH_PATH}
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        return Outcome(NOT_FOUND, "", f"{argv[0]}: not found")
    except subprocess.TimeoutExpired:
        return Outcome(TIMED_OUT, "", f"{argv[0]}: still not done after {timeout} s")
    return Outcome(done.returncode, done.stdout, done.stderr)


def must(runner: Runner, argv: Sequence[str], stdin: str = "", timeout: float | None = None) -> Outcome:
    """Run a program that has to succeed; its own words become the error.

    :raises HostError: the program failed.
    """
    outcome = runner(argv, stdin=stdin, timeout=timeout)
    if outcome.code != 0:
        raise HostError(f"{' '.join(argv)}: {outcome.words or f'exit code {outcome.code}'}")
    return outcome
