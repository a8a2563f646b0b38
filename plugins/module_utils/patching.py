# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing all updates to a host at once, those of the ledger included, and what has to follow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from .commands import Runner
from .packages import APT, ENVIRONMENT, PATIENCE, UPDATE, Apt, Plan, read_plan
from .patch_run import STATE, TIME, read_state, survey, write_state
from .probes_patch import reboot_pending, stale_processes
from .system import System

#: New packages are let in, because a new kernel is one; none is removed.
UPGRADE = (*APT, "--with-new-pkgs", "upgrade")
#: What cannot be restarted in a running system without cutting others off.
_ONLY_BY_REBOOT = ("init.scope", "dbus.service", "dbus-broker.service")


@dataclass
class Patched:
    """What was brought and what has to follow: reasons for a reboot, units to restart, programs of no unit."""

    plan: Plan
    reboot: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)


def unit_of(cgroup: str) -> str:
    """Unit that a process belongs to by its ``/proc/PID/cgroup``; empty for a session's or nobody's."""
    for line in cgroup.splitlines():
        _number, controllers, path = (line + "::").split(":")[:3]
        if controllers in ("", "name=systemd"):
            names = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
            sessions = [name for name in names if name.startswith(("session-", "user@"))]
            return names[-1] if names and not sessions else ""
    return ""


def follow_up(plan: Plan, system: System) -> Patched:
    """What an upgrade leaves to be done on this host."""
    found = Patched(plan, list(reboot_pending({}, system).found))
    for process, words in stale_processes(system):
        unit = unit_of(system.read(f"/proc/{process.pid}/cgroup") or "")
        if process.pid == 1 or unit in _ONLY_BY_REBOOT:
            found.reboot.append(f"{words}, which only a reboot renews")
        elif unit:
            found.units.append(unit)
        else:
            found.programs.append(words)
    found.units = sorted(set(found.units))
    return found


def upgrade(apt: Apt, runner: Runner, check_mode: bool) -> Plan:
    """Fetch the lists and bring everything that is newer; in check mode by the lists that are there.

    :raises HostError: apt failed; the message says why.
    """
    if check_mode:
        simulated = [*ENVIRONMENT, *UPGRADE, "--simulate", "-o", "Debug::NoLocking=1"]
        return read_plan(runner(simulated, timeout=PATIENCE).out)
    apt.free()
    apt.repair()
    apt.call(UPDATE)
    plan = read_plan(apt.call([*UPGRADE, "--simulate"]).out)
    if plan.steps:
        apt.call(UPGRADE)
    return plan


def record(runner: Runner, plan: Plan, path: str = STATE) -> None:
    """Write down where the host stands, as the daily run does."""

    def said(argv: Sequence[str]) -> tuple[int, str]:
        outcome = runner(argv, timeout=PATIENCE)
        return outcome.code, outcome.out

    state, now = read_state(path), time.strftime(TIME, time.gmtime())
    state.update(survey(said, state.get("pending", []), now))
    state.update(started=now, finished=now, updated=now, result="done", problem="")
    state["upgraded"] = [
        " ".join(filter(None, (name, old, "->", new))) for name, (old, new) in sorted(plan.steps.items())
    ]
    write_state(state, path)
