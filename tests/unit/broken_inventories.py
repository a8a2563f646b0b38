# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes that the preflight must find: each breaks the sound inventory in one way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from consortium_sample import KEY, PGP

HostVars = dict[str, dict[str, Any]]
Breaks = Callable[[HostVars], None]


class Mistake(NamedTuple):
    """What breaks it; the rule, host and variable of the finding; words of its problem and of its advice."""

    name: str
    rule: str
    host: str
    variable: str
    problem: str
    advice: str
    breaks: Breaks


def row(name: str, where: str, problem: str, advice: str, breaks: Breaks) -> Mistake:
    """A mistake; ``where`` is "rule host variable"."""
    rule, host, variable = where.split()
    return Mistake(name, rule, host, variable, problem, advice, breaks)


def everywhere(**changes: Any) -> Breaks:
    """A breaker that sets variables on all hosts."""

    def apply(hostvars: HostVars) -> None:
        for values in hostvars.values():
            values.update(changes)

    return apply


def on(host: str, **changes: Any) -> Breaks:
    """A breaker that sets variables on one host."""

    def apply(hostvars: HostVars) -> None:
        hostvars[host].update(changes)

    return apply


def register(change: Callable[[list[dict[str, Any]]], None]) -> Breaks:
    """A breaker that edits the register, the same on all hosts."""

    def apply(hostvars: HostVars) -> None:
        members = hostvars["jump"]["consortium_members"]
        change(members)
        for values in hostvars.values():
            values["consortium_members"] = members

    return apply


def node(number: int, **changes: Any) -> Breaks:
    return register(lambda members: members[0]["nodes"][number].update(changes))


def without(*hosts: str) -> Breaks:
    def apply(hostvars: HostVars) -> None:
        for host in hosts:
            del hostvars[host]

    return apply


def person(**changes: Any) -> dict[str, Any]:
    return {"name": "ops", "keys": [KEY], **changes}


def waiver(**changes: Any) -> Breaks:
    entry = {"control": "HOST-02", "hosts": ["vault"], "reason": "r", "owner": "o", "ends": "2027-01-31", **changes}
    return everywhere(consortium_waivers=[{key: value for key, value in entry.items() if value is not None}])


def attestation(**changes: Any) -> Breaks:
    entry = {"control": "HOST-04", "document": "d", "owner": "o", "approved": "2026-01-01", "expires": "2027-01-01"}
    return everywhere(consortium_attestations=[{**entry, **changes}])


HOLDER = {"name": "holder1", "ssh_keys": [KEY], "pgp_key": PGP}
