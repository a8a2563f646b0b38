# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter of one host, as nftables text, from the flows of the consortium.

The text replaces one table and touches no other; loading it again is atomic.  It is the same for the same inventory,
byte by byte, so a changed text is a changed rule.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Host
from ansible_collections.quorum.hardening.plugins.module_utils.flows import Flow, flows, in_order

TABLE = "inet quorum_hardening"

#: New SSH connections that one source may open: rate per minute, burst, and the burst added on a jump host for each
#: host behind it, because one run of the controller opens a connection for every host at once.
_SSH_RATE, _SSH_BURST, _SSH_BURST_PER_HOST = 60, 60, 10
#: nftables refuses a comment longer than this (bytes).
_COMMENT = 120

_HEAD = """\
# Made by quorum.hardening from the flows of the consortium; edit the inventory instead.
# The first two lines make loading it again atomic: the table is there, goes, and comes back in one transaction.
table {table}
delete table {table}
table {table} {{
"""

_METERS = """\
\tset ssh_sources_v4 { type ipv4_addr; flags dynamic,timeout; timeout 2m; size 65536; }
\tset ssh_sources_v6 { type ipv6_addr; flags dynamic,timeout; timeout 2m; size 65536; }
"""

_INPUT = """\
\t\ttype filter hook input priority filter; policy drop;
\t\tiifname "lo" accept
{spoof}\
\t\tct state established,related accept
\t\ticmp type {{ destination-unreachable, time-exceeded, parameter-problem }} accept
\t\ticmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem }} accept
\t\ticmpv6 type {{ nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }} ip6 hoplimit 255 accept
\t\ticmpv6 type mld-listener-query ip6 saddr fe80::/10 accept
\t\tct state invalid counter drop comment "belongs to no connection"
"""

_OUTPUT = """\
\t\ttype filter hook output priority filter; policy drop;
\t\toifname "lo" accept
\t\tct state established,related accept
\t\ticmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }} ip6 hoplimit 255 accept
\t\ticmpv6 type {{ mld-listener-report, mld2-listener-report, mld-listener-done }} ip6 hoplimit 1 accept
\t\tct state invalid counter drop comment "belongs to no connection"
"""


def ruleset(c: Consortium, host: str) -> str:
    """The nftables text for ``host``.  Raises KeyError for a host that the consortium does not have."""
    me = c.hosts[host]
    table = flows(c)
    inward = [rule for flow in table if host in flow.target_hosts for rule in _inward(c, me, flow)]
    outward = [rule for flow in table if host in flow.source_hosts for rule in _outward(me, flow)]
    meters = _METERS if any(flow.port == 22 and host in flow.target_hosts for flow in table) else ""
    near = _near(c, me)
    return "".join(
        [
            _HEAD.format(table=TABLE),
            meters,
            "\tchain input {\n",
            _INPUT.format(spoof="".join(_spoof(me))),
            *_echo(near, "saddr"),
            *inward,
            *_end("in"),
            "\t}\n\tchain forward {\n",
            "\t\ttype filter hook forward priority filter; policy drop;\n",
            '\t\tcounter drop comment "no host of ours is a router"\n',
            "\t}\n\tchain output {\n",
            _OUTPUT.format(),
            *_echo(near, "daddr"),
            *outward,
            *_end("out"),
            "\t}\n}\n",
        ]
    )


def by_family(addresses: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """``("ip", ...)`` and ``("ip6", ...)`` with the addresses of that family; empty ones left out.

    What lies inside another CIDR of the list is left out, because an nftables set may not overlap.
    """
    networks = [ipaddress.ip_network(address) for address in in_order(addresses)]
    for family, version in (("ip", 4), ("ip6", 6)):
        kept: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for network in networks:  # in order of address, then the wider first
            # Equal versions are equal classes, which mypy cannot see.
            if network.version == version and not (kept and kept[-1].supernet_of(network)):  # type: ignore[arg-type]
                kept.append(network)
        if kept:
            yield family, in_order(str(network) for network in kept)


def _one_of(addresses: tuple[str, ...]) -> str:
    return addresses[0] if len(addresses) == 1 else "{ " + ", ".join(addresses) + " }"


def _comment(flow: Flow) -> str:
    return f'comment "{flow.name}: {flow.why}"'[: _COMMENT - 1]


def _spoof(me: Host) -> Iterator[str]:
    """Packets that claim to come from this very host, and did not come over the loopback interface."""
    for family, own in by_family([*me.own(), "127.0.0.0/8", "::1"]):
        yield f'\t\t{family} saddr {_one_of(own)} counter drop comment "claims to come from this host"\n'


def _near(c: Consortium, me: Host) -> tuple[str, ...]:
    """Networks of the segments that this host has a leg in: the only ones it exchanges echo requests with."""
    return in_order(cidr for segment in me.addresses for cidr in c.segments.get(segment, ()))


def _echo(near: tuple[str, ...], side: str) -> Iterator[str]:
    for family, cidrs in by_family(near):
        kind = "icmp" if family == "ip" else "icmpv6"
        match = f"{family} {side} {_one_of(cidrs)} {kind} type echo-request"
        yield f"\t\t{match} limit rate 10/second burst 20 packets accept\n"


def _inward(c: Consortium, me: Host, flow: Flow) -> Iterator[str]:
    """Rules that let a flow in: from its sources, to this host's address in the flow's segment."""
    mine = dict(by_family(a for a in flow.target_addresses if a in me.own()))
    far = dict(by_family(a for a in flow.source_addresses if a not in me.own()))
    for family in ("ip", "ip6"):
        if family not in mine or family not in far:
            continue
        ends = f"{family} saddr {_one_of(far[family])} {family} daddr {_one_of(mine[family])}"
        match = f"{ends} {flow.protocol} dport {flow.port}"
        if flow.port == 22:
            yield _throttle(c, me, family, match)
        yield f"\t\t{match} ct state new counter accept {_comment(flow)}\n"


def _throttle(c: Consortium, me: Host, family: str, match: str) -> str:
    burst = _SSH_BURST + (_SSH_BURST_PER_HOST * len(c.hosts) if "jump" in me.duties else 0)
    meter = "ssh_sources_v4" if family == "ip" else "ssh_sources_v6"
    limit = f"limit rate over {_SSH_RATE}/minute burst {burst} packets"
    return (
        f"\t\t{match} ct state new update @{meter} {{ {family} saddr {limit} }} "
        'counter drop comment "too many new SSH connections from one source"\n'
    )


def _outward(me: Host, flow: Flow) -> Iterator[str]:
    """Rules that let a flow out: to its targets; the kernel picks the address it leaves from."""
    for family, far in by_family(a for a in flow.target_addresses if a not in me.own()):
        match = f"{family} daddr {_one_of(far)} {flow.protocol} dport {flow.port}"
        yield f"\t\t{match} ct state new counter accept {_comment(flow)}\n"


def _end(direction: str) -> Iterator[str]:
    yield f'\t\tlimit rate 10/minute burst 20 packets log prefix "quorum drop {direction}: " level info\n'
    yield f'\t\tcounter drop comment "in no flow ({direction})"\n'
