# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the preflight about what an administrator must bring: a one-time code for SSH, a password for sudo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Host
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule

#: A run makes a connection, and a fresh one to confirm; the code for it may be a whole step of 30 seconds away, and
#: where codes were just used, two.
SHORTEST_UNDO = 90
CONTROL = "PTM-10"
BRINGS = "(the playbook enrol brings it)"
#: Connections that log in nowhere, and so bring no code and no password.
NO_LOGIN = ("local", "docker", "community.docker.docker", "community.docker.docker_api", "containers.podman.podman")


def truth(value: Any, default: bool) -> bool:
    """A boolean of the inventory, in any of its spellings."""
    return default if value is None else str(value).strip().lower() in ("true", "yes", "on", "1", "y", "t")


def wants_second_factor(duties: Sequence[str], skipped: Sequence[str], value: Any) -> bool:
    """Whether administrators need a code on a host; by default on that of the secret store. The role's own default."""
    return truth(value, "vault" in duties and CONTROL not in skipped)


def _wanted(case: Case, host: Host) -> bool:
    return wants_second_factor(host.duties, host.skip_controls, case.value(host.name, "host_ssh_second_factor"))


def _credentials(case: Case, host: Host) -> Mapping[str, Any] | None:
    """What the look found on the host; None where nobody looked, or identities are just being made."""
    found = case.looks.get(host.name, {}).get("credentials")
    return found if case.enrolled and isinstance(found, Mapping) else None


def _user(case: Case, host: Host, found: Mapping[str, Any]) -> tuple[str, str]:
    """Who the run logs in as at its end, and how that is said; the first is empty where it does not log in."""
    if case.value(host.name, "ansible_connection") in NO_LOGIN:
        return "", ""
    user = case.users.get(host.name) or str(found.get("user") or "")
    if user == "root" and host.administrators:
        return host.administrators[0].name, "as whom this run goes on once root is shut out"
    return user, "as whom this run logs in"


def second_factor(case: Case) -> Iterator[Fault]:
    """A second factor that is missing, that nobody can give, or that leaves no time to confirm a change."""
    variable = "host_ssh_second_factor"
    for host in case.hosts():
        if not _wanted(case, host):
            if "vault" in host.duties and CONTROL not in host.skip_controls:
                problem = "one stolen key would open the host of the secret store"
                yield host.name, variable, False, problem, f"true, or {CONTROL} in host_skip_controls with a waiver"
            continue
        seconds = case.value(host.name, "host_undo_seconds")
        if isinstance(seconds, int) and seconds < SHORTEST_UNDO:
            problem = (
                "a fresh connection may have to wait for an unused code, and the change would be taken back before"
            )
            yield host.name, "host_undo_seconds", seconds, problem, f"{SHORTEST_UNDO} or more, or nothing"
        found = _credentials(case, host)
        if found is None:
            continue
        (user, role), enrolled = _user(case, host, found), found.get("second_factors") or ()
        advice = f"an account there with a key and sudo, and 'sudo quorum-credentials second-factor' from it {BRINGS}"
        if user and user not in enrolled:
            problem = f"{user}, {role}, has no second factor there and would be locked out"
            yield host.name, variable, True, problem, advice
        elif not any(person.name in enrolled for person in host.administrators):
            yield host.name, variable, True, "no administrator has a second factor there: nobody could log in", advice


def sudo_asks(case: Case) -> Iterator[Fault]:
    """sudo would ask the run's own account for a password that it does not have."""
    variable = "host_sudo_asks"
    for host in case.hosts():
        found = _credentials(case, host)
        if found is None or not truth(case.value(host.name, variable), default=True):
            continue
        user, role = _user(case, host, found)
        if user and user not in (found.get("passwords") or ()):
            problem = f"{user}, {role}, has no password there that sudo could ask for"
            advice = f"'sudo quorum-credentials password' on the host {BRINGS}, or false for as long as there is none"
            yield host.name, variable, True, problem, advice


RULES = (
    Rule("second-factor", (CONTROL,), second_factor),
    Rule("sudo-asks", ("HOST-01",), sudo_asks),
)
