# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of any host: files, units, running programs, sockets, core dumps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from .dpkg import DPKG_STATUS, parse_packages
from .probing import Absent, Args, Inapplicable, Observation, Unreadable
from .system import Listener, Process, System

ANY_ADDRESS = "*"


def is_loopback(address: str) -> bool:
    """Whether only the host itself can reach a socket that is bound to this address."""
    parsed = ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return bool((mapped or parsed).is_loopback)


def file_facts(args: Args, system: System) -> Observation:
    """Kind, owner and mode of a path. args: path, needed (a missing file is Absent). found: kind, owner, mode."""
    path = str(args["path"])
    seen = system.stat(path)
    if seen is None:
        if args.get("needed", True):
            raise Absent(f"{path} is not there")
        return Observation({"kind": "absent", "owner": None, "mode": None}, path)
    return Observation({"kind": seen.kind, "owner": system.user(seen.uid), "mode": f"{seen.mode:04o}"}, path)


def unit_state(args: Args, system: System) -> Observation:
    """States of a systemd unit. args: unit. found: load, active, file (enabled, masked, ...)."""
    unit = str(args["unit"])
    values = system.unit(unit)
    found = {"load": values.get("LoadState"), "active": values.get("ActiveState"), "file": values.get("UnitFileState")}
    return Observation(found, f"systemctl show {unit}")


def strange_programs(args: Args, system: System) -> Observation:
    """Running programs that belong to another duty than this host's.

    args: programs (program -> duties it belongs to), duties (of this host). found: sorted program names.
    """
    owners: Mapping[str, list[str]] = args["programs"]
    duties = set(args["duties"])
    running = {process.name for process in system.processes()}
    strange = sorted(name for name in running if name in owners and not duties & set(owners[name]))
    return Observation(strange, "/proc/*/exe")


def strange_installs(args: Args, system: System) -> Observation:
    """What is installed for another duty than this host's, whether it runs or not.

    args: packages (pattern of a whole name -> duties), paths (path -> duties), duties (of this host).
    found: sorted names of packages and paths.
    """
    status = system.read(DPKG_STATUS)
    if status is None:
        raise Unreadable(f"{DPKG_STATUS} cannot be read")
    duties = set(args["duties"])
    strange = [re.compile(name) for name, owners in args["packages"].items() if not duties & set(owners)]
    found = [name for name in parse_packages(status) if any(one.fullmatch(name) for one in strange)]
    found += [p for p, owners in args["paths"].items() if not duties & set(owners) and system.stat(p) is not None]
    return Observation(sorted(found), f"{DPKG_STATUS}, {', '.join(sorted(args['paths']))}")


def _expected(listener: Listener, rows: Iterable[Mapping[str, Any]]) -> bool:
    for row in rows:
        if row["proto"] == listener.proto and int(row["port"]) == listener.port:
            address = str(row.get("address", "*"))
            if address in (ANY_ADDRESS, listener.address):
                return True
    return False


def _named(listener: Listener) -> str:
    return f"{listener.proto} {listener.address} {listener.port}"


def strange_listeners(args: Args, system: System) -> Observation:
    """Sockets that others can reach and that no duty of this host explains.

    args: expected (list of proto, port, address; address * = any). found: sorted "proto address port".
    """
    rows = list(args["expected"])
    reachable = [item for item in system.listeners() if not is_loopback(item.address)]
    return Observation(sorted({_named(item) for item in reachable if not _expected(item, rows)}), "/proc/net")


def programs_named(system: System, names: Iterable[str]) -> list[Process]:
    """Running processes whose executable has one of these names; Absent when there is none."""
    wanted = set(names)
    found = [process for process in system.processes() if process.name in wanted]
    if not found:
        raise Absent(f"no {' or '.join(sorted(wanted))} runs here")
    return found


def program_listeners(args: Args, system: System) -> Observation:
    """Sockets of a program. args: programs, proto, reach (all|others: leave loopback out), allowed_ports.

    found: sorted "proto address port" of the sockets on other ports than the allowed ones.
    """
    allowed = {int(port) for port in args.get("allowed_ports", [])}
    inodes: set[int] = set()
    for process in programs_named(system, args["programs"]):
        inodes |= system.socket_inodes(process.pid)
    found = set()
    for item in system.listeners():
        outside = args.get("reach", "others") == "all" or not is_loopback(item.address)
        if item.inode in inodes and outside and item.proto == args.get("proto", "tcp") and item.port not in allowed:
            found.add(_named(item))
    return Observation(sorted(found), "/proc/net, /proc/*/fd")


def port_addresses(args: Args, system: System) -> Observation:
    """Addresses on which a port listens. args: port, proto, needed. found: sorted addresses."""
    port, proto = int(args["port"]), str(args.get("proto", "tcp"))
    found = sorted({item.address for item in system.listeners() if item.port == port and item.proto == proto})
    if not found and args.get("needed", True):
        raise Absent(f"nothing listens on {proto} port {port}")
    return Observation(found, "/proc/net")


def interface_addresses(_args: Args, system: System) -> Observation:
    """Global addresses of all interfaces, loopback left out. found: sorted addresses."""
    done = system.run(["ip", "-json", "address", "show"])
    if done.code != 0:
        raise Unreadable(f"ip address show: {done.err.strip() or done.code}")
    found = set()
    for link in json.loads(done.out):
        for row in link.get("addr_info", []):
            if row.get("scope") == "global":
                found.add(str(row["local"]))
    return Observation(sorted(found), "ip address show")


def config_values(args: Args, system: System) -> Observation:
    """Effective values of a systemd-style configuration: main file, then drop-ins by name over all directories.

    args: name (system.conf, say), section, keys. found: key -> value of the last assignment, None when unset.
    """
    name, section = str(args["name"]), f"[{args['section']}]"
    files: dict[str, str] = {}
    for base in ("/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"):
        for entry in system.listdir(f"{base}/{name}.d") or []:
            if entry.endswith(".conf"):
                files[entry] = f"{base}/{name}.d/{entry}"
    paths = [f"/etc/systemd/{name}", *(files[entry] for entry in sorted(files))]
    found: dict[str, str | None] = {str(key): None for key in args["keys"]}
    for path in paths:
        current = ""
        for raw in (system.read(path) or "").splitlines():
            line = raw.strip()
            if line.startswith("["):
                current = line
            key, equals, value = line.partition("=")
            if current == section and equals and key.strip() in found:
                found[key.strip()] = value.strip()
    return Observation(found, ", ".join(path for path in paths if system.stat(path) is not None))


def coredump_storage(_args: Args, system: System) -> Observation:
    """What systemd-coredump keeps. found: "not installed", or the effective Storage and ProcessSizeMax."""
    handler = "/usr/lib/systemd/systemd-coredump"
    if system.stat(handler) is None:
        return Observation("not installed", handler)
    args = {"name": "coredump.conf", "section": "Coredump", "keys": ["Storage", "ProcessSizeMax"]}
    seen = config_values(args, system)
    values = seen.found
    kept = f"Storage={values['Storage'] or 'external'} ProcessSizeMax={values['ProcessSizeMax'] or 'default'}"
    return Observation(kept, seen.where or "built-in defaults")


def hard_core_limits(_args: Args, system: System) -> Observation:
    """Hard core limit for login sessions. found: domain -> value (last assignment), from limits.conf and limits.d."""
    base = "/etc/security/limits.d"
    dropins = [f"{base}/{name}" for name in system.listdir(base) or [] if name.endswith(".conf")]
    found: dict[str, str] = {}
    for path in ["/etc/security/limits.conf", *dropins]:
        for raw in (system.read(path) or "").splitlines():
            fields = raw.split("#", 1)[0].split()
            if len(fields) == 4 and fields[1] in ("hard", "-") and fields[2] == "core":
                found[fields[0]] = fields[3]
    return Observation(found, f"/etc/security/limits.conf, {base}")


def process_core_limits(args: Args, system: System) -> Observation:
    """Hard core limit of running programs. args: programs. found: "name pid" -> limit."""
    found = {}
    for process in programs_named(system, args["programs"]):
        limits = system.read(f"/proc/{process.pid}/limits")
        if limits is None:
            continue  # ended since it was listed
        row = next((line for line in limits.splitlines() if line.startswith("Max core file size")), "")
        found[f"{process.name} {process.pid}"] = row.split()[5] if len(row.split()) > 5 else "unknown"
    return Observation(found, "/proc/*/limits")


def kernel_parameter(args: Args, system: System) -> Observation:
    """A kernel parameter. args: name (dots), own (true: only judge where this host can set it). found: its value."""
    path = "/proc/sys/" + str(args["name"]).replace(".", "/")
    value = system.read(path)
    if value is None:
        raise Inapplicable(f"this kernel has no {args['name']}")
    if args.get("own", True) and not system.writable(path):
        raise Inapplicable(f"{args['name']} belongs to the machine below and is read-only here")
    return Observation(value.strip(), path)


PROBES = {
    "file_facts": file_facts,
    "unit_state": unit_state,
    "strange_programs": strange_programs,
    "strange_installs": strange_installs,
    "strange_listeners": strange_listeners,
    "program_listeners": program_listeners,
    "port_addresses": port_addresses,
    "interface_addresses": interface_addresses,
    "config_values": config_values,
    "coredump_storage": coredump_storage,
    "hard_core_limits": hard_core_limits,
    "process_core_limits": process_core_limits,
    "kernel_parameter": kernel_parameter,
}
