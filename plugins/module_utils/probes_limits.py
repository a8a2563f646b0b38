# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of what keeps a flood away, and of where data lies: ceilings of flows and of services, remote file systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .first_process import MOUNTS
from .probes_firewall import egress_targets, table_objects
from .probing import Absent, Args, Observation, Unreadable
from .system import System

#: Types of file systems whose blocks lie on another machine.
REMOTE = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ceph",
        "glusterfs",
        "lustre",
        "afs",
        "9p",
        "ncpfs",
        "ocfs2",
        "gfs2",
        "beegfs",
    }
)
#: The same, mounted by a program: fuse.<name>.
REMOTE_PROGRAMS = ("sshfs", "s3fs", "goofys", "gcsfuse", "blobfuse", "rclone", "glusterfs", "ceph", "davfs", "mount-s3")


def _ceilings(rule: Mapping[str, Any]) -> Iterator[str]:
    """What a rule of the input chain cuts, in the words of ``limits.spelled``."""
    end = ""
    for statement in rule.get("expr", []):
        left = statement.get("match", {}).get("left", {})
        if left.get("payload", {}).get("field") == "dport":
            end = f"{left['payload']['protocol']} {statement['match']['right']}"
        for counted in statement.get("set", {}).get("stmt", []):
            if counted.get("limit", {}).get("inv"):
                limit = counted["limit"]
                yield f"{end} new {limit['rate']}/{limit['per']} burst {limit.get('burst', 0)}"
            if counted.get("ct count", {}).get("inv"):
                yield f"{end} held {counted['ct count']['val']} by one source"
        if statement.get("ct count", {}).get("inv"):
            yield f"{end} held {statement['ct count']['val']} in all"


def flow_limits(args: Args, system: System) -> Observation:
    """Ceilings that the live rules set on arriving flows. args: family, table. found: sorted, in words."""
    family, table = str(args["family"]), str(args["table"])
    found: set[str] = set()
    for item in table_objects(system, family, table):
        rule = item.get("rule", {})
        verdicts = {
            name for statement in rule.get("expr", []) for name in ("goto", "drop", "jump") if name in statement
        }
        if rule.get("chain") == "input" and verdicts:
            found |= set(_ceilings(rule))
    return Observation(sorted(found), f"nft list table {family} {table}, input")


def egress_ports(args: Args, system: System) -> Observation:
    """Whom the host may ask on some ports, by the live rules. args: family, table, ports.

    found: sorted "proto address port"; rules that leave the port open count, too.
    """
    wanted = {str(port) for port in args["ports"]} | {"any"}
    seen = egress_targets(args, system)
    found = [line for line in seen.found if line.split()[2] in wanted or "-" in line.split()[2]]
    return Observation(found, seen.where)


def service_ceilings(args: Args, system: System) -> Observation:
    """Properties of units that are not bounded. args: units (unit -> properties).

    found: sorted "unit property"; a unit that is not there is Absent.
    """
    units: Mapping[str, list[str]] = args["units"]
    found = []
    for unit, properties in units.items():
        values = system.unit(unit)
        found += [f"{unit} {name}" for name in properties if values.get(name, "") in ("", "infinity", "[not set]")]
    return Observation(sorted(found), f"systemctl show {' '.join(units)}")


def flood_parameters(args: Args, system: System) -> Observation:
    """Live values of kernel parameters. args: parameters (name -> value).

    found: sorted "name is value instead of value", of those that this kernel has and this host can set.
    """
    found, seen = [], 0
    for name, value in args["parameters"].items():
        path = "/proc/sys/" + str(name).replace(".", "/")
        live = system.read(path)
        if live is None or not system.writable(path):
            continue
        seen += 1
        if live.split() != str(value).split():
            found.append(f"{name} is {' '.join(live.split())} instead of {value}")
    return Observation(sorted(found), f"/proc/sys ({seen} looked at)")


def remote_storage(_args: Args, system: System) -> Observation:
    """File systems whose data lies on another machine. found: sorted "path type", mounted now or at boot."""
    mounts, table = system.read(MOUNTS), system.read("/etc/fstab")
    if mounts is None:
        raise Unreadable(f"{MOUNTS} cannot be read")
    found = set()
    for line in [*mounts.splitlines(), *(table or "").splitlines()]:
        fields = line.split("#", 1)[0].split()
        if len(fields) > 2 and _is_remote(fields[2]):
            found.add(f"{fields[1]} {fields[2]}")
    return Observation(sorted(found), f"{MOUNTS}, /etc/fstab")


def _is_remote(kind: str) -> bool:
    program = kind.partition("fuse.")[2]
    return kind in REMOTE or (program != "" and program.startswith(REMOTE_PROGRAMS))


def file_text(args: Args, system: System) -> Observation:
    """Text of a small file of ours. args: path. found: the text without the white space around it."""
    path = str(args["path"])
    text = system.read(path)
    if text is None:
        raise Absent(f"{path} is not there")
    return Observation(text.strip(), path)


PROBES = {
    "flow_limits": flow_limits,
    "egress_ports": egress_ports,
    "service_ceilings": service_ceilings,
    "flood_parameters": flood_parameters,
    "remote_storage": remote_storage,
    "file_text": file_text,
}
