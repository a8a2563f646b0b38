# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of updates: what the last run left, what waits for a restart. They ask no mirror and start no apt-get."""

from __future__ import annotations

import calendar
import json
import re
import time
from typing import Any

from .dpkg import DPKG_STATUS, DPKG_UPDATES, marked
from .patch_run import STATE, TIME, installed, version_key
from .probing import Absent, Args, Inapplicable, Observation, Unreadable
from .system import Process, System

TIMER = "/etc/systemd/system/quorum-patch.timer"
DAY = 86400.0
#: Seconds after which a run that has not ended is stuck; systemd ends it sooner.
LONGEST = 3 * 3600
UNKNOWN = "not known yet"
#: Where programs and libraries come from packages; what lies elsewhere is nobody's update.
_MAPPED = re.compile(r"^\S+ ..x. \S+ \S+ \S+ +(/(?:usr|lib|lib64|bin|sbin|opt)/.*) \(deleted\)$", re.MULTILINE)


def _seconds(text: Any) -> float:
    """A time of the state file in seconds since 1970; 0 where it says none."""
    try:
        return float(calendar.timegm(time.strptime(str(text), TIME)))
    except ValueError:
        return 0.0


def _days(since: float) -> float:
    return round((time.time() - since) / DAY, 1)


def _state(system: System) -> dict[str, Any] | None:
    """What the last run wrote down; None when the timer is there and has not come round yet."""
    text = system.read(STATE)
    if text is None:
        if system.stat(TIMER) is None:
            raise Absent("nothing on this host fetches updates and says how it stands (quorum-patch.timer)")
        return None
    try:
        state = json.loads(text)
    except ValueError as problem:
        raise Unreadable(f"{STATE}: {problem}") from problem
    if not isinstance(state, dict):
        raise Unreadable(f"{STATE}: not a mapping")
    return state


def patch_run(_args: Args, system: System) -> Observation:
    """How the last run ended. found: result (waiting for the first one, running, stuck, done, failed), problem,
    list_age_days (since the package lists were fetched), security_source (yes, no, or not known yet).
    """
    state = _state(system)
    if state is None:
        landed = system.stat(TIMER)
        age = _days(landed.mtime if landed else 0.0)
        return Observation(
            {"result": "waiting", "problem": "", "list_age_days": age, "security_source": UNKNOWN}, TIMER
        )
    result = str(state.get("result", "unknown"))
    started = _seconds(state.get("started"))
    if result == "running" and time.time() - started > LONGEST:
        result = "stuck"
    first = result == "running" and not state.get("updated")
    found = {
        "result": result,
        "problem": str(state.get("problem", "")),
        "list_age_days": _days(started if first else _seconds(state.get("updated"))),
        "security_source": UNKNOWN if first else "yes" if state.get("security_sources") else "no",
    }
    return Observation(found, STATE)


def patch_overdue(args: Args, system: System) -> Observation:
    """Security updates that have not been taken in time. args: max_age_days. found: each in words, oldest first."""
    state = _state(system) or {}
    waiting = state.get("pending") or ()
    have = installed(system.read(DPKG_STATUS) or "") if waiting else {}
    rows = []
    for row in waiting:
        mine = have.get(str(row.get("package")), {}).get("version")
        age = _days(_seconds(row.get("since")))
        # What was replaced since by hand is overdue no more.
        if mine == row.get("installed") and age > float(args["max_age_days"]):
            why = f", {row['blocked']}" if row.get("blocked") else ""
            rows.append((-age, f"{row['package']} {mine} -> {row.get('offered')}, known for {age:g} days{why}"))
    return Observation([words for _age, words in sorted(rows)], STATE)


def package_marks(args: Args, system: System) -> Observation:
    """Packages out of the ordinary. args: held (patterns of names that may be on hold). found: held, halfway."""
    text = system.read(DPKG_STATUS)
    if text is None:
        raise Inapplicable("this host has no packages of dpkg's")
    held, halfway = marked(text, system.listdir(DPKG_UPDATES) or ())
    allowed = [re.compile(str(pattern)) for pattern in args.get("held") or ()]
    strange = [name for name in held if not any(pattern.match(name) for pattern in allowed)]
    return Observation({"held": strange, "halfway": halfway}, DPKG_STATUS)


def patch_configuration(_args: Args, system: System) -> Observation:
    """What unattended-upgrades would do, as apt reads it. found: origins, held (patterns), reboot."""
    done = system.run(["apt-config", "dump", "Unattended-Upgrade"])
    if done.code != 0:
        raise Unreadable(f"apt-config dump: {done.err.strip() or done.code}")
    if system.stat("/usr/bin/unattended-upgrade") is None:
        raise Absent("unattended-upgrades is not installed")
    rows = re.findall(r'^Unattended-Upgrade::([A-Za-z-]+)(?:::[^ ]*)? "(.*)";$', done.out, re.MULTILINE)
    lists = {
        name: sorted({value for key, value in rows if key == name and value})
        for name in ("Origins-Pattern", "Allowed-Origins", "Package-Blacklist")
    }
    found = {
        "origins": lists["Origins-Pattern"] + lists["Allowed-Origins"],
        "held": lists["Package-Blacklist"],
        "reboot": dict(rows).get("Automatic-Reboot", "false"),
    }
    return Observation(found, "apt-config dump")


def _kernel(system: System) -> str:
    """In words, a kernel that is installed and newer than the one that runs; empty when there is none."""
    # Debian's kernels name their package's version; another's has none, and says nothing.
    running = re.search(r"Debian (\S+) \(", system.read("/proc/version") or "")
    packages = installed(system.read(DPKG_STATUS) or "") if running else {}
    versions = [row["version"] for name, row in packages.items() if re.match(r"linux-image-[0-9]", name)]
    if not versions or running is None:
        return ""
    newest = max(versions, key=version_key)
    if version_key(newest) > version_key(running[1]):
        return f"kernel {newest} is installed, {running[1]} runs"
    return ""


def reboot_pending(_args: Args, system: System) -> Observation:
    """Why this host wants a reboot. found: reasons in words."""
    reasons = [_kernel(system)]
    if system.stat("/run/reboot-required") is not None:
        asking = sorted(set((system.read("/run/reboot-required.pkgs") or "").split()))
        reasons.append(f"asked for by {', '.join(asking) or 'a package'}")
    return Observation([why for why in reasons if why], "/run/reboot-required, /proc/version")


def stale_processes(system: System) -> list[tuple[Process, str]]:
    """Processes that run code which an update has replaced, each with "program pid: file"."""
    found = []
    for process in system.processes():
        try:
            maps = system.read(f"/proc/{process.pid}/maps") or ""
        except Unreadable:
            continue  # it ended meanwhile
        files = sorted(set(_MAPPED.findall(maps)))
        if files:
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            found.append((process, f"{process.name} {process.pid}: {files[0]}{more}"))
    return found


def stale_programs(_args: Args, system: System) -> Observation:
    """Programs that run code which an update has replaced. found: "program pid: file", sorted."""
    return Observation(sorted(words for _process, words in stale_processes(system)), "/proc/*/maps")


PROBES = {
    "patch_run": patch_run,
    "patch_overdue": patch_overdue,
    "package_marks": package_marks,
    "patch_configuration": patch_configuration,
    "reboot_pending": reboot_pending,
    "stale_programs": stale_programs,
}
