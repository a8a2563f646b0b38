# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory read into one ``Consortium``.

``build`` looks at inventory variables alone, never at what was found on a host: so a run under ``--limit``, in slices
or pulled by each host by itself computes the same consortium.  It never raises on bad input: what it cannot read
becomes a ``Finding`` and an empty value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.entities import (
    CONSORTIUM,
    DUTIES,
    MANAGED,
    Administrator,
    Attestation,
    Client,
    Consortium,
    Endpoint,
    Finding,
    Holder,
    Host,
    Member,
    Node,
    TesseraEndpoint,
    Waiver,
)
from ansible_collections.quorum.hardening.plugins.module_utils.reader import Reader

__all__ = [
    "CONSENSUS", "CONSORTIUM", "CONSORTIUM_VARIABLES", "DUTIES", "MANAGED", "PORTS", "PROFILES", "TRUST",
    "Administrator", "Attestation", "Client", "Consortium", "Endpoint", "Finding", "Holder", "Host", "Member", "Node",
    "TesseraEndpoint", "Waiver", "build", "managed_hosts",
]  # fmt: skip

Variables = Mapping[str, Any]

PROFILES = ("test", "pilot", "production")
CONSENSUS = ("qbft", "ibft", "raft", "clique")
TRUST = ("own", "trusted", "untrusted")

#: Service -> (variable, default port).  The roles' defaults repeat these numbers; a unit test compares them.
PORTS = {
    "p2p": ("goquorum_p2p_port", 30303),
    "rpc": ("goquorum_rpc_port", 8545),
    "http": ("goquorum_http_port", 18545),
    "vault": ("vault_port", 8200),
    "tessera_p2p": ("tessera_p2p_port", 9000),
    "tessera_q2t": ("tessera_q2t_port", 9101),
    "database": ("database_port", 5432),
}

#: Variables of the consortium as a whole: the same for all hosts, so they belong into ``group_vars/all``.
CONSORTIUM_VARIABLES = (
    "consortium_name",
    "consortium_organisation",
    "consortium_profile",
    "consortium_consensus",
    "consortium_chain_id",
    "consortium_segments",
    "consortium_regions",
    "consortium_members",
    "consortium_certificate_requests",
    "consortium_genesis_file",
    "consortium_clients",
    "consortium_waivers",
    "consortium_attestations",
    "vault_holders",
    "vault_threshold",
)
#: Of these, the ones that a group of the vault hosts may hold as well.
_VAULT_VARIABLES = ("vault_holders", "vault_threshold")


def managed_hosts(hostvars: Mapping[str, Variables]) -> tuple[str, ...]:
    """Names of the hosts in the group ``quorum`` or in a group that is a duty, sorted."""
    ours = {MANAGED, *DUTIES}
    return tuple(sorted(name for name in hostvars if ours.intersection(hostvars[name].get("group_names") or ())))


def build(hostvars: Mapping[str, Variables]) -> tuple[Consortium, list[Finding]]:
    """Read the variables of all hosts (``hostvars[host]['group_names']`` gives the duties) into a consortium."""
    findings: list[Finding] = []
    names = managed_hosts(hostvars)
    shared = _shared(hostvars, names, findings)
    read = Reader(CONSORTIUM, findings)
    hosts = {name: _host(Reader(name, findings), name, hostvars[name]) for name in names}
    consortium = Consortium(
        name=read.text("consortium_name", shared.get("consortium_name")),
        organisation=read.name("consortium_organisation", shared.get("consortium_organisation")),
        profile=read.choice("consortium_profile", shared.get("consortium_profile"), PROFILES, "production"),
        consensus=read.choice("consortium_consensus", shared.get("consortium_consensus"), CONSENSUS, "qbft"),
        chain_id=read.integer("consortium_chain_id", shared.get("consortium_chain_id"), 1337, 1, 2**53 - 1),
        genesis_file=read.text("consortium_genesis_file", shared.get("consortium_genesis_file")),
        segments=_segments(read, shared.get("consortium_segments")),
        regions=read.texts("consortium_regions", shared.get("consortium_regions")),
        hosts=hosts,
        members=_members(read, shared.get("consortium_members")),
        clients=_clients(read, shared.get("consortium_clients")),
        certificate_requests=_requests(read, shared.get("consortium_certificate_requests")),
        waivers=_waivers(read, shared.get("consortium_waivers")),
        attestations=_attestations(read, shared.get("consortium_attestations")),
        holders=_holders(read, shared.get("vault_holders")),
        vault_threshold=read.integer("vault_threshold", shared.get("vault_threshold"), 2, 1, 255),
    )
    return consortium, findings


def _shared(hostvars: Mapping[str, Variables], names: tuple[str, ...], findings: list[Finding]) -> dict[str, Any]:
    """The consortium-wide variables; hosts that disagree about one are a finding, and the first one is taken."""
    shared: dict[str, Any] = {}
    for variable in CONSORTIUM_VARIABLES:
        holders = [name for name in names if hostvars[name].get(variable) is not None]
        if not holders:
            continue
        shared[variable] = hostvars[holders[0]][variable]
        expected = holders if variable in _VAULT_VARIABLES else names
        other = [n for n in expected if hostvars[n].get(variable) != shared[variable]]
        if other:
            Reader(CONSORTIUM, findings).note(
                variable,
                hostvars[other[0]].get(variable, "(not set)"),
                f"is different on {', '.join(other)} than on {holders[0]}, and there is only one consortium",
                "it once, in group_vars/all",
                rule="shared",
            )
    return shared


def _host(read: Reader, name: str, values: Variables) -> Host:
    """One managed host."""
    groups = values.get("group_names") or ()
    addresses = {
        segment: read.addresses(f"host_addresses.{segment}", found)
        for segment, found in read.pairs("host_addresses", values.get("host_addresses"))
    }
    return Host(
        name=name,
        duties=tuple(duty for duty in DUTIES if duty in groups),
        region=read.text("host_region", values.get("host_region")),
        addresses={segment: found for segment, found in addresses.items() if found},
        ports={service: read.port(var, values.get(var), default) for service, (var, default) in PORTS.items()},
        administrators=_administrators(read, values.get("host_administrators")),
        administrator_networks=read.networks("host_administrator_networks", values.get("host_administrator_networks")),
        dns_servers=read.servers("host_dns_servers", values.get("host_dns_servers"), 53),
        ntp_servers=read.servers("host_ntp_servers", values.get("host_ntp_servers"), 123),
        package_mirrors=read.endpoints("host_package_mirrors", values.get("host_package_mirrors"), 443),
        log_targets=read.endpoints("host_log_targets", values.get("host_log_targets"), 6514),
        skip_controls=read.texts("host_skip_controls", values.get("host_skip_controls")),
        discovery=read.boolean("goquorum_discovery", values.get("goquorum_discovery")),
    )


def _administrators(read: Reader, value: Any) -> tuple[Administrator, ...]:
    return tuple(
        Administrator(
            name=read.text(f"{path}.name", item.get("name")),
            keys=read.texts(f"{path}.keys", item.get("keys")),
            expires=read.day(f"{path}.expires", item.get("expires")),
            groups=read.texts(f"{path}.groups", item.get("groups")),
        )
        for path, item in read.mappings("host_administrators", value, ("name", "keys", "expires", "groups"))
    )


def _holders(read: Reader, value: Any) -> tuple[Holder, ...]:
    return tuple(
        Holder(
            name=read.name(f"{path}.name", item.get("name")),
            ssh_keys=read.texts(f"{path}.ssh_keys", item.get("ssh_keys")),
            pgp_key=read.text(f"{path}.pgp_key", item.get("pgp_key")),
        )
        for path, item in read.mappings("vault_holders", value, ("name", "ssh_keys", "pgp_key"))
    )


def _segments(read: Reader, value: Any) -> dict[str, tuple[str, ...]]:
    segments = {}
    for name, item in read.pairs("consortium_segments", value):
        path = f"consortium_segments.{name}"
        if isinstance(item, Mapping):
            read.known(path, item, ("cidrs",))
            segments[name] = read.networks(f"{path}.cidrs", item.get("cidrs"))
        else:
            read.note(path, item, "is not a mapping", "{cidrs: [198.18.0.0/24]}")
            segments[name] = ()
    return segments


def _members(read: Reader, value: Any) -> tuple[Member, ...]:
    keys = ("name", "region", "trust", "nodes", "tessera")
    return tuple(
        Member(
            name=read.name(f"{path}.name", item.get("name")),
            region=read.text(f"{path}.region", item.get("region")),
            trust=read.choice(f"{path}.trust", item.get("trust"), TRUST, "untrusted"),
            nodes=_nodes(read, f"{path}.nodes", item.get("nodes")),
            tessera=_tessera(read, f"{path}.tessera", item.get("tessera")),
        )
        for path, item in read.mappings("consortium_members", value, keys)
    )


def _nodes(read: Reader, variable: str, value: Any) -> tuple[Node, ...]:
    keys = ("name", "enode", "addresses", "port", "validator", "validator_address")
    return tuple(
        Node(
            name=read.name(f"{path}.name", item.get("name")),
            enode=read.text(f"{path}.enode", item.get("enode")).lower(),
            addresses=read.addresses(f"{path}.addresses", item.get("addresses")),
            port=read.port(f"{path}.port", item.get("port"), PORTS["p2p"][1]),
            validator=read.boolean(f"{path}.validator", item.get("validator")),
            validator_address=read.text(f"{path}.validator_address", item.get("validator_address")),
        )
        for path, item in read.mappings(variable, value, keys)
    )


def _tessera(read: Reader, variable: str, value: Any) -> tuple[TesseraEndpoint, ...]:
    return tuple(
        TesseraEndpoint(
            name=read.name(f"{path}.name", item.get("name")),
            addresses=read.addresses(f"{path}.addresses", item.get("addresses")),
            port=read.port(f"{path}.port", item.get("port"), PORTS["tessera_p2p"][1]),
        )
        for path, item in read.mappings(variable, value, ("name", "addresses", "port"))
    )


def _clients(read: Reader, value: Any) -> tuple[Client, ...]:
    return tuple(
        Client(
            name=read.name(f"{path}.name", item.get("name")),
            addresses=read.networks(f"{path}.addresses", item.get("addresses")),
            csr=read.text(f"{path}.csr", item.get("csr")),
        )
        for path, item in read.mappings("consortium_clients", value, ("name", "addresses", "csr"))
    )


def _requests(read: Reader, value: Any) -> dict[str, str]:
    variable = "consortium_certificate_requests"
    return {name: read.text(f"{variable}.{name}", text) for name, text in read.pairs(variable, value)}


def _listed(value: Any) -> Any:
    """One name written without a list is a list of one."""
    return [value] if isinstance(value, str) else value


def _waivers(read: Reader, value: Any) -> tuple[Waiver, ...]:
    return tuple(
        Waiver(
            control=read.text(f"{path}.control", item.get("control")),
            hosts=read.texts(f"{path}.hosts", _listed(item.get("hosts"))),
            reason=read.text(f"{path}.reason", item.get("reason")),
            owner=read.text(f"{path}.owner", item.get("owner")),
            ends=read.day(f"{path}.ends", item.get("ends")),
        )
        for path, item in read.mappings("consortium_waivers", value, ("control", "hosts", "reason", "owner", "ends"))
    )


def _attestations(read: Reader, value: Any) -> tuple[Attestation, ...]:
    keys = ("control", "document", "owner", "approved", "expires")
    return tuple(
        Attestation(
            control=read.text(f"{path}.control", item.get("control")),
            document=read.text(f"{path}.document", item.get("document")),
            owner=read.text(f"{path}.owner", item.get("owner")),
            approved=read.day(f"{path}.approved", item.get("approved")),
            expires=read.day(f"{path}.expires", item.get("expires")),
        )
        for path, item in read.mappings("consortium_attestations", value, keys)
    )
