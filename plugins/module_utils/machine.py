# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is and can do, found by asking the machine: read-only and without starting programs."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import first_process, mounts
from .dpkg import DPKG_STATUS, DPKG_UPDATES, marked, parse_packages
from .ground import Names, Seen
from .kernel import audit_answers
from .purging import removable
from .tree import digest

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
#: Where the second factors of administrators lie, one file each.
SECOND_FACTORS = "/etc/ssh/second_factor.d"
CAP_SYS_MODULE = 16
CAP_SYS_TIME = 25
CAP_SYSLOG = 34


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""


def missing(wanted: Iterable[str], installed: Mapping[str, tuple[str, str]]) -> list[str]:
    """Wanted packages that are not installed, in the order given; ``name:architecture`` is understood."""
    found = []
    for package in wanted:
        name, _colon, architecture = package.partition(":")
        have = installed.get(name)
        if have is None or (architecture and have[1] not in (architecture, "all")):
            found.append(package)
    return found


def parse_release(text: str) -> dict[str, str]:
    """Variables of an ``os-release`` file."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


class Machine:
    """One machine, seen below a root directory."""

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")

    def _at(self, path: str) -> str:
        return self._root + path

    def packages(self) -> dict[str, tuple[str, str]]:
        """Installed packages: name to (version, architecture)."""
        return parse_packages(_text(self._at(DPKG_STATUS)))

    def marked(self) -> tuple[list[str], list[str]]:
        """Packages on hold, and packages that an interrupted run of dpkg left halfway."""
        updates = self._at(DPKG_UPDATES)
        return marked(_text(self._at(DPKG_STATUS)), os.listdir(updates) if os.path.isdir(updates) else ())

    def release(self, packages: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """``distribution`` and ``version`` as in os-release, ``architecture`` as the packages call it."""
        found = parse_release(_text(self._at("/etc/os-release")))
        machine = os.uname().machine
        architecture = packages.get("dpkg", ("", ""))[1] or MACHINES.get(machine, machine)
        return {
            "distribution": found.get("ID", "unknown"),
            "version": found.get("VERSION_ID", "unknown"),
            "codename": found.get("VERSION_CODENAME", ""),
            "architecture": architecture,
        }

    def _writable(self, path: str) -> bool:
        # access() answers with EROFS for what is mounted read-only, for root, too.
        return os.access(first_process.seen(path, self._root), os.W_OK)

    def _may(self, capability: int) -> bool:
        # Of the first process: what asks may sit in a sandbox of its own.
        for line in _text(self._at(first_process.STATUS)).splitlines():
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> capability & 1)
        return False

    def capabilities(self) -> dict[str, bool]:
        """What this machine can carry. A container typically lacks most of it."""
        release = os.uname().release
        controllers = _text(self._at("/sys/fs/cgroup/cgroup.controllers")).split()
        unlocked = _text(self._at("/proc/sys/kernel/modules_disabled")).strip() != "1"
        return {
            "kernel_parameters": self._writable("/proc/sys/kernel/core_pattern"),
            "network_parameters": self._writable("/proc/sys/net/ipv4/ip_forward"),
            "audit": audit_answers(),
            "apparmor": _text(self._at("/sys/module/apparmor/parameters/enabled")).startswith("Y")
            and self._writable("/sys/kernel/security/apparmor/.load"),
            "modules": self._may(CAP_SYS_MODULE) and unlocked and os.path.isdir(self._at(f"/lib/modules/{release}")),
            "memory_ceiling": "memory" in controllers or self._writable("/sys/fs/cgroup/memory/system.slice"),
            "tpm": bool(glob.glob(self._at("/sys/class/tpm/tpm*"))),
            "kernel_log": self._may(CAP_SYSLOG) and os.path.exists(first_process.seen("/dev/kmsg", self._root)),
            "clock": self._may(CAP_SYS_TIME),
        }

    def credentials(self) -> dict[str, list[str]]:
        """Names of those with a password that fits, and with a second factor; never the secrets themselves."""
        rows = [line.split(":") for line in _text(self._at("/etc/shadow")).splitlines()]
        try:
            files = os.listdir(self._at(SECOND_FACTORS))
        except OSError:
            files = []
        return {
            "passwords": sorted(row[0] for row in rows if len(row) > 1 and row[1].startswith("$")),
            "second_factors": sorted(name for name in files if not name.startswith(".")),
        }

    def ground(self) -> dict[str, Any]:
        """What is mounted where (type and options), and the MiB of memory and of /tmp."""
        table = mounts.parse(_text(self._at(first_process.MOUNTINFO)))
        memory = next(
            (int(line.split()[1]) for line in _text(self._at("/proc/meminfo")).splitlines() if line[:9] == "MemTotal:"),
            0,
        )
        try:
            space = os.statvfs(self._at("/tmp"))
            size = space.f_blocks * space.f_frsize // 2**20
        except OSError:
            size = 0
        return {
            "mounts": {path: {"type": one.type, "options": sorted(one.options)} for path, one in sorted(table.items())},
            "memory_mb": memory // 1024,
            "tmp_mb": size,
        }

    def purge(self, unwanted: Sequence[str]) -> dict[str, Any]:
        """Unwanted packages that are installed: those that can go, and those that another one needs, with its name."""
        goes, stays = removable(unwanted, _text(self._at(DPKG_STATUS))) if unwanted else ([], {})
        return {"unwanted_packages": goes, "needed_packages": stays}

    def undone(self) -> list[dict[str, Any]]:
        """Records of undos that fired since the last confirmed change, by name."""
        found = []
        for path in sorted(glob.glob(self._at("/var/lib/quorum.hardening/undo/*/fired.json"))):
            name = os.path.basename(os.path.dirname(path))
            try:
                record = json.loads(_text(path))
            except ValueError:
                record = {}
            found.append({**(record if isinstance(record, dict) else {}), "name": name})
        return found


def describe(seen: Seen, names: Names) -> dict[str, Any]:
    """A file as the result shows it; the fingerprint of a regular file only."""
    if seen.kind == "absent":
        return {
            "exists": False,
            "kind": "absent",
            "sha256": "",
            "link": "",
            "mode": "",
            "owner": "",
            "group": "",
            "size": 0,
        }
    owner, _colon, group = names.of(seen.uid, seen.gid).partition(":")
    return {
        "exists": True,
        "kind": seen.kind,
        "link": seen.target,
        "mode": f"{seen.mode:04o}",
        "owner": owner,
        "group": group,
        "sha256": digest(seen.content) if seen.kind == "file" else "",
        "size": len(seen.content),
    }


def settled(path: str) -> str:
    """The path with all links among its directories followed, the last name as it is."""
    folder, name = os.path.split(path.rstrip("/"))
    return os.path.join(os.path.realpath(folder), name)
