# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system of a ledger host may hold: the collection's own lists, and what an inventory makes of them.

Role, preflight and audit read the same lists. An inventory has exceptions only: ``true`` for a name keeps it, ``false``
sends it away as well. The role does as it is told; the audit follows where the inventory asks for more than we do, and
finds a failure where it asks for less, so that a waiver has to say who wants it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.baseline_lists import (
    KERNEL,
    MODULES,
    MOUNTED,
    MOUNTS,
    NEEDED_PACKAGES,
    NETWORK,
    PACKAGES,
    PATHS,
    SERVICES,
    SETUID,
    STRICTER,
)

#: Variables of the host that :func:`baseline` looks at.
VARIABLES = (
    "host_kernel_parameters",
    "host_modules",
    "host_mount_options",
    "host_packages",
    "host_services",
    "host_setuid_programs",
    "host_swap",
)


def normal_module(name: str) -> str:
    """A module's name as the kernel writes it."""
    return name.replace("-", "_")


def needed(table: Mapping[str, tuple[str, ...]], duties: Iterable[str]) -> set[str]:
    """What the roles of some duties need, by one of the tables above."""
    return {name for duty in ("", *duties) for name in table.get(duty, ())}


def _asked(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _with(names: Iterable[str], exceptions: Any) -> list[str]:
    """The names without those kept, and with those sent away, sorted."""
    asked = _asked(exceptions)
    return sorted(
        {*(n for n in names if asked.get(n) is not True), *(n for n, stays in asked.items() if stays is False)}
    )


def _parameters(own: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, str]:
    """Our values, then the inventory's over them; a null leaves a parameter alone."""
    return {name: str(value) for name, value in {**own, **asked}.items() if value is not None}


def strict(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The same variables without the exceptions that loosen our lists: what the audit judges a host by."""
    found = dict(variables)
    for name in ("host_modules", "host_packages", "host_services", "host_setuid_programs"):
        found[name] = {entry: stays for entry, stays in _asked(variables.get(name)).items() if stays is False}
    ours = {**KERNEL, **NETWORK}
    asked = _asked(variables.get("host_kernel_parameters"))
    found["host_kernel_parameters"] = {
        entry: value for entry, value in asked.items() if entry not in ours or str(value) in STRICTER.get(entry, ())
    }
    found["host_mount_options"] = {
        path: list(dict.fromkeys([*MOUNTS.get(path, ()), *(options or ())]))
        for path, options in _asked(variables.get("host_mount_options")).items()
    }
    return found


def baseline(duties: Iterable[str], variables: Mapping[str, Any], people: Iterable[str] = ()) -> dict[str, Any]:
    """What holds for a host of these duties, as plain JSON.

    :param variables: the host's own (``VARIABLES`` of them are looked at).
    :param people: accounts of administrators, whose homes are theirs alone.
    :returns: ``kernel`` and ``network`` (parameter -> value), ``modules``, ``packages`` and ``services`` that
        are to go, ``setuid`` (paths that keep the bit), ``mounts`` (path -> options), ``mounted`` (those that are no
        choice), ``paths`` (``{path, owner, group, mode}``, homes without a group), ``swap`` (off or encrypted).
    """
    duties = list(duties)
    asked = _asked(variables.get("host_kernel_parameters"))
    # One of the compiler's bears the network's prefix and belongs to the machine all the same.
    network = {name for name in asked if name not in KERNEL and str(name).startswith("net.")}
    modules = {normal_module(name): stays for name, stays in _asked(variables.get("host_modules")).items()}
    programs = _asked(variables.get("host_setuid_programs"))
    mounts = {path: list(options) for path, options in MOUNTS.items()}
    for path, options in _asked(variables.get("host_mount_options")).items():
        mounts[path] = [str(option) for option in options or ()]
    return {
        "kernel": _parameters(KERNEL, {name: asked[name] for name in asked if name not in network}),
        "network": _parameters(NETWORK, {name: asked[name] for name in network}),
        "modules": _with(MODULES, modules),
        "packages": _with(
            (n for n in PACKAGES if n not in needed(NEEDED_PACKAGES, duties)), variables.get("host_packages")
        ),
        "services": sorted(
            {*_with(SERVICES, variables.get("host_services")), *(["swap.target"] if _swap(variables) == "off" else [])}
        ),
        "setuid": sorted(
            {*(p for p in SETUID if programs.get(p) is not False), *(p for p, stays in programs.items() if stays)}
        ),
        "mounts": {path: options for path, options in mounts.items() if options},
        "mounted": [path for path in MOUNTED if mounts.get(path)],
        "paths": [dict(zip(("path", "owner", "group", "mode"), row)) for row in PATHS]
        + [{"path": f"/home/{name}", "owner": name, "mode": "0750"} for name in people],
        "swap": _swap(variables),
    }


def _swap(variables: Mapping[str, Any]) -> str:
    return str(variables.get("host_swap") or "off")
