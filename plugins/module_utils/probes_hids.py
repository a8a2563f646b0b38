# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of the intrusion detection: the file watch, the kernel's audit, and whether alerts get off the host."""

from __future__ import annotations

import json
import time
from ipaddress import ip_address

from .kernel import audit_answers
from .probes_access import assigned_values
from .probes_host import programs_named
from .probing import Absent, Args, Inapplicable, Observation, Unreadable
from .system import System, hex_address

STATE = "/var/lib/quorum.hardening/aide"
ESTABLISHED = "01"
#: Words that say the same in a rules file and in the kernel's list.
SPELLINGS = {"auid!=unset": "auid!=-1", "auid!=4294967295": "auid!=-1"}


def aide_unwatched(args: Args, system: System) -> Observation:
    """Paths that AIDE, by its own reading of its configuration, leaves out. args: config, paths. found: paths."""
    config = str(args["config"])
    if system.stat(config) is None:
        raise Absent(f"{config} is not there")
    left_out = []
    for path in args["paths"]:
        done = system.run(["aide", "--config", config, f"--path-check=f:{path}"])
        if done.code == 127:
            raise Absent("aide is not installed")
        if done.code > 1:
            raise Unreadable(f"aide --path-check: {done.err.strip() or done.code}")
        if done.code == 1:
            left_out.append(str(path))
    return Observation(sorted(left_out), f"aide --config {config} --path-check")


def _at_work(system: System) -> bool:
    done = system.run(["systemctl", "show", "--property=ActiveState", "--value", "quorum-aide.service"])
    return done.out.strip() in ("active", "activating")


def watch_database(_args: Args, system: System) -> Observation:
    """The watch's database. found: seal (sealed, replaced, in the making), and owner and mode as one text."""
    path = f"{STATE}/aide.db"
    seal, folder, seen = system.read(f"{path}.sha256"), system.stat(STATE), system.stat(path)
    if folder is None:
        raise Absent(f"{STATE} is not there")
    kept = {"folder": f"{system.user(folder.uid)} {folder.mode:04o}"}
    if seen is None and seal is None and _at_work(system):
        # The first one is made once the run that brought the watch has ended; systemd ends it after two hours.
        return Observation({"seal": "in the making", "file": "root 0600", **kept}, path)
    if seal is None or seen is None:
        raise Absent(f"{path if seen is None else path + '.sha256'} is not there")
    done = system.run(["sha256sum", "--", path])
    if done.code != 0:
        raise Unreadable(f"{path}: {done.err.strip() or done.code}")
    same = seal.split()[:1] == done.out.split()[:1]
    kept["file"] = f"{system.user(seen.uid)} {seen.mode:04o}"
    return Observation({"seal": "sealed" if same else "replaced", **kept}, path)


def watch_age(_args: Args, system: System) -> Observation:
    """Hours since the last completed check of the watch; 0 while the first one is under way. found: a number."""
    path = f"{STATE}/last.json"
    text = system.read(path)
    if text is None:
        if _at_work(system):
            return Observation(0, "quorum-aide.service")
        raise Absent("no check has ever been completed")
    return Observation(round(max(0.0, time.time() - float(json.loads(text)["at"])) / 3600, 1), path)


def _auditctl(system: System, option: str) -> str:
    if not audit_answers():
        raise Inapplicable("the kernel's audit subsystem does not answer here")
    done = system.run(["auditctl", option])
    if done.code == 127:
        raise Absent("auditd is not installed")
    if done.code != 0:
        raise Unreadable(f"auditctl {option}: {done.err.strip() or done.code}")
    return done.out


def audit_status(_args: Args, system: System) -> Observation:
    """The kernel's audit status. found: its fields that are numbers by name (enabled: 2 = locked, pid, lost, ...)."""
    fields = (line.split() for line in _auditctl(system, "-s").splitlines())
    found = {row[0]: int(row[1]) for row in fields if len(row) == 2 and row[1].lstrip("-").isdigit()}
    return Observation(found, "auditctl -s")


def audit_settings(args: Args, system: System) -> Observation:
    """Settings of the kernel's audit daemon, where there is such an audit. args and found: see ``assigned_values``."""
    if not audit_answers():
        raise Inapplicable("the kernel's audit subsystem does not answer here")
    return assigned_values(args, system)


def canonical(rule: str) -> str:
    """A rule with its words in one order and spelling, so that file and kernel can be compared; empty for others."""
    words = rule.split()
    if words[:1] != ["-a"]:
        return ""
    parts: set[str] = set()
    for flag, value in zip(words[0::2], words[1::2]):
        if flag == "-S":
            parts.update(f"-S {name}" for name in value.split(",") if name != "all")
        else:
            parts.add(f"{flag} {SPELLINGS.get(value, value)}")
    return " ".join(sorted(parts))


def audit_rules(args: Args, system: System) -> Observation:
    """The rules in the kernel against their file. args: path. found: missing and strange rules, in canonical words.

    A watch of something that is not there yet cannot be loaded and is not counted as missing.
    """
    path = str(args["path"])
    loaded = {canonical(line) for line in _auditctl(system, "-l").splitlines()} - {""}
    text = system.read(path)
    if text is None:
        raise Absent(f"{path} is not there")
    wanted = {canonical(line): line for line in text.splitlines()}
    wanted.pop("", None)
    missing = sorted(rule for rule in set(wanted) - loaded if _loadable(wanted[rule], system))
    return Observation({"missing": missing, "strange": sorted(loaded - set(wanted))}, f"auditctl -l, {path}")


def _loadable(rule: str, system: System) -> bool:
    for word in rule.split():
        name, _equals, value = word.partition("=")
        if name == "dir":
            return system.stat(value) is not None
        if name == "path":
            return system.stat(value.rpartition("/")[0] or "/") is not None
    return True


def alert_targets(args: Args, system: System) -> Observation:
    """Whether the forwarder holds a connection to each target. args: targets ("address port").

    found: target -> connected or not connected; empty where nothing is to leave the host at all.
    """
    targets = [str(target) for target in args["targets"]]
    if not targets:
        return Observation({}, "host_log_targets")
    inodes: set[int] = set()
    for process in programs_named(system, ["rsyslogd"]):
        inodes |= system.socket_inodes(process.pid)
    held = set()
    for table in ("tcp", "tcp6"):
        for line in (system.read(f"/proc/net/{table}") or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == ESTABLISHED and int(fields[9]) in inodes:
                address, port = fields[2].rsplit(":", 1)
                parsed = ip_address(hex_address(address))
                held.add(f"{getattr(parsed, 'ipv4_mapped', None) or parsed} {int(port, 16)}")
    return Observation({one: "connected" if one in held else "not connected" for one in targets}, "/proc/net/tcp")


PROBES = {
    "aide_unwatched": aide_unwatched,
    "watch_database": watch_database,
    "watch_age": watch_age,
    "audit_status": audit_status,
    "audit_rules": audit_rules,
    "audit_settings": audit_settings,
    "alert_targets": alert_targets,
}
