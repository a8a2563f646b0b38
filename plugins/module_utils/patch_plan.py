# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host is to be patched, from the inventory alone: when, from where, and what is left to the playbook."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium

#: Variables of a host with their defaults; the role's own repeat them, and a unit test compares.
DEFAULTS: Mapping[str, Any] = {
    "host_patch_hour": 2,
    "host_patch_max_age_days": 7,
    "host_patch_origins": "security",
    "host_patch_held_packages": [],
}
#: Over how many seconds the hosts of an inventory are spread.
WINDOW = 3 * 3600
#: Origins as unattended-upgrades matches them; the macro is filled in by it.
ORIGINS = {
    "security": ("origin=Debian,codename=${distro_codename}-security,label=Debian-Security",),
    "all": (
        "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
        "origin=Debian,codename=${distro_codename}-updates,label=Debian",
        "origin=Debian,codename=${distro_codename},label=Debian",
    ),
}
#: Packages whose replacement restarts, or breaks under, a service that the duty stands on.
HELD = {
    "goquorum": ("nginx*", "libnginx-*"),
    "tessera": ("openjdk-*", "default-jre*"),
    "database": ("postgresql*",),
}
#: A package's name (deb-control(5)), with an asterisk for any ending.
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\*?")


def slot(names: Sequence[str], host: str, hour: int) -> str:
    """Time of day (UTC) at which ``host`` patches itself: its own place in a window of three hours from ``hour``."""
    ordered = sorted(names)
    seconds = (hour * 3600 + ordered.index(host) * WINDOW // len(ordered)) % 86400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def pattern(name: str) -> str:
    """A package's name as a regular expression for the whole of it."""
    stem = re.escape(name.rstrip("*")).replace("\\-", "-")
    return f"^{stem}" + ("" if name.endswith("*") else "$")


def _number(said: Mapping[str, Any], name: str) -> int:
    """A number of the inventory; the default where it is none, which the preflight says in its own words."""
    try:
        return int(said[name])
    except (TypeError, ValueError):
        return int(DEFAULTS[name])


def patching(c: Consortium, host: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """How ``host`` is patched.

    :param values: variables of the host; of them those of :data:`DEFAULTS` are looked at.
    :returns: ``slot`` (HH:MM:SS, UTC), ``origins`` and ``held`` as unattended-upgrades reads them, ``max_age_days``.
    """
    said = {name: default if values.get(name) is None else values[name] for name, default in DEFAULTS.items()}
    held = [name for duty in c.hosts[host].duties for name in HELD.get(duty, ())]
    more = said["host_patch_held_packages"]
    held += [str(name) for name in more] if isinstance(more, (list, tuple)) else []
    return {
        "slot": slot(list(c.hosts), host, _number(said, "host_patch_hour")),
        "origins": list(ORIGINS.get(str(said["host_patch_origins"]), ORIGINS["security"])),
        "held": [pattern(name) for name in sorted(set(held))],
        "max_age_days": _number(said, "host_patch_max_age_days"),
    }
