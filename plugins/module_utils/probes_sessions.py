# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe of what a service takes from itself, and from all that it starts."""

from __future__ import annotations

from collections.abc import Mapping

from . import mounts
from .probing import Absent, Args, Observation, Unreadable
from .system import System

#: A process whose system calls are filtered, as the kernel tells it.
FILTERED = "2"


def _shown(system: System, unit: str, properties: Mapping[str, str]) -> dict[str, str]:
    names = [*properties, "CapabilityBoundingSet", "LoadState", "MainPID", "SystemCallFilter"]
    done = system.run(["systemctl", "show", f"--property={','.join(names)}", unit])
    if done.code != 0:
        raise Unreadable(f"systemctl show {unit}: {done.err.strip() or done.code}")
    shown = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    if shown.get("LoadState") == "not-found":
        raise Absent(f"there is no unit {unit}")
    if shown.get("MainPID", "0") == "0":
        raise Absent(f"{unit} does not run")
    return shown


def service_bounds(args: Args, system: System) -> Observation:
    """What a service, and whoever logs in through it, could do although it should not.

    args: unit; properties (name -> words in any order); calls (of the system, that must be refused), capabilities (in
    small letters, that nobody may get). found: sorted sentences. The unit's own words are not enough: the process that
    runs may be older than they are.
    """
    unit, properties = str(args["unit"]), args["properties"]
    shown = _shown(system, unit, properties)
    found = [
        f"{name} is {shown.get(name) or 'not set'}"
        for name, value in properties.items()
        if set(shown.get(name, "").split()) != set(str(value).split())
    ]
    denied = shown.get("SystemCallFilter", "")
    refused = set(denied[1:].split()) if denied.startswith("~") else set()
    found += [f"the system call {name} is not refused" for name in args["calls"] if name not in refused]
    had = set(shown.get("CapabilityBoundingSet", "").split())
    found += [f"{name} can be had" for name in args["capabilities"] if name in had]
    process = f"/proc/{shown['MainPID']}"
    status = dict(line.split(":", 1) for line in (system.read(f"{process}/status") or "").splitlines() if ":" in line)
    kernel = mounts.parse(system.read(f"{process}/mountinfo") or "").get("/proc/sys")
    if status.get("Seccomp", "").strip() != FILTERED or kernel is None or "ro" not in kernel.options:
        found.append(f"{unit} runs without what its files say")
    return Observation(sorted(found), f"systemctl show {unit}, {process}")


PROBES = {"service_bounds": service_bounds}
