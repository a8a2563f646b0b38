# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter of one host, as nftables text, from the flows of the consortium.

The text replaces one table and touches no other; loading it again is atomic.  It is the same for the same inventory,
byte by byte, so a changed text is a changed rule.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.quorum.hardening.plugins.module_utils import limits
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Host
from ansible_collections.quorum.hardening.plugins.module_utils.flows import Flow, flows
from ansible_collections.quorum.hardening.plugins.module_utils.ruleset_guards import (
    arrival,
    by_family,
    echo,
    one_of,
    refusals,
)

__all__ = ["TABLE", "by_family", "ruleset"]

TABLE = "inet quorum_hardening"

#: nftables refuses a comment longer than this (bytes).
_COMMENT = 120

_HEAD = """\
# Made by quorum.hardening from the flows of the consortium; edit the inventory instead.
# The first two lines make loading it again atomic: the table is there, goes, and comes back in one transaction.
table {table}
delete table {table}
table {table} {{
"""

#: Ports whose connections began before this table did, for the first two minutes of its life: the kernel follows no
#: connection until a rule asks it to, and would take the next packet of a living one for a new one without a SYN.
_ADOPTING = """\
\tset adopting { type inet_service; flags timeout; }
\tchain adopt {
\t\ttcp flags & (fin | syn | rst | ack) == ack ct state new counter accept comment "older than this table"
\t}
"""

# ICMP and ICMPv6 by number: their names are in a file that a minimal Debian does not have (package netbase).
_INPUT = """\
\t\ttype filter hook input priority filter; policy drop;
\t\tiifname "lo" accept
\t\tct state established,related accept
\t\ticmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
\t\ticmpv6 type mld-listener-query ip6 saddr fe80::/10 accept
\t\tmeta l4proto { 1, 58 } limit rate over 500/second burst 1000 packets counter goto in_flood
\t\ticmp type { destination-unreachable, time-exceeded, parameter-problem } accept
\t\ticmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
\t\tct state invalid counter goto in_invalid
\t\ttcp flags & (fin | syn | rst | ack) != syn ct state new tcp dport != @adopting counter goto in_unbegun
"""

_OUTPUT = """\
\t\ttype filter hook output priority filter; policy drop;
\t\toifname "lo" accept
\t\tct state established,related accept
\t\ticmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
\t\ticmpv6 type { mld-listener-report, mld2-listener-report, mld-listener-done } ip6 hoplimit 1 accept
\t\tct state invalid counter goto out_invalid
\t\ttcp sport @adopting jump adopt
"""


def ruleset(c: Consortium, host: str) -> str:
    """The nftables text for ``host``.  Raises KeyError for a host that the consortium does not have."""
    me = c.hosts[host]
    table = flows(c)
    inward = [rule for flow in table if host in flow.target_hosts for rule in _inward(c, me, flow)]
    outward = [rule for flow in table if host in flow.source_hosts for rule in _outward(me, flow)]
    return "".join(
        [
            _HEAD.format(table=TABLE),
            *_meters(c, me, [flow for flow in table if host in flow.target_hosts]),
            _ADOPTING,
            refusals(),
            arrival(c, me),
            "\tchain input {\n",
            _INPUT,
            *echo(c, me, "saddr"),
            *inward,
            "\t\tgoto in_unnamed\n",
            "\t}\n\tchain forward {\n",
            "\t\ttype filter hook forward priority filter; policy drop;\n",
            '\t\tcounter drop comment "no host of ours is a router"\n',
            "\t}\n\tchain output {\n",
            _OUTPUT,
            *echo(c, me, "daddr"),
            *outward,
            "\t\tgoto out_unnamed\n",
            "\t}\n}\n",
        ]
    )


def _comment(flow: Flow) -> str:
    return f'comment "{flow.name}: {flow.why}"'[: _COMMENT - 1]


def _meter(what: str, flow: Flow, family: str) -> str:
    """Name of the set in which the sources of a flow are counted."""
    return f"{what}_{flow.name.replace('-', '_')}_{'v4' if family == 'ip' else 'v6'}"


def _meters(c: Consortium, me: Host, arriving: list[Flow]) -> list[str]:
    """Declarations of the sets that count, one for each flow and ceiling by source."""
    found = set()
    for flow in arriving:
        limit = limits.arriving(c, me, flow)
        for family, kind in (("ip", "ipv4_addr"), ("ip6", "ipv6_addr")):
            if limit.rate:
                forgets = "flags dynamic,timeout; timeout 2m"
                found.add(f"\tset {_meter('new', flow, family)} {{ type {kind}; {forgets}; size 65535; }}\n")
            if limit.held:
                found.add(f"\tset {_meter('held', flow, family)} {{ type {kind}; flags dynamic; size 65535; }}\n")
    return sorted(found)


def _inward(c: Consortium, me: Host, flow: Flow) -> Iterator[str]:
    """Rules that let a flow in: from its sources, to this host's address in the flow's segment."""
    mine = dict(by_family(a for a in flow.target_addresses if a in me.own()))
    far = dict(by_family(a for a in flow.source_addresses if a not in me.own()))
    for family in ("ip", "ip6"):
        if family not in mine or family not in far:
            continue
        ends = f"{family} saddr {one_of(far[family])} {family} daddr {one_of(mine[family])}"
        match = f"{ends} {flow.protocol} dport {flow.port} ct state new"
        yield from _ceilings(limits.arriving(c, me, flow), flow, family, match)
        yield f"\t\t{match} counter accept {_comment(flow)}\n"


def _ceilings(limit: limits.Limit, flow: Flow, family: str, match: str) -> Iterator[str]:
    """What goes beyond a flow's limits. Each source's own come first, so that it uses up nobody else's share."""
    if limit.rate:
        over = f"limit rate over {limit.rate}/{limit.per} burst {limit.burst} packets"
        counted = f"update @{_meter('new', flow, family)} {{ {family} saddr {over} }}"
        yield f'\t\t{match} {counted} counter goto in_flood comment "{flow.name}: too many new ones of one source"\n'
    if limit.held:
        counted = f"add @{_meter('held', flow, family)} {{ {family} saddr ct count over {limit.held} }}"
        yield f'\t\t{match} {counted} counter goto in_flood comment "{flow.name}: one source holds too many"\n'
    if limit.total:
        yield f'\t\t{match} ct count over {limit.total} counter goto in_flood comment "{flow.name}: too many in all"\n'


def _outward(me: Host, flow: Flow) -> Iterator[str]:
    """Rules that let a flow out: to its targets; the kernel picks the address it leaves from."""
    for family, far in by_family(a for a in flow.target_addresses if a not in me.own()):
        match = f"{family} daddr {one_of(far)} {flow.protocol} dport {flow.port} ct state new"
        if flow.name in limits.LEAVING:
            rate, burst = limits.LEAVING[flow.name]
            over = f"limit rate over {rate}/second burst {burst} packets"
            yield f'\t\t{match} {over} counter goto out_flood comment "{flow.name}: too many questions"\n'
        yield f"\t\t{match} counter accept {_comment(flow)}\n"
