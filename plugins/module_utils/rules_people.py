# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the preflight about administrators: how long they may come in, and how much they may do."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.quorum.hardening.plugins.module_utils.accounts import NAME, POWERFUL
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule


def administrators_end(case: Case) -> Iterator[Fault]:
    """Nobody who could log in is left after a day that is known already."""
    for host in case.hosts():
        people = host.administrators
        if people and all(person.expires for person in people):
            last = max(people, key=lambda person: person.expires)
            problem = (
                f"every administrator's access ends, the last ({last.name}) on this day, and then nobody could log in"
            )
            yield host.name, "host_administrators", last.expires, problem, "at least one administrator without expires"


def administrator_groups(case: Case) -> Iterator[Fault]:
    """Groups of administrators that lead to root past sudo, or that are ours to fill."""
    for host in case.hosts():
        for number, person in enumerate(host.administrators):
            path = f"host_administrators[{number}].groups"
            for group in person.groups:
                if not NAME.match(group):
                    advice = "small letters, digits, '_' and '-', 32 at most"
                    yield host.name, path, group, "is not the name of a group", advice
                elif group in POWERFUL or group.startswith("quorum-"):
                    problem = "leads to root past sudo and its log" if group in POWERFUL else "is for the role to fill"
                    yield host.name, path, group, problem, "groups that let read, adm or systemd-journal for example"


RULES = (
    Rule("administrators-end", ("HOST-02",), administrators_end),
    Rule("administrator-groups", ("HOST-01", "HOST-02"), administrator_groups),
)
