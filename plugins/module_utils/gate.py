# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May this node stop, and does it sign again? The arithmetic behind the chain gate, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

BFT = "bft"
CLIQUE = "clique"
RAFT = "raft"
FEWEST_BLOCKS = 6


@dataclass(frozen=True)
class Verdict:
    """Whether the gate opens, why, and the numbers it was judged by (addresses in lower case)."""

    open: bool
    why: str
    validators: tuple[str, ...] = field(default=())
    signing: tuple[str, ...] = field(default=())
    spare: int = 0


def faults_tolerated(validators: int, consensus: str = BFT) -> int:
    """Return how many of that many validators may stop without stopping the chain.

    Byzantine fault tolerance: floor((n-1)/3). Clique and raft need a majority: floor((n-1)/2).
    """
    if validators < 0:
        raise ValueError(f"{validators} validators are impossible")
    if validators == 0:
        return 0
    return (validators - 1) // (3 if consensus == BFT else 2)


def window(validators: int) -> int:
    """Return over how many blocks signatures are judged.

    A block need not carry the seals of all healthy validators, a quorum is enough: one block alone would slander.
    """
    return max(FEWEST_BLOCKS, validators)


def signing(validators: Iterable[str], committers: Sequence[Iterable[str]]) -> tuple[str, ...]:
    """Return which validators put their seal under at least one of the blocks, sorted."""
    seen = {address.lower() for block in committers for address in block}
    return tuple(sorted(address.lower() for address in validators if address.lower() in seen))


def consensus_of(modules: Mapping[str, str]) -> str:
    """Return the family of consensus that a node's list of JSON-RPC modules (rpc_modules) betrays."""
    for name, family in (("istanbul", BFT), ("raft", RAFT), ("clique", CLIQUE)):
        if name in modules:
            return family
    raise ValueError("the node offers neither istanbul nor raft nor clique over IPC: its consensus is unknown")


def may_leave(
    me: str | None,
    validators: Sequence[str],
    healthy: Sequence[str],
    leave_spare: int = 0,
    consensus: str = BFT,
) -> Verdict:
    """Judge whether the chain can spare this node.

    C(me) is this node's address (None: it is no validator), C(healthy) who signs now, C(leave_spare) how many further
    faults the chain must still bear while this node is away (-1: it may stand still).
    """
    everyone = tuple(sorted({address.lower() for address in validators}))
    alive = tuple(address for address in everyone if address in {item.lower() for item in healthy})
    mine = (me or "").lower()
    tolerated = faults_tolerated(len(everyone), consensus)
    away = len(everyone) - len(alive) + (1 if mine in alive else 0)
    spare = tolerated - away
    silent = ", ".join(address for address in everyone if address not in alive) or "nobody"
    numbers = f"{len(everyone)} validators, {len(alive)} signing (silent: {silent}), {tolerated} may fail"
    if mine not in everyone:
        return Verdict(True, f"this node is no validator; {numbers}", everyone, alive, spare)
    if mine not in alive:
        return Verdict(
            True, f"this node does not sign, its restart takes nothing away; {numbers}", everyone, alive, spare
        )
    if spare >= leave_spare:
        return Verdict(True, f"the chain can spare this node; {numbers}", everyone, alive, spare)
    return Verdict(
        False,
        f"without this node {away} would be away: {numbers}, and {leave_spare} more must stay to spare",
        everyone,
        alive,
        spare,
    )
