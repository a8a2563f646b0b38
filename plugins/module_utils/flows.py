# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may talk to whom: one table, and its rows filled in with the addresses of a consortium.

Nothing else passes a managed host's packet filter.  A new flow is a new row in ``ROWS``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable, NamedTuple

from ansible_collections.quorum.hardening.plugins.module_utils.entities import DUTIES, Consortium, Endpoint, Host


class Row(NamedTuple):
    """One line of the table.

    ``source`` and ``target`` are duties or named lists (``_LISTS``); ``port`` is a number, the name of one of the
    target's own ports, or empty where each entry of the list brings its own.
    """

    name: str
    source: str
    target: str
    protocol: str
    port: int | str
    segment: str
    why: str
    controls: tuple[str, ...]


_SSH, _FILTER = ("HOST-02", "HOST-04"), ("HOST-04",)
_VAULT = ("HOST-04", "PTM-06", "PTM-09")

#: Columns: name, source, target, protocol, port, segment, why, controls.
ROWS = (
    Row("ssh-jump", "administrators", "jump", "tcp", 22, "management", "administrators enter by a jump host", _SSH),
    Row("ssh", "jump", "managed", "tcp", 22, "management", "all other hosts are reached from a jump host", _SSH),
    Row("p2p", "goquorum", "goquorum", "tcp", "p2p", "ledger", "our nodes make blocks together", _FILTER),
    Row("p2p", "goquorum", "member nodes", "tcp", "", "ledger", "our nodes dial other members' nodes", _FILTER),
    Row("p2p", "member nodes", "goquorum", "tcp", "p2p", "ledger", "other members' nodes dial ours", _FILTER),
    Row("discovery", "discovering", "discovering", "udp", "p2p", "ledger", "our nodes find each other", _FILTER),
    Row("discovery", "discovering", "member nodes", "udp", "", "ledger", "our nodes find others", _FILTER),
    Row("discovery", "member nodes", "discovering", "udp", "p2p", "ledger", "others find our nodes", _FILTER),
    Row("rpc", "clients", "goquorum", "tcp", "rpc", "ledger", "named callers use JSON-RPC over TLS", _FILTER),
    Row("q2t", "goquorum", "tessera", "tcp", "tessera_q2t", "privacy", "nodes hand over private payloads", _FILTER),
    Row("tessera-p2p", "tessera", "tessera", "tcp", "tessera_p2p", "privacy", "our Tesseras swap payloads", _FILTER),
    Row("tessera-p2p", "tessera", "member tesseras", "tcp", "", "privacy", "payloads go out", _FILTER),
    Row("tessera-p2p", "member tesseras", "tessera", "tcp", "tessera_p2p", "privacy", "payloads come in", _FILTER),
    Row("payload", "tessera", "database", "tcp", "database", "privacy", "Tessera keeps its payloads", _FILTER),
    Row("secrets", "tessera", "vault", "tcp", "vault", "secrets", "Tessera fetches its keys", _VAULT),
    Row("dns", "every host", "dns servers", "udp", "", "", "names are asked of named servers only", _VAULT),
    Row("dns", "every host", "dns servers", "tcp", "", "", "long answers of the same servers", _VAULT),
    Row("ntp", "every host", "ntp servers", "udp", "", "", "time comes from named servers only", _VAULT),
    Row("mirror", "every host", "package mirrors", "tcp", "", "", "packages come from named mirrors only", _FILTER),
    Row("log", "every host", "log targets", "tcp", "", "", "logs leave the host", _FILTER),
)  # fmt: skip

#: Segments that a duty stands in even where no row of the table names it.
_HOME = {
    "vault": "secrets",
    "monitoring": "monitoring",
    "tessera": "privacy",
    "database": "privacy",
    "goquorum": "ledger",
}
#: Segment of a flow whose far end lies in none of ours.
OUTSIDE = "outside"


@dataclass(frozen=True)
class Flow:
    """A row of the table with addresses (canonical addresses or CIDRs, sorted).

    ``source_hosts`` and ``target_hosts`` are the managed hosts among the ends: their packet filters carry the flow.
    """

    name: str
    source: str
    source_addresses: tuple[str, ...]
    target: str
    target_addresses: tuple[str, ...]
    protocol: str
    port: int
    segment: str
    why: str
    controls: tuple[str, ...]
    source_hosts: tuple[str, ...] = ()
    target_hosts: tuple[str, ...] = ()


class End(NamedTuple):
    """One machine or network at the end of a flow; ``host`` is empty when it is not a managed one."""

    host: str
    addresses: tuple[str, ...]
    port: int


def flows(c: Consortium) -> list[Flow]:
    """All flows of the consortium, in the order of the table; rows with an empty end are left out."""
    found: list[Flow] = []
    for row in ROWS:
        found += _servers(c, row) if row.source == "every host" else _peers(c, row)
    return found


def legs_needed(c: Consortium, duty: str) -> tuple[str, ...]:
    """Segments in which a host of ``duty`` needs an address, given which other duties the inventory has."""
    present = {name for name in DUTIES if c.with_duty(name)}
    needed = {"management"} | ({_HOME[duty]} if duty in _HOME else set())
    for row in ROWS:
        ends = {row.source, row.target}
        if duty in ends and ends & set(DUTIES) <= present and row.segment and row.protocol == "tcp":
            needed.add(row.segment)
    return tuple(sorted(needed))


def in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    """Addresses and CIDRs without repetition, IPv4 first, by number."""
    networks = {ipaddress.ip_network(address) for address in addresses}
    keyed = sorted((n.version, int(n.network_address), n.prefixlen, n) for n in networks)
    return tuple(str(n.network_address) if n.prefixlen == n.max_prefixlen else str(n) for _v, _a, _p, n in keyed)


def segment_of(c: Consortium, address: str) -> str:
    """Name of the segment that an address lies in, or ``outside``."""
    wanted = ipaddress.ip_address(address)
    for name in sorted(c.segments):
        if any(wanted in ipaddress.ip_network(cidr) for cidr in c.segments[name]):
            return name
    return OUTSIDE


def _peers(c: Consortium, row: Row) -> list[Flow]:
    """Flows of a row between two groups of machines: one for each port on which targets answer."""
    sources = [end for end in _ends(c, row.source, row) if end.addresses]
    targets = [end for end in _ends(c, row.target, row) if end.addresses]
    found = []
    for port in sorted({end.port for end in targets}):
        answering = [end for end in targets if end.port == port]
        source_hosts = _hosts(sources)
        if source_hosts and len(sources) == 1 and source_hosts == _hosts(answering):
            continue  # the only member of its group does not talk to itself over the network
        found.append(_flow(row, row.segment, sources, answering, port))
    return [flow for flow in found if flow.source_addresses and flow.target_addresses]


def _servers(c: Consortium, row: Row) -> list[Flow]:
    """Flows of hosts to the servers that each of them names: one for each server, with all who use it."""
    users: dict[Endpoint, list[Host]] = {}
    for name in sorted(c.hosts):
        for endpoint in _SERVERS[row.target](c.hosts[name]):
            if endpoint.address not in c.hosts[name].own():
                users.setdefault(endpoint, []).append(c.hosts[name])
    found = []
    for endpoint in sorted(users, key=lambda e: (ipaddress.ip_address(e.address).version, e.address, e.port)):
        segment = segment_of(c, endpoint.address)
        near = [End(host.name, host.leg(segment) or host.leg("management"), endpoint.port) for host in users[endpoint]]
        server = End(_owner(c, endpoint.address), (endpoint.address,), endpoint.port)
        found.append(_flow(row, segment, near, [server], endpoint.port))
    return found


def _flow(row: Row, segment: str, sources: list[End], targets: list[End], port: int) -> Flow:
    return Flow(
        name=row.name,
        source=row.source,
        source_addresses=in_order(address for end in sources for address in end.addresses),
        target=row.target,
        target_addresses=in_order(address for end in targets for address in end.addresses),
        protocol=row.protocol,
        port=port,
        segment=segment,
        why=row.why,
        controls=row.controls,
        source_hosts=_hosts(sources),
        target_hosts=_hosts(targets),
    )


def _hosts(ends: list[End]) -> tuple[str, ...]:
    return tuple(sorted({end.host for end in ends if end.host}))


def _owner(c: Consortium, address: str) -> str:
    """The managed host that has an address; empty for a stranger's address and for a CIDR."""
    return next((name for name in sorted(c.hosts) if address in c.hosts[name].own()), "")


def _ends(c: Consortium, label: str, row: Row) -> list[End]:
    if label in _LISTS:
        return _LISTS[label](c, row)
    return [_end(host, row) for host in c.with_duty(label)]


def _end(host: Host, row: Row) -> End:
    port = row.port if isinstance(row.port, int) else host.ports.get(row.port, 0)
    return End(host.name, host.leg(row.segment), port)


def _administrators(c: Consortium, row: Row) -> list[End]:
    """Networks that any jump host lets in; each jump host's own list is judged to be the same for all of them."""
    del row
    return [End("", host.administrator_networks, 0) for host in c.with_duty("jump")]


def _managed(c: Consortium, row: Row) -> list[End]:
    return [_end(c.hosts[name], row) for name in sorted(c.hosts) if "jump" not in c.hosts[name].duties]


def _discovering(c: Consortium, row: Row) -> list[End]:
    return [_end(host, row) for host in c.with_duty("goquorum") if host.discovery]


def _member_nodes(c: Consortium, row: Row) -> list[End]:
    del row
    return [End("", node.addresses, node.port) for member in c.others() for node in member.nodes]


def _member_tesseras(c: Consortium, row: Row) -> list[End]:
    del row
    return [End("", entry.addresses, entry.port) for member in c.others() for entry in member.tessera]


def _clients(c: Consortium, row: Row) -> list[End]:
    del row
    return [End(_owner(c, address), (address,), 0) for client in c.clients for address in client.addresses]


_LISTS: dict[str, Callable[[Consortium, Row], list[End]]] = {
    "administrators": _administrators,
    "managed": _managed,
    "discovering": _discovering,
    "member nodes": _member_nodes,
    "member tesseras": _member_tesseras,
    "clients": _clients,
}

_SERVERS: dict[str, Callable[[Host], tuple[Endpoint, ...]]] = {
    "dns servers": lambda host: host.dns_servers,
    "ntp servers": lambda host: host.ntp_servers,
    "package mirrors": lambda host: host.package_mirrors,
    "log targets": lambda host: host.log_targets,
}
