# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the preflight about hosts: duties, the way in, the network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from itertools import combinations

from ansible_collections.quorum.hardening.plugins.module_utils.entities import (
    CONSORTIUM,
    DUTIES,
    MANAGED,
    Node,
    TesseraEndpoint,
)
from ansible_collections.quorum.hardening.plugins.module_utils.flows import legs_needed
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule

#: Distribution -> major versions that the collection is tested on.
SUPPORTED = {"debian": ("12", "13")}
#: Variable -> smallest and largest value, for numbers that are no ports.
RANGES = {
    "host_undo_seconds": (20, 600),
    "host_patch_hour": (0, 23),
    "host_patch_max_age_days": (1, 90),
    "goquorum_memory_percent": (20, 95),
    "vault_memory_percent": (20, 95),
}

#: What unlocks an account, in any spelling: geth takes one dash for two.
_UNLOCKING = ("unlock", "password", "allow-insecure-unlock")
#: What the role itself decides, or what would show a key on the command line; named by their beginnings.
_DECIDED = ("http", "ws", "rpc", "ipc", "config", "datadir", "nodekey", "nodekeyhex", "keystore", "permissioned")
#: A word of the command line that neither systemd nor the client reads as more than one.
_WORD = re.compile(r"[A-Za-z0-9._,:/=+@-]+")


def duty_shared(case: Case) -> Iterator[Fault]:
    """Two duties on one host (HOST-06)."""
    for host in case.hosts():
        if len(host.duties) > 1:
            problem = "one host has several duties, so a break into one is a break into all"
            yield host.name, "groups", ", ".join(host.duties), problem, "the host in one of these groups only"


def duty_missing(case: Case) -> Iterator[Fault]:
    """A managed host without a duty, or a duty outside the managed group."""
    for host in case.hosts():
        groups = case.value(host.name, "group_names") or ()
        if not host.duties:
            problem = f"the host is in '{MANAGED}' and has no duty"
            yield host.name, "groups", ", ".join(groups), problem, "the host in one of " + ", ".join(DUTIES)
        elif MANAGED not in groups:
            problem = f"the host has a duty and is not in '{MANAGED}', so no playbook would reach it"
            yield host.name, "groups", ", ".join(groups), problem, f"the group {host.duties[0]} as a child of {MANAGED}"


def jump_missing(case: Case) -> Iterator[Fault]:
    """No jump host."""
    if case.c.hosts and not case.c.with_duty("jump"):
        problem = "there is no jump host, and no other host answers administrators directly"
        yield CONSORTIUM, "groups.jump", "", problem, "one host in the group jump"


def jump_unreachable(case: Case) -> Iterator[Fault]:
    """A jump host that its own rule would close."""
    variable = "host_administrator_networks"
    for host in case.c.with_duty("jump"):
        networks = host.administrator_networks
        leg = host.leg("management")
        if not networks:
            problem = "nobody could reach the jump host, and this run would lock itself out"
            yield host.name, variable, "", problem, "the addresses of the administrators and of the controller"
        elif leg and not {_version(n) for n in networks} & {_version(a) for a in leg}:
            problem = f"none is of the IP version of the jump host's addresses ({', '.join(leg)})"
            yield host.name, variable, ", ".join(networks), problem, "addresses of the same IP version"
        seen = str(case.looks.get(host.name, {}).get("connected_from") or "")
        if networks and seen and not _inside(seen, networks):
            problem = f"this run itself comes from {seen}, which is not among them: it would lock itself out"
            yield host.name, variable, ", ".join(networks), problem, f"{seen} too, or run from a listed address"


def jump_lists_differ(case: Case) -> Iterator[Fault]:
    """Jump hosts that let in different networks: the flow table has one list of administrators."""
    jumps = case.c.with_duty("jump")
    for host in jumps[1:]:
        if set(host.administrator_networks) != set(jumps[0].administrator_networks):
            problem = f"is not the list of {jumps[0].name}"
            value = ", ".join(host.administrator_networks)
            yield host.name, "host_administrator_networks", value, problem, "one list for all jump hosts, in group_vars"


def segments(case: Case) -> Iterator[Fault]:
    """Missing, empty and overlapping segments."""
    needed = {segment: duty for duty in DUTIES if case.c.with_duty(duty) for segment in legs_needed(case.c, duty)}
    for segment in sorted(needed):
        if not case.c.segments.get(segment):
            problem = f"the segment is missing, and the duty {needed[segment]} needs it"
            advice = f"{segment}: {{cidrs: [the network's CIDR]}}"
            yield CONSORTIUM, f"consortium_segments.{segment}", "", problem, advice
    for one, two in combinations(sorted(case.c.segments), 2):
        for a in case.c.segments[one]:
            for b in case.c.segments[two]:
                if _overlap(a, b):
                    problem = f"overlaps with {b} of the segment {two}: the two are not apart"
                    advice = "networks that have no address in common"
                    yield CONSORTIUM, f"consortium_segments.{one}", a, problem, advice


def legs(case: Case) -> Iterator[Fault]:
    """Addresses outside their segment, in unknown segments, and duties without a leg where they need one."""
    for host in case.hosts():
        for segment in sorted(host.addresses):
            path = f"host_addresses.{segment}"
            if segment not in case.c.segments:
                advice = "one of " + (", ".join(sorted(case.c.segments)) or "the segments, once they are named")
                yield host.name, path, ", ".join(host.leg(segment)), "is in no segment of consortium_segments", advice
                continue
            for address in host.leg(segment):
                cidrs = case.c.segments[segment]
                if cidrs and not _inside(address, cidrs):
                    yield host.name, path, address, "lies outside its segment", f"an address in {', '.join(cidrs)}"
        for duty in host.duties:
            for segment in legs_needed(case.c, duty):
                if not host.leg(segment):
                    where = ", ".join(case.c.segments.get(segment, ())) or segment
                    advice = f"{segment}: [the host's address in {where}]"
                    problem = f"the duty {duty} needs an address in this segment"
                    yield host.name, f"host_addresses.{segment}", "", problem, advice


def duplicate_addresses(case: Case) -> Iterator[Fault]:
    """One address on two machines: hosts, other members' nodes and callers alike."""
    places: dict[str, list[tuple[str, str, str]]] = {}
    for host in case.hosts():
        for segment in sorted(host.addresses):
            for address in host.leg(segment):
                places.setdefault(address, []).append((host.name, f"host_addresses.{segment}", host.name))
    for member in case.c.members:
        entries: list[Node | TesseraEndpoint] = [*member.nodes, *member.tessera]
        for entry in entries:
            path = f"consortium_members[{member.name}].{entry.name}.addresses"
            own = member.name == case.c.organisation and entry.name in case.c.hosts
            for address in entry.addresses:
                who = entry.name if own else f"{member.name}/{entry.name}"
                places.setdefault(address, []).append((CONSORTIUM, path, who))
    for client in case.c.clients:
        path = f"consortium_clients[{client.name}].addresses"
        for address in client.addresses:
            places.setdefault(address, []).append((CONSORTIUM, path, client.name))
    for address in sorted(places):
        first, *rest = places[address]
        for host_name, path, who in rest:
            if who != first[2] or path == first[1]:
                yield host_name, path, address, f"is the address of {first[2]} already", "the machine's own address"


def unlocked_accounts(case: Case) -> Iterator[Fault]:
    """Options that unlock an account of the client (NODE-04)."""
    variable = "goquorum_extra_args"
    for host in case.hosts():
        value = case.value(host.name, variable)
        words = value.split() if isinstance(value, str) else [str(w) for w in value] if isinstance(value, list) else []
        names = [name for word in words for name in _options(word)]
        asked = sorted({f"--{name}" for name in names if name in _UNLOCKING})
        if asked:
            problem = f"asks for an unlocked account ({', '.join(asked)}): whoever reaches the node could spend from it"
            yield host.name, variable, " ".join(words), problem, "the list without it; sign outside the node"
        for word in words:
            if not _WORD.fullmatch(word):
                problem = f"{word!r} is more than one word of a command line"
                yield host.name, variable, " ".join(words), problem, "one option or value for each entry of the list"
        decided = sorted({f"--{name}" for name in names if name.split(".")[0] in _DECIDED})
        if decided:
            problem = f"sets what the role decides ({', '.join(decided)})"
            yield host.name, variable, " ".join(words), problem, "the role's own variable for it"


def _options(word: str) -> list[str]:
    """Names of the options in an entry, dashes and values taken off; a careless entry may hold several."""
    parts = [part for part in word.split() if part.startswith("-")]
    return [part.lstrip("-").split("=")[0].replace("_", "-").lower() for part in parts]


def ranges(case: Case) -> Iterator[Fault]:
    """Numbers that are out of range."""
    for host in case.hosts():
        for variable, (low, high) in RANGES.items():
            value = case.value(host.name, variable)
            try:
                wrong = value is not None and not low <= int(value) <= high
            except (TypeError, ValueError):
                continue  # not a number at all: the argument specification says so
            if wrong:
                yield host.name, variable, value, "is out of range", f"a number from {low} to {high}"


def looked(case: Case) -> Iterator[Fault]:
    """Hosts that could not be looked at, or run something that nobody has tested."""
    for host in case.hosts():
        look = case.looks.get(host.name)
        if look is None:
            continue
        message = str(look.get("msg", "")).strip() or "no reason given"
        if look.get("unreachable") or look.get("failed"):
            way = "cannot be reached" if look.get("unreachable") else "cannot be looked at"
            address = case.value(host.name, "ansible_host") or host.name
            advice = "the address and the account with which ssh works, or leave the host out with --limit"
            if look.get("unreachable") and case.users.get(host.name) == "root" and host.administrators:
                name = host.administrators[0].name
                advice = f"ansible_user: {name}, as root comes in up to the first run alone; or {advice}"
            yield host.name, "ansible_host", address, f"the host {way}: {message}", advice
            continue
        name, version = str(look.get("distribution", "")), str(look.get("version", ""))
        if version.partition(".")[0] not in SUPPORTED.get(name.lower(), ()):
            known = "; ".join(f"{n.capitalize()} {' or '.join(v)}" for n, v in SUPPORTED.items())
            problem = "the host runs a distribution that the collection is not tested on"
            yield host.name, "distribution", f"{name} {version}".strip(), problem, f"{known}, by installing it"


def _version(address: str) -> int:
    return ipaddress.ip_network(address).version


def _inside(address: str, cidrs: tuple[str, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(cidr) for cidr in cidrs)


def _overlap(a: str, b: str) -> bool:
    return ipaddress.ip_network(a).overlaps(ipaddress.ip_network(b))


RULES = (
    Rule("duty-shared", ("HOST-06",), duty_shared),
    Rule("duty-missing", ("HOST-06",), duty_missing),
    Rule("jump-missing", ("HOST-02",), jump_missing),
    Rule("jump-unreachable", ("HOST-02",), jump_unreachable),
    Rule("jump-lists-differ", ("HOST-02",), jump_lists_differ),
    Rule("segments", ("HOST-04", "PTM-01"), segments),
    Rule("legs", ("HOST-04",), legs),
    Rule("address-duplicate", ("HOST-04",), duplicate_addresses),
    Rule("unlocked-accounts", ("NODE-04",), unlocked_accounts),
    Rule("range", (), ranges),
    Rule("looked", (), looked),
)
