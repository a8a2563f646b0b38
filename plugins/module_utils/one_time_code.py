# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers ssh's question for a one-time code on the controller, each code once, for runs that nobody sits beside.

In the folder ($QUORUM_SECOND_FACTOR, else ~/.config/quorum.hardening/second_factor; nobody else's to read) lies, for
each login, a file ``user@host`` with the secret in base32 or as otpauth URI; or one program ``command`` that gets
``user@host`` as its argument and prints a code. The host is named as ssh names it in its question: by HostKeyAlias, or
else by address.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Callable

from .one_time import STEP, code

QUESTION = re.compile(r"\(([A-Za-z0-9._-]+@[A-Za-z0-9._:%-]+)\) Verification code: ?")
SECRET = re.compile(r"(?:otpauth://\S*[?&]secret=)?([A-Za-z2-7]{16,})(?:&\S*)?")
#: The step before counts as well. So near to its end it is left alone: the answer has to get there in time.
LATE = 20


class Unanswered(Exception):
    """There is no code to give; the message says why."""


def next_step(now: float, last: int) -> tuple[int, float]:
    """The oldest step that the host still takes and that is unused, and the seconds until it may be used."""
    present = int(now) // STEP
    step = max(last + 1, present - 1 if now % STEP < LATE else present)
    return step, max(0.0, step * STEP - now + 1)


def login_of(question: str) -> str:
    """user@host of ssh's question. Raises Unanswered for any other question: a password, a passphrase, a host key."""
    found = QUESTION.fullmatch(question)
    if not found:
        raise Unanswered(f"ssh asks {question.strip()!r}, which is no question for a one-time code")
    return found[1]


def folder_of(environment: Mapping[str, str]) -> str:
    """The folder of secrets. Raises Unanswered where it is not there, or open to others."""
    given = environment.get("QUORUM_SECOND_FACTOR") or os.path.join(
        environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "quorum.hardening", "second_factor"
    )
    if not os.path.isdir(given):
        raise Unanswered(f"{given} is not there: see docs/second-factor.md")
    _own(given)
    return given


def _own(path: str) -> None:
    status = os.stat(path)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise Unanswered(f"{path} is open to others: chown it to yourself, chmod go= it")


def _secret(path: str) -> str:
    _own(path)
    with open(path, encoding="utf-8") as file:
        found = SECRET.fullmatch(file.read().strip())
    if not found:
        raise Unanswered(f"{path} holds no secret in base32 and no otpauth URI")
    return found[1].upper()


def _asked(command: str, login: str) -> str:
    _own(command)
    done = subprocess.run([command, login], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode or not re.fullmatch(r"\d{6,8}", done.stdout.strip()):
        raise Unanswered(f"{command} gave no code for {login} (exit status {done.returncode})")
    return done.stdout.strip()


def answer(
    folder: str,
    login: str,
    clock: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """An unused code for a login. Runs side by side get different ones. Raises Unanswered or OSError."""
    path, command = os.path.join(folder, login), os.path.join(folder, "command")
    if not os.path.exists(path) and not os.path.exists(command):
        raise Unanswered(f"{folder} holds neither {login} nor a command")
    used = os.open(os.path.join(folder, f".{login}.used"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(used, "r+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read().strip()
        last = int(text) if text.isdigit() else 0
        # A program gives the present code alone.
        present = int(clock()) // STEP
        step, seconds = next_step(clock(), last if os.path.exists(path) else max(last, present - 1))
        wait(seconds)
        given = code(_secret(path), step) if os.path.exists(path) else _asked(command, login)
        file.seek(0)
        file.truncate()
        file.write(f"{step}\n")
    return given


def main(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Entry point for ssh; gives the exit status."""
    try:
        sys.stdout.write(answer(folder_of(environment), login_of(" ".join(words))) + "\n")
    except (Unanswered, OSError) as problem:
        sys.stderr.write(f"one-time code: {problem}\n")
        return 1
    return 0
