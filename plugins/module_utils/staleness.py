# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a running service still run what its files say? Compared by state, so that a run cut short forgets nothing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from typing import Any

# A file that lands while its service starts: both clocks are read to ten milliseconds only.
SLACK = 0.05


def main_pid(unit: str) -> int:
    """Return the main process of a running unit, 0 when it does not run."""
    shown = subprocess.run(
        ["systemctl", "show", "--property=MainPID", "--value", unit], capture_output=True, text=True, check=False
    )
    return int(shown.stdout.strip() or 0)


def started(pid: int, proc: str = "/proc") -> float:
    """Return when a process started, in seconds since the epoch by today's clock; OSError when it is gone."""
    with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        # The second field, a name in brackets, may hold blanks: count from behind it. Start time is field 22.
        ticks = int(stream.read().rpartition(")")[2].split()[19])
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def children(pid: int, proc: str = "/proc") -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for name in filter(str.isdigit, os.listdir(proc)):
        try:
            with open(f"{proc}/{name}/stat", encoding="utf-8", errors="replace") as stream:
                if int(stream.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(name))
        except OSError:
            continue  # ended meanwhile
    return found


def newer(paths: list[str], moment: float) -> list[str]:
    """Return which of the files changed after a moment (seconds since the epoch); absent ones did not."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            continue
        if status.st_mtime > moment + SLACK:
            found.append(path)
    return found


def other_program(pid: int, program: str, proc: str = "/proc") -> bool:
    """Return whether a process runs another program file than the one that stands at that path now."""
    try:
        return os.readlink(f"{proc}/{pid}/exe") != os.path.realpath(program)
    except OSError:
        return False


def needs(unit: Mapping[str, Any], proc: str = "/proc") -> dict[str, list[str]]:
    """Return why a unit wants a restart or a reload: lists of paths, both empty when it wants nothing or is stopped.

    C(unit) has a name, files that call for a restart or a reload when newer, and maybe a program. A reload replaces the
    workers of a service (old ones may still be ending), so the newest tells when it last read its files.
    """
    restart: list[str] = []
    reload: list[str] = []
    try:
        pid = main_pid(str(unit["name"]))
        if pid:
            birth = started(pid, proc)
            restart = newer(list(unit.get("restart") or []), birth)
            program = unit.get("program")
            if program and other_program(pid, str(program), proc):
                restart.append(str(program))
            workers = [started(child, proc) for child in children(pid, proc)]
            reload = newer(list(unit.get("reload") or []), max(workers, default=birth))
    except (OSError, ValueError):
        return {"restart": [], "reload": []}  # it ended while being looked at: whoever starts it reads the new files
    return {"restart": restart, "reload": [] if restart else reload}
