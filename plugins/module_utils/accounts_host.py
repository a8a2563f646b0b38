# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account leaves on a host beside its line in passwd: processes, timers, keys. Found, and taken away."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from .accounts import Plan
from .accounts_book import Book
from .commands import Runner, must

LOGINS = "/run/systemd/users"
# By the name of their owner, and directories of files by their owner's id.
BY_NAME = ("/var/spool/cron/crontabs", "/var/lib/systemd/linger", "/run/sudo/ts")
BY_OWNER = ("/var/spool/cron/atjobs",)
ROUNDS = 10


def traces(uids: Mapping[str, int], root: str = "") -> list[str]:
    """Files that would act, or let act, in the name of these people: crontab, jobs of at, lingering, sudo's memory."""
    found = []
    for name, uid in uids.items():
        for folder in BY_NAME:
            found += [path for path in (f"{folder}/{name}", f"{folder}/{uid}") if os.path.lexists(root + path)]
        for folder in BY_OWNER:
            for entry in _names(root + folder):
                if os.lstat(f"{root}{folder}/{entry}").st_uid == uid:
                    found.append(f"{folder}/{entry}")
    return sorted(found)


def strange_keys(folder: str, people: Collection[str], root: str = "") -> list[str]:
    """Files of keys whose name nobody listed has."""
    return [f"{folder}/{name}" for name in _names(root + folder) if name not in people]


def _names(folder: str) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if not entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def processes_of(uids: Collection[int], proc: str = "/proc") -> list[int]:
    """Process ids that belong to these users."""
    found = []
    for entry in os.listdir(proc) if uids else ():
        if entry.isdigit():
            try:
                if os.stat(f"{proc}/{entry}").st_uid in uids:
                    found.append(int(entry))
            except OSError:
                continue  # it ended meanwhile
    return found


def end_sessions(
    runner: Runner,
    uids: Mapping[str, int],
    kill: Callable[[int, int], None] = os.kill,
    find: Callable[[Collection[int]], Iterable[int]] = processes_of,
    logins: str = LOGINS,
) -> None:
    """End everything that runs as these users; what logind does not know of is killed, until nothing is left."""
    for name, uid in uids.items():
        if os.path.exists(f"{logins}/{uid}"):
            runner(["loginctl", "terminate-user", name], timeout=30)
    for _round in range(ROUNDS):
        left = list(find(set(uids.values())))
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                kill(pid, 9)
        time.sleep(0.05)


def take_away(paths: Iterable[str], root: str = "") -> None:
    """Remove files; it is no error when one is gone already."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(root + path)


def carry_out(runner: Runner, made: Plan) -> None:
    """Do what the plan says.

    :raises HostError: a command failed; what came before it stays done, and the next run goes on from there.
    """
    for command in made.commands:
        must(runner, command, timeout=60)


def user_of_session(environment: Mapping[str, str], login_uid: str, book: Book) -> str | None:
    """The account through which a run came in: sudo says so, else the kernel's login id does."""
    if environment.get("SUDO_USER"):
        return environment["SUDO_USER"]
    return next((a.name for a in book.accounts.values() if str(a.uid) == login_uid.strip()), None)
