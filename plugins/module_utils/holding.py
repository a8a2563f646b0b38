# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a host: who holds it, and whether that run still lives."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

FILE = "lock.json"


@dataclass(frozen=True)
class Holder:
    """A run. ``controller`` tells machines apart, ``pid`` and ``start`` its processes, ``since`` is ISO 8601 in UTC."""

    who: str
    controller: str
    pid: int
    start: str
    since: str

    @property
    def run(self) -> str:
        """What tells this run from every other."""
        return f"{self.controller}/{self.pid}/{self.start}"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "run": self.run}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Holder:
        """:raises ValueError: the row is none of ours."""
        try:
            return cls(str(row["who"]), str(row["controller"]), int(row["pid"]), str(row["start"]), str(row["since"]))
        except (KeyError, TypeError) as problem:
            raise ValueError(f"not a lock of ours: {problem}") from problem


#: How many seconds a call waits for one that a killed run left at work on the host.
PATIENCE = 120.0


@contextlib.contextmanager
def alone(wanted: bool = True, directory: str = "/run/quorum.hardening", patience: float = PATIENCE) -> Iterator[None]:
    """One changing call at a time: a run that was killed may have left one behind that is still at work.

    :raises OSError: the other one is still not done.
    """
    if not wanted:
        yield
        return
    os.makedirs(directory, mode=0o700, exist_ok=True)
    guard = os.open(os.path.join(directory, "work"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise OSError(f"another call is still at work on this host after {patience:g} s") from None
                time.sleep(0.2)
        yield
    finally:
        os.close(guard)


UNREADABLE = Holder("unknown", "", 0, "", "unknown")


class Lock:
    """The lock of one host, a file in a directory that a reboot empties."""

    def __init__(self, directory: str = "/run/quorum.hardening") -> None:
        self._directory = directory
        self._path = os.path.join(directory, FILE)

    def holder(self) -> Holder | None:
        """Who holds it; None when nobody does."""
        try:
            with open(self._path, encoding="utf-8") as handle:
                return Holder.from_dict(json.load(handle))
        except FileNotFoundError:
            return None
        except ValueError:
            return UNREADABLE

    def hold(self, run: Holder, breaking: str = "") -> Holder | None:
        """Take it.

        :param breaking: the run whose lock may be broken, ``*`` for any.
        :returns: None when it is ours now (or was already), else who holds it.
        """
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        guard = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Two runs may come at the same moment: looking and writing are one step.
            fcntl.flock(guard, fcntl.LOCK_EX)
            present = self.holder()
            if present is not None and present.run != run.run and breaking not in ("*", present.run):
                return present
            if present is None or present.run != run.run:
                aside = self._path + ".new"
                with open(
                    os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
                ) as handle:
                    json.dump(run.to_dict(), handle)
                os.replace(aside, self._path)
            return None
        finally:
            os.close(guard)

    def release(self, run: Holder) -> bool:
        """Let it go if it is this run's; says whether it was."""
        present = self.holder()
        if present is None or present.run != run.run:
            return False
        os.unlink(self._path)
        return True


def started(pid: int, proc: str = "/proc") -> str:
    """Something that tells a process from a later one with the same id; empty when there is no such process."""
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            # The program's name is in brackets and may hold anything.
            ticks = handle.read().rpartition(")")[2].split()[19]
        with open(f"{proc}/sys/kernel/random/boot_id", encoding="utf-8") as handle:
            return f"{handle.read().strip()[:8]}-{ticks}"
    except OSError:
        return "" if os.path.isdir(f"{proc}/self") else _started_by_ps(pid)


def _started_by_ps(pid: int) -> str:
    """The same on a controller without /proc."""
    try:
        done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return "-".join(done.stdout.split())


def dead(holder: Holder, controller: str, proc: str = "/proc") -> bool:
    """Whether a holder was a run of this very controller that is no more. Of other controllers nothing can be said."""
    return holder.controller == controller and started(holder.pid, proc) != holder.start


def controller_identity(hostname: str, machine_id_path: str = "/etc/machine-id") -> str:
    """Name of this controller, not to be confused with another machine of the same host name."""
    try:
        with open(machine_id_path, encoding="utf-8") as handle:
            return f"{hostname}:{handle.read().strip()[:12]}"
    except OSError:
        return hostname
