# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the preflight about updates: where they come from, and what may be kept back."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.quorum.hardening.plugins.module_utils.patch_plan import NAME
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule

CONTROL = "HOST-05"
#: Beginnings that no pattern may cover: what they hold is most of what security updates are about.
_NEEDED = ("libc6", "libssl3", "linux-image-", "openssh-server", "openssl", "sudo", "systemd", "unattended-upgrades")


def mirror_missing(case: Case) -> Iterator[Fault]:
    """A host whose packet filter lets no update in."""
    for host in case.hosts():
        if not host.package_mirrors and CONTROL not in host.skip_controls:
            problem = "no mirror may be reached, so that no security update would ever arrive"
            advice = "the address and the port of a mirror or of a package proxy: [{address: 198.18.0.3, port: 3142}]"
            yield host.name, "host_package_mirrors", "", problem, advice


def held(case: Case) -> Iterator[Fault]:
    """Names of packages that are none, or that hold back what must never wait for a person."""
    variable = "host_patch_held_packages"
    for host in case.hosts():
        value = case.value(host.name, variable)
        if not isinstance(value, list):
            continue  # the argument specification says so
        for number, name in enumerate(value):
            path = f"{variable}[{number}]"
            if not isinstance(name, str) or not NAME.fullmatch(name):
                advice = "a package's name, or its beginning and an asterisk, 'postgresql*' for example"
                yield host.name, path, name, "is not the name of a package", advice
                continue
            stem = name.rstrip("*")
            covered = [one for one in _NEEDED if one == name or (name.endswith("*") and one.startswith(stem))]
            if covered:
                problem = f"would keep the security updates of {', '.join(covered)} waiting for a person"
                yield host.name, path, name, problem, "packages of one service only, by their whole name"


RULES = (
    Rule("patch-mirror", (CONTROL,), mirror_missing),
    Rule("patch-held", (CONTROL,), held),
)
