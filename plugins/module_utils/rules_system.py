# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the preflight about the system below a host's duty: mounts, modules, packages, units, the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import baseline, baseline_lists
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Host
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule

#: MiB below which packages and administrators run into a full /tmp.
TMP_LEAST = 64

_PATH = re.compile(r"/[A-Za-z0-9._@/-]*")
_OPTION = re.compile(r"[a-z][a-z0-9_-]*(=[A-Za-z0-9._-]+)?")
_PARAMETER = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_*@:-]+)+")
_MODULE = re.compile(r"[A-Za-z0-9_-]+")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_UNIT = re.compile(r"[A-Za-z0-9@_.\\:-]+\.(service|socket|target|timer|path|mount|automount|swap)")
_SIZE = re.compile(r"([0-9]+)(%|m)")

#: Variable, the shape of its names, and what such a name is called.
_NAMED = (
    ("host_kernel_parameters", _PARAMETER, "a kernel parameter, such as net.ipv4.conf.*.rp_filter"),
    ("host_modules", _MODULE, "a kernel module, such as usb_storage"),
    ("host_packages", _PACKAGE, "a package, such as cron"),
    ("host_services", _UNIT, "a unit with its type, such as rsync.service"),
    ("host_setuid_programs", _PATH, "an absolute path, such as /usr/bin/crontab"),
    ("host_mount_options", _PATH, "an absolute path, such as /srv"),
)


def _dictionary(case: Case, host: Host, variable: str) -> Mapping[str, Any]:
    value = case.value(host.name, variable)
    return value if isinstance(value, Mapping) else {}


def names(case: Case) -> Iterator[Fault]:
    """Names that are not of the kind the variable holds; none of them may reach a file or a command."""
    for host in case.hosts():
        for variable, shape, kind in _NAMED:
            for name, value in _dictionary(case, host, variable).items():
                if not shape.fullmatch(str(name)) or ".." in str(name).split("/"):
                    yield host.name, f"{variable}.{name}", value, "is not the name that this variable takes", kind
        for name, value in _dictionary(case, host, "host_kernel_parameters").items():
            if isinstance(value, bool) or (value is not None and "\n" in str(value)):
                problem = "is no value of a kernel parameter"
                yield (
                    host.name,
                    f"host_kernel_parameters.{name}",
                    value,
                    problem,
                    'text or a number, such as "1", or null',
                )


def mount_options(case: Case) -> Iterator[Fault]:
    """Options for a path that is no mount, and options that are none."""
    variable = "host_mount_options"
    for host in case.hosts():
        for path, options in _dictionary(case, host, variable).items():
            wrong = (
                [str(o) for o in options or () if not _OPTION.fullmatch(str(o))]
                if _is_list(options)
                else [str(options)]
            )
            if wrong:
                problem = f"{', '.join(wrong)} is no mount option"
                yield host.name, f"{variable}.{path}", options, problem, "a list such as [nosuid, nodev, noexec]"
            table = case.looks.get(host.name, {}).get("mounts")
            ours = path in baseline_lists.MOUNTED
            if options and table is not None and path not in table and not ours:
                problem = "is no mount on this host, so it has no options of its own"
                advice = "a path that is a mount: " + ", ".join(p for p in sorted(table) if not _internal(p))
                yield host.name, f"{variable}.{path}", options, problem, advice


def _is_list(value: Any) -> bool:
    return value is None or isinstance(value, (list, tuple))


def _internal(path: str) -> bool:
    return path.startswith(("/proc/", "/sys/", "/dev/", "/run/"))


def modules_in_use(case: Case) -> Iterator[Fault]:
    """A module asked out that a mounted file system needs."""
    for host in case.hosts():
        look = case.looks.get(host.name, {})
        # Where no modules are loaded, none of ours is forbidden either.
        if not look.get("capabilities", {}).get("modules"):
            continue
        out = set(baseline.baseline(host.duties, case.hostvars.get(host.name, {}))["modules"])
        for path, mount in sorted((look.get("mounts") or {}).items()):
            kind = str(mount.get("type", ""))
            for module in baseline_lists.CARRIERS.get(kind, (kind,)):
                if module in out:
                    problem = f"{path} is a mounted {kind}, which needs this module"
                    advice = f"{module}: true, or unmount {path} for good"
                    yield host.name, f"host_modules.{module}", False, problem, advice


def needed(case: Case) -> Iterator[Fault]:
    """A package or a unit asked out that one of our roles needs on this host."""
    tables = (("host_packages", baseline_lists.NEEDED_PACKAGES), ("host_services", baseline_lists.NEEDED_SERVICES))
    for host in case.hosts():
        for variable, table in tables:
            mine = baseline.needed(table, host.duties)
            for name, stays in _dictionary(case, host, variable).items():
                if stays is False and name in mine:
                    problem = f"the duty {', '.join(host.duties) or 'of every host'} needs it"
                    yield host.name, f"{variable}.{name}", False, problem, f"the list without {name}"


def tmp_size(case: Case) -> Iterator[Fault]:
    """A /tmp that is too small to work with, or so large that filling it takes all memory."""
    variable = "host_tmp_size"
    for host in case.hosts():
        value = case.value(host.name, variable)
        look = case.looks.get(host.name, {})
        size = _SIZE.fullmatch(str(value if value is not None else "25%"))
        if size is None:
            yield host.name, variable, value, "is no size", '"25%" of the memory, or "512m"'
            continue
        memory = int(look.get("memory_mb") or 0)
        wanted = int(size[1]) * memory // 100 if size[2] == "%" else int(size[1])
        mount = (look.get("mounts") or {}).get("/tmp")
        if mount and mount.get("type") != "tmpfs":
            if int(look.get("tmp_mb") or 0) < TMP_LEAST:
                problem = f"/tmp is a file system of {look.get('tmp_mb')} MiB: too small"
                yield host.name, variable, value, problem, f"at least {TMP_LEAST} MiB there, or no mount on /tmp"
        elif (memory or size[2] == "m") and wanted < TMP_LEAST:
            yield host.name, variable, value, f"/tmp would have {wanted} MiB: too small", f"{TMP_LEAST}m at least"
        elif memory and wanted > memory // 2:
            problem = f"/tmp would have {wanted} MiB of {memory} MiB memory: whoever fills it takes the host down"
            yield host.name, variable, value, problem, "half of the memory at most"


def clock(case: Case) -> Iterator[Fault]:
    """A clock that no named server can set."""
    variable = "host_ntp_servers"
    for host in case.hosts():
        if case.looks.get(host.name, {}).get("capabilities", {}).get("clock") is False:
            continue
        addresses = [server.address for server in host.ntp_servers]
        if not addresses and case.value(host.name, variable) in (None, [], ()):
            problem = "no server sets this clock: certificates, blocks and logs would drift apart"
            yield host.name, variable, "", problem, "the address of at least one time server"
        elif addresses and set(addresses) <= set(host.own()):
            problem = "names this host alone, which cannot tell itself the time"
            yield host.name, variable, ", ".join(addresses), problem, "the address of another machine"


RULES = (
    Rule("system-names", ("HOST-01",), names),
    Rule("mount-options", ("HOST-01",), mount_options),
    Rule("module-in-use", ("HOST-01",), modules_in_use),
    Rule("needed-here", ("HOST-01",), needed),
    Rule("tmp-size", ("HOST-01",), tmp_size),
    Rule("clock", ("HOST-01",), clock),
)
