# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the preflight about the register, the consensus, the store's people and the promises."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date

from ansible_collections.quorum.hardening.plugins.module_utils.entities import CONSORTIUM, Node
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule
from ansible_collections.quorum.hardening.plugins.module_utils.ssh_key import problem_with

_ENODE = re.compile(r"^[0-9a-f]{128}$")
#: The field of secp256k1 (SEC 2, section 2.4.1): a public key is a point with y^2 = x^3 + 7 modulo this prime.
_FIELD = 2**256 - 2**32 - 977
_BFT = ("qbft", "ibft")
#: Validators that a byzantine-fault-tolerant consensus needs to bear one fault: 3f + 1 with f = 1.
_VALIDATORS = 4
_ENROL = "run quorum.hardening.enrol, review the register and commit it"


def members(case: Case) -> Iterator[Fault]:
    """Members that are unknown, there twice, or of the wrong trust."""
    names = [member.name for member in case.c.members]
    if case.enrolled and case.c.organisation not in names:
        problem = "is not a member of the register (consortium_members)"
        advice = (" or ".join(names) + ", or " if names else "") + _ENROL
        yield CONSORTIUM, "consortium_organisation", case.c.organisation, problem, advice
    for name, count in sorted(Counter(names).items()):
        if count > 1:
            yield CONSORTIUM, f"consortium_members[{name}]", name, "is there twice", "each member once"
    for member in case.c.members:
        mine = member.name == case.c.organisation
        if mine != (member.trust == "own"):
            problem = "is our own organisation" if mine else f"is not our own organisation ({case.c.organisation})"
            path = f"consortium_members[{member.name}].trust"
            yield CONSORTIUM, path, member.trust, problem, "own" if mine else "trusted or untrusted"


def enodes(case: Case) -> Iterator[Fault]:
    """Node keys that are malformed or used twice (NODE-09)."""
    owners: dict[str, str] = {}
    for path, node in _nodes(case):
        if not _ENODE.match(node.enode):
            problem = "is not the public key of a node"
            advice = "128 hexadecimal digits, without 0x, without enode:// and without the address"
            yield CONSORTIUM, f"{path}.enode", node.enode, problem, advice
        elif not _on_curve(node.enode):
            problem = "is no point of the curve secp256k1, so no node has this key"
            yield CONSORTIUM, f"{path}.enode", node.enode, problem, "the key as the node's own register entry gives it"
        elif node.enode in owners:
            problem = f"is the key of {owners[node.enode]} already, and each node has its own"
            yield CONSORTIUM, f"{path}.enode", node.enode, problem, "the node's own key; make a new one on the host"
        owners.setdefault(node.enode, node.name)
        if not node.addresses:
            yield CONSORTIUM, f"{path}.addresses", "", "the node has no address", "its addresses in the ledger segment"


def own_nodes(case: Case) -> Iterator[Fault]:
    """Register entries of our own nodes against the inventory's hosts."""
    member = case.c.own_member()
    hosts = {host.name: host for host in case.c.with_duty("goquorum")}
    for node in member.nodes:
        path = f"consortium_members[{member.name}].nodes[{node.name}]"
        host = hosts.get(node.name)
        if host is None:
            problem = "the register has a node of ours that is no host of the group goquorum"
            advice = "the name of one of " + (", ".join(sorted(hosts)) or "the hosts") + ", or take it out"
            yield CONSORTIUM, path, node.name, problem, advice
            continue
        if host.leg("ledger") and set(node.addresses) != set(host.leg("ledger")):
            problem = f"is not what host_addresses.ledger of {host.name} says"
            yield CONSORTIUM, f"{path}.addresses", ", ".join(node.addresses), problem, ", ".join(host.leg("ledger"))
        if node.port != host.ports["p2p"]:
            problem = f"is not the goquorum_p2p_port of {host.name}"
            yield CONSORTIUM, f"{path}.port", str(node.port), problem, str(host.ports["p2p"])


def register_gaps(case: Case) -> Iterator[Fault]:
    """What ``enrol`` would have written and is not there."""
    if not case.enrolled:
        return
    registered = {node.name for node in case.c.own_member().nodes}
    requests = case.c.certificate_requests
    for host in case.c.with_duty("goquorum"):
        if host.name not in registered:
            path = f"consortium_members[{case.c.organisation}].nodes"
            yield host.name, path, "", f"the register has no node of the name {host.name}", _ENROL
    for host in (*case.c.with_duty("goquorum"), *case.c.with_duty("vault")):
        if not requests.get(host.name):
            path = f"consortium_certificate_requests.{host.name}"
            yield host.name, path, "", "the register has no certificate request of this host", _ENROL
    for name in sorted(requests):
        if requests[name] and "BEGIN CERTIFICATE REQUEST" not in requests[name]:
            problem = "is not a certificate request"
            path = f"consortium_certificate_requests.{name}"
            yield CONSORTIUM, path, requests[name], problem, "the PEM text from -----BEGIN CERTIFICATE REQUEST----- on"
    if case.genesis is False and case.c.with_duty("goquorum"):
        problem = "the file is not there"
        yield CONSORTIUM, "consortium_genesis_file", case.c.genesis_file, problem, f"the network's genesis, or {_ENROL}"


def clients(case: Case) -> Iterator[Fault]:
    """Callers of the JSON-RPC interface."""
    counted = Counter(client.name for client in case.c.clients)
    for client in case.c.clients:
        path = f"consortium_clients[{client.name}]"
        if counted[client.name] > 1 or client.name in case.c.hosts:
            yield CONSORTIUM, f"{path}.name", client.name, "is the name of two machines", "a name of its own"
        if not client.addresses:
            problem = "the caller has no address, so no packet of it would pass"
            yield CONSORTIUM, f"{path}.addresses", "", problem, "its addresses in the ledger segment"
        if case.enrolled and not client.csr and not case.c.certificate_requests.get(client.name):
            problem = "the caller has no certificate request, so it could never log in"
            yield CONSORTIUM, f"{path}.csr", "", problem, "the PEM text of a request for a key made on the caller"


def consensus(case: Case) -> Iterator[Fault]:
    """Whom the consensus trusts (NODE-07, CONS-01)."""
    variable, kind = "consortium_consensus", case.c.consensus
    strangers = [member.name for member in case.c.others()]
    untrusted = [member.name for member in case.c.others() if member.trust == "untrusted"]
    if kind == "raft" and strangers:
        problem = f"raft believes whatever its leader says, and others run nodes too ({', '.join(strangers)})"
        yield CONSORTIUM, variable, kind, problem, "qbft"
    elif kind not in _BFT and untrusted:
        problem = f"{kind} cannot bear a node that lies, and these members are not trusted: {', '.join(untrusted)}"
        yield CONSORTIUM, variable, kind, problem, "qbft"


def validators(case: Case) -> Iterator[Fault]:
    """Validators for one fault (CONS-01)."""
    count = sum(node.validator for member in case.c.members for node in member.nodes)
    if case.enrolled and case.c.profile == "production" and case.c.consensus in _BFT and count < _VALIDATORS:
        problem = f"the register has {count} validators, and {case.c.consensus} bears a fault from {_VALIDATORS} on"
        advice = f"'validator: true' on {_VALIDATORS} nodes or more, or consortium_profile: pilot for a while"
        yield CONSORTIUM, "consortium_members[].nodes[].validator", count, problem, advice


def holders(case: Case) -> Iterator[Fault]:
    """The people who hold the secret store's shares."""
    if not case.c.with_duty("vault"):
        return
    people, threshold = case.c.holders, case.c.vault_threshold
    least_people, least_threshold = (3, 2) if case.c.profile == "production" else (1, 1)
    if len(people) < least_people:
        problem = f"the profile {case.c.profile} asks for at least {least_people}"
        value = ", ".join(person.name for person in people)
        yield CONSORTIUM, "vault_holders", value, problem, "one {name, ssh_keys, pgp_key} for each person"
    if threshold < least_threshold or threshold > max(len(people), least_people):
        problem = "cannot be met, or one person alone could open the store"
        advice = f"a number from {least_threshold} to the number of holders ({len(people)})"
        yield CONSORTIUM, "vault_threshold", threshold, problem, advice
    for name, count in sorted(Counter(person.name for person in people).items()):
        if count > 1:
            yield CONSORTIUM, f"vault_holders[{name}]", name, "is there twice", "each person once"
    for person in people:
        path = f"vault_holders[{person.name}]"
        if "BEGIN PGP PUBLIC KEY BLOCK" not in person.pgp_key:
            problem = "is no armored PGP public key, and shares leave the server in no other form"
            yield CONSORTIUM, f"{path}.pgp_key", person.pgp_key, problem, "the output of 'gpg --armor --export'"
        if not person.ssh_keys:
            problem = "the holder has no SSH key and could not hand in a share"
            yield CONSORTIUM, f"{path}.ssh_keys", "", problem, "the line of a .pub file"
        for number, key in enumerate(person.ssh_keys):
            if problem_with(key):
                yield CONSORTIUM, f"{path}.ssh_keys[{number}]", key, problem_with(key), "the whole line of a .pub file"


def waivers(case: Case) -> Iterator[Fault]:
    """Waivers: what for, where, why, who, until when."""
    for number, waiver in enumerate(case.c.waivers):
        path = f"consortium_waivers[{number}]"
        yield from _control(case, f"{path}.control", waiver.control)
        yield from _words(path, reason=waiver.reason, owner=waiver.owner)
        yield from _until(case, f"{path}.ends", waiver.ends, "a waiver", "waiver")
        for host in waiver.hosts:
            if host not in case.c.hosts and host not in ("all", CONSORTIUM):
                advice = "a host of the inventory, 'all', or 'consortium' for findings about all of it"
                yield CONSORTIUM, f"{path}.hosts", host, "is no managed host", advice


def attestations(case: Case) -> Iterator[Fault]:
    """Attestations: a document, its owner, its dates."""
    for number, promise in enumerate(case.c.attestations):
        path = f"consortium_attestations[{number}]"
        yield from _control(case, f"{path}.control", promise.control)
        yield from _words(path, document=promise.document, owner=promise.owner, approved=promise.approved)
        yield from _until(case, f"{path}.expires", promise.expires, "an attestation", "document")


def skipped(case: Case) -> Iterator[Fault]:
    """Measures left out on a host: each needs a waiver for that host."""
    for host in case.hosts():
        for control in host.skip_controls:
            yield from ((host.name, *fault[1:]) for fault in _control(case, "host_skip_controls", control))
            waived = [set(w.hosts) for w in case.c.waivers if w.control == control]
            if not any(not hosts or {host.name, "all"} & hosts for hosts in waived):
                problem = "the measure is left out on this host without a waiver for it"
                advice = f"a waiver for {control} on {host.name} in consortium_waivers, or take it out of the list"
                yield host.name, "host_skip_controls", control, problem, advice


def _nodes(case: Case) -> Iterator[tuple[str, Node]]:
    for member in case.c.members:
        for node in member.nodes:
            yield f"consortium_members[{member.name}].nodes[{node.name}]", node


def _on_curve(enode: str) -> bool:
    x, y = int(enode[:64], 16), int(enode[64:], 16)
    return x < _FIELD and y < _FIELD and (y * y - x * x * x - 7) % _FIELD == 0


def _control(case: Case, path: str, control: str) -> Iterator[Fault]:
    if case.control_ids and control not in case.control_ids:
        yield CONSORTIUM, path, control, "is no control of the catalogue", "an id such as HOST-02, see catalog/"


def _words(path: str, **words: str) -> Iterator[Fault]:
    for key, value in words.items():
        if not value:
            yield CONSORTIUM, f"{path}.{key}", "", "is missing", f"{key}: what a reader needs to judge it by"


def _until(case: Case, path: str, day: str, what: str, noun: str) -> Iterator[Fault]:
    if not day:
        problem = f"{what} without an end would never be looked at again"
        yield CONSORTIUM, path, "", problem, "the last day as YYYY-MM-DD"
    elif date.fromisoformat(day) < case.today:
        late = (case.today - date.fromisoformat(day)).days
        advice = f"a later day, once somebody has judged it again, or take the {noun} out"
        yield CONSORTIUM, path, day, f"has expired {late} day(s) ago", advice


RULES = (
    Rule("members", ("CONS-05",), members),
    Rule("enodes", ("NODE-09",), enodes),
    Rule("own-nodes", ("NODE-09",), own_nodes),
    Rule("register-gaps", ("NODE-01", "NODE-09"), register_gaps),
    Rule("clients", ("HOST-04", "NODE-01"), clients),
    Rule("consensus", ("NODE-07", "CONS-01"), consensus),
    Rule("validators", ("CONS-01",), validators),
    Rule("holders", ("PTM-03",), holders),
    Rule("waivers", (), waivers),
    Rule("attestations", (), attestations),
    Rule("skipped", (), skipped),
)
