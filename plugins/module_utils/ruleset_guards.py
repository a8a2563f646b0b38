# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packet filter refuses whatever the flows say: packets that lie about where they come from, or make no sense.

Every refusal ends in a chain of its own, which logs some of what it drops with a prefix that says direction and reason.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Host
from ansible_collections.quorum.hardening.plugins.module_utils.flows import in_order

#: Name of a chain -> direction and reason in its log lines, and the comment of its drop.
REFUSALS = {
    "in_spoofed": ("in spoofed", "comes from where its source cannot be"),
    "in_flags": ("in flags", "TCP flags that no sound packet has"),
    "in_fragments": ("in fragments", "more fragments than a sound network makes"),
    "in_invalid": ("in invalid", "belongs to no connection"),
    "in_unbegun": ("in unbegun", "would begin a connection without a SYN"),
    "in_flood": ("in flood", "one source, or all of them, want too much"),
    "in_unnamed": ("in unnamed", "in no flow (in)"),
    "out_invalid": ("out invalid", "belongs to no connection"),
    "out_flood": ("out flood", "more questions than a host has"),
    "out_unnamed": ("out unnamed", "in no flow (out)"),
}

#: Sources that no packet from a network has (RFC 1122, 1112, 6890, 4291). Private, link-local and example networks are
#: left out: sites do use them.
_NO_SOURCE = ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::ffff:0:0/96", "ff00::/8", "100::/64")
_LOOPBACK = ("127.0.0.0/8", "::1")

#: The first chain a packet meets, before the kernel puts fragments together (-400). A fragment says little about its
#: packet, so they are only counted: DNS may need some, TCP with path MTU discovery needs none.
_ARRIVAL = """\
\tchain arrival {
\t\ttype filter hook prerouting priority -450; policy accept;
\t\tiifname "lo" accept
\t\tip frag-off & 0x3fff != 0 limit rate over 100/second burst 200 packets counter goto in_fragments
\t\texthdr frag exists limit rate over 100/second burst 200 packets counter goto in_fragments
"""

#: NULL, SYN with FIN or RST, FIN with RST, and FIN without ACK, which takes in XMAS.
_FLAGS = """\
\t\ttcp flags & (fin | syn | rst | psh | ack | urg) == 0x0 counter goto in_flags
\t\ttcp flags & (fin | syn) == fin | syn counter goto in_flags
\t\ttcp flags & (syn | rst) == syn | rst counter goto in_flags
\t\ttcp flags & (fin | rst) == fin | rst counter goto in_flags
\t\ttcp flags & (fin | ack) == fin counter goto in_flags
"""


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


def one_of(addresses: tuple[str, ...]) -> str:
    """Addresses as the right side of a match."""
    return addresses[0] if len(addresses) == 1 else "{ " + ", ".join(addresses) + " }"


def refusals() -> str:
    """The chains in which a packet ends: some of them are logged, all are counted and dropped."""
    return "".join(
        f"\tchain {name} {{\n"
        f'\t\tlimit rate 10/minute burst 20 packets log prefix "quorum drop {reason}: " level info\n'
        f'\t\tcounter drop comment "{comment}"\n\t}}\n'
        for name, (reason, comment) in REFUSALS.items()
    )


def arrival(c: Consortium, me: Host) -> str:
    """The chain that looks at every packet from a network first, without knowing of connections."""
    return "".join([_ARRIVAL, *_spoofed(c, me), _FLAGS, "\t}\n"])


def near(c: Consortium, me: Host) -> tuple[str, ...]:
    """Networks of the segments that this host has a leg in."""
    return in_order(cidr for segment in me.addresses for cidr in c.segments.get(segment, ()))


def _spoofed(c: Consortium, me: Host) -> Iterator[str]:
    """Packets whose source cannot be where they come from.

    The way back is only asked for sources in segments that the host stands in: what comes from farther away may well
    arrive by one leg and be answered by another, and the kernel's own strict check would cut it.
    """
    for family, own in by_family([*me.own(), *_NO_SOURCE, *_LOOPBACK]):
        yield f"\t\t{family} saddr {one_of(own)} counter goto in_spoofed\n"
    for family, cidrs in by_family(near(c, me)):
        yield f"\t\t{family} saddr {one_of(cidrs)} fib saddr . iif oif missing counter goto in_spoofed\n"


def echo(c: Consortium, me: Host, side: str) -> Iterator[str]:
    """Echo requests, with the neighbours of the host's own segments alone, and few; ``side`` is saddr or daddr."""
    for family, cidrs in by_family(near(c, me)):
        kind = "icmp" if family == "ip" else "icmpv6"
        match = f"{family} {side} {one_of(cidrs)} {kind} type echo-request"
        yield f"\t\t{match} limit rate 10/second burst 20 packets accept\n"
