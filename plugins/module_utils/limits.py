# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a flow one caller may use, and all together: a column of the flow table, apart because of its reasons.

The limits are there to keep a flood away, not to shape traffic: each lies far above what a sound caller needs.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Host
from ansible_collections.quorum.hardening.plugins.module_utils.flows import Flow


class Limit(NamedTuple):
    """Ceilings of one flow on the host that it arrives at; 0 and an empty text mean none.

    ``per`` and ``rate``: new connections of one source (``rate`` per ``per``: second or minute), ``burst`` of them at
    once; ``held``: connections that one source has at a time; ``total``: connections of all sources at a time.
    """

    rate: int = 0
    per: str = "second"
    burst: int = 0
    held: int = 0
    total: int = 0


#: Name of a flow -> its ceilings where it arrives. Every flow of the table stands here.
ARRIVING = {
    # A person opens a few sessions. A run of the controller opens one for each host behind the jump host at once, and
    # some more for fresh proofs, which is why a jump host's own limits grow with the inventory (see PER_HOST).
    "ssh-jump": Limit(60, "minute", 60, held=64, total=1024),
    "ssh": Limit(60, "minute", 60, held=64, total=256),
    # None at all. Peers of a validator are named one by one, and after a break in the network they all come back at
    # once, again and again, several of them perhaps from behind one address: a limit that hits one of them then takes a
    # signature from the chain, and enough of them halt it. What a named peer could do with a flood is bounded by the
    # client (50 peers, 50 pending ones, half a minute between two tries of one address) and by SYN cookies.
    "p2p": Limit(),
    # Only finds peers; nodes whose peers are static lose nothing where it is cut. A table of 16 buckets of 16 is asked
    # through in some 300 packets.
    "discovery": Limit(200, "second", 1000),
    # nginx keeps a connection open between calls, so a sound caller needs a handful. The sum of all stays below what
    # one of its workers can carry (1024 connections, two for each call).
    "rpc": Limit(50, "second", 200, held=64, total=384),
    # Not counted by the second: a block with private payloads waits for it, and its only callers are our own nodes.
    "q2t": Limit(held=256),
    "tessera-p2p": Limit(50, "second", 500, held=128, total=1024),
    # Connection pools of our own Tesseras; PostgreSQL itself carries 100 unless it is told otherwise.
    "payload": Limit(50, "second", 200, held=96, total=192),
    # A consumer fetches its keys at start and renews a token now and then.
    "secrets": Limit(20, "second", 100, held=64, total=256),
    "dns": Limit(100, "second", 500),
    "ntp": Limit(10, "second", 50),
    "mirror": Limit(20, "second", 100, held=32, total=512),
    "log": Limit(30, "minute", 60, held=16, total=1024),
}
#: What a jump host's own limits grow by for each host behind it: (burst, held).
PER_HOST = (10, 8)
#: Name of a flow -> (new ones per second, burst) towards one server. Only what could carry a secret out in small pieces
#: to a server that passes questions on; a host asks for a few names an hour and for the time once a minute.
LEAVING = {"dns": (20, 200), "ntp": (2, 20)}


def arriving(c: Consortium, host: Host, flow: Flow) -> Limit:
    """The ceilings of a flow on a host that it arrives at. Raises KeyError for a flow without a row."""
    limit = ARRIVING[flow.name]
    if flow.name != "ssh-jump":
        return limit
    more, held = (step * len(c.hosts) for step in PER_HOST)
    return limit._replace(burst=limit.burst + more, held=limit.held + held)


def spelled(flow: Flow, limit: Limit) -> list[str]:
    """The ceilings of a flow as the audit tells them: protocol and port, then one of them in words."""
    end = f"{flow.protocol} {flow.port}"
    found = [f"{end} new {limit.rate}/{limit.per} burst {limit.burst}"] if limit.rate else []
    found += [f"{end} held {limit.held} by one source"] if limit.held else []
    return found + ([f"{end} held {limit.total} in all"] if limit.total else [])
