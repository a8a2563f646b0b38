# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe of what a service takes from itself, and from all that it starts."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from . import mounts
from .probing import Absent, Args, Observation, Unreadable
from .system import System

#: A process whose system calls are filtered, as the kernel tells it.
FILTERED = "2"
#: What ProtectClock lets in by itself: the clock's device, to be read.
OF_CLOCK = "char-rtc r"
#: Seconds by which a file's time and that of a process may differ.
SLACK = 1.0
#: Of the capabilities that this is asked of: their numbers in the kernel's masks.
CAPABILITIES = {
    "cap_sys_module": 16,
    "cap_sys_rawio": 17,
    "cap_sys_boot": 22,
    "cap_sys_resource": 24,
    "cap_sys_time": 25,
    "cap_mknod": 27,
    "cap_syslog": 34,
    "cap_bpf": 39,
}


def _everybody(words: str) -> bool:
    """Whether networks are all addresses of a family, be it in parts."""
    networks = [ip_network(word, strict=False) for word in words.split()]
    v4 = collapse_addresses([one for one in networks if isinstance(one, IPv4Network)])
    v6 = collapse_addresses([one for one in networks if isinstance(one, IPv6Network)])
    return any(one.prefixlen == 0 for one in v4) or any(one.prefixlen == 0 for one in v6)


def _gaps(shown: Mapping[str, str]) -> list[str]:
    """What a further file gives back of what ours took."""
    devices = [line for line in shown.get("DeviceAllow", "").splitlines() if line not in ("", OF_CLOCK)]
    found = [f"the device {line} is let in" for line in devices]
    if shown.get("IPAddressDeny") and _everybody(shown.get("IPAddressAllow", "")):
        found.append("IPAddressAllow takes back what IPAddressDeny says")
    return found


def _newer(shown: Mapping[str, str], unit: str, live: Collection[str], system: System) -> list[str]:
    """Files of a unit that changed after its process began.

    Packages' files bear the time of their building, and generators write theirs at each reload: neither is looked at.
    The beginning is counted by the clock that nobody sets: a machine may boot with a wrong time.
    """
    begun = shown.get("ExecMainStartTimestampMonotonic", "")
    if not begun.isdigit():
        raise Unreadable(f"systemctl show {unit}: it does not say when the process began")
    wall = time.time() - time.monotonic() + int(begun) / 1e6
    paths = [shown.get("FragmentPath", ""), *shown.get("DropInPaths", "").split()]
    ours = (f"/run/systemd/system/{unit}", "/etc/systemd/system/")
    seen = {path: system.stat(path) for path in paths if path.startswith(ours) and path not in live}
    return [path for path, one in seen.items() if one is not None and one.mtime > wall + SLACK]


def _runs_with(shown: Mapping[str, str], args: Args, system: System) -> list[str]:
    """What the running process has although the unit's words are others."""
    unit, process = str(args["unit"]), f"/proc/{shown['MainPID']}"
    status = dict(line.split(":", 1) for line in (system.read(f"{process}/status") or "").splitlines() if ":" in line)
    kernel = mounts.parse(system.read(f"{process}/mountinfo") or "").get("/proc/sys")
    bound = int(status.get("CapBnd", "").strip() or "-1", 16)
    had = [name for name in args["capabilities"] if bound >> CAPABILITIES[name] & 1]
    bare = status.get("Seccomp", "").strip() != FILTERED or kernel is None or "ro" not in kernel.options
    found = [f"{unit} runs without what its files say"] if bare or had else []
    if shown.get("NeedDaemonReload") == "yes":
        found.append(f"the files of {unit} changed after systemd read them")
    changed = _newer(shown, unit, args.get("live", ()), system)
    return [*found, *(f"{unit} runs since before {path} changed" for path in changed)]


def service_bounds(args: Args, system: System) -> Observation:
    """What a service, and whoever logs in through it, could do although it should not.

    args: unit; properties (name -> words in any order); calls (of the system, that must be refused), capabilities (in
    small letters, that nobody may get), live (paths of its files that hold without a restart). found: sorted sentences.
    The unit's own words are not enough: the process that runs may be older than they are.
    """
    unit, properties = str(args["unit"]), args["properties"]
    shown = system.unit(unit)
    if shown.get("MainPID", "0") == "0":
        raise Absent(f"{unit} does not run")
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
    found += [*_gaps(shown), *_runs_with(shown, args, system)]
    return Observation(sorted(found), f"systemctl show {unit}, /proc/{shown['MainPID']}")


PROBES = {"service_bounds": service_bounds}
