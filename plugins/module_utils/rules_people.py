# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the preflight about administrators: who they are, how long they may come in, and how much they may do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ansible_collections.quorum.hardening.plugins.module_utils.accounts import NAME, POWERFUL
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Host
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule
from ansible_collections.quorum.hardening.plugins.module_utils.ssh_key import problem_with

_RESERVED = ("root", "goquorum", "openbao", "tessera", "postgres", "www-data", "nobody", "daemon", "sshd")
_KEY_ADVICE = "the whole line of a .pub file, ssh-ed25519 for choice"
#: Connections that log in nowhere: the rule about the run's own account has nothing to say about them.
_NO_LOGIN = ("local", "docker", "community.docker.docker", "community.docker.docker_api", "containers.podman.podman")


def administrators(case: Case) -> Iterator[Fault]:
    """The list of administrators, name by name and key by key."""
    holders = {holder.name for holder in case.c.holders}
    for host in case.hosts():
        variable = "host_administrators"
        if not host.administrators:
            advice = "at least one {name, keys}, the account of this run among them"
            yield host.name, variable, "", "nobody could log in any more", advice
        seen: set[str] = set()
        for number, person in enumerate(host.administrators):
            path = f"{variable}[{number}]"
            if person.name in seen:
                yield host.name, f"{path}.name", person.name, "is there twice", "each person once, with all keys"
            seen.add(person.name)
            yield from _login(host, f"{path}.name", person.name)
            if person.name in holders:
                problem = "also holds a share of the secret store, and its account there has no shell"
                yield host.name, f"{path}.name", person.name, problem, "another name for one of the two"
            yield from _keys(host, f"{path}.keys", f"administrator {person.name}", person.keys)
            if person.expires and date.fromisoformat(person.expires) < case.today:
                problem = f"the access of {person.name} has ended, and an account that is listed lives on"
                yield host.name, f"{path}.expires", person.expires, problem, "a later day, or no such entry any more"


def _login(host: Host, path: str, name: str) -> Iterator[Fault]:
    if not NAME.match(name):
        problem = "is not a login name"
        yield host.name, path, name, problem, "small letters, digits, '_' and '-', 32 at most, starting with a letter"
    elif name in _RESERVED:
        yield host.name, path, name, "is the name of a service or of root, not of a person", "a name for each person"


def _keys(host: Host, path: str, whose: str, keys: tuple[str, ...]) -> Iterator[Fault]:
    if not keys:
        yield host.name, path, "", f"{whose} has no key and could not log in", _KEY_ADVICE
    for number, key in enumerate(keys):
        problem = problem_with(key)
        if problem:
            yield host.name, f"{path}[{number}]", key, f"{whose}: {problem}", _KEY_ADVICE


def own_user(case: Case) -> Iterator[Fault]:
    """The account of the run must survive the run."""
    for host in case.hosts():
        user = case.users.get(host.name, "")
        names = [person.name for person in host.administrators]
        if not user or not names or case.value(host.name, "ansible_connection") in _NO_LOGIN or user in names:
            continue
        if user == "root":
            continue  # a first run, where a provider lets in nobody else: the role goes on as an administrator
        problem = f"is not among host_administrators ({', '.join(names)}): the run would lock itself out"
        yield host.name, "ansible_user", user, problem, f"{names[0]}, or {user} in host_administrators with a key"


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
    Rule("administrators", ("HOST-02",), administrators),
    Rule("own-user", ("HOST-02", "PTM-11"), own_user),
    Rule("administrators-end", ("HOST-02",), administrators_end),
    Rule("administrator-groups", ("HOST-01", "HOST-02"), administrator_groups),
)
