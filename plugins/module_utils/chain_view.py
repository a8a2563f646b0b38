# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node says about its chain, over IPC, and the waiting for it to say what is hoped for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ansible_collections.quorum.hardening.plugins.module_utils import gate
from ansible_collections.quorum.hardening.plugins.module_utils.ipc import Ipc, IpcError

_ENODE = re.compile(r"enode://([0-9a-fA-F]{128})")
PAUSE = 0.5


class Line(Protocol):
    """What is needed of a connection to a node."""

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of a call."""

    def number(self, method: str, *params: Any) -> int:
        """Return the result of a call that answers with a quantity."""


class ChainView:
    """One node's view of the chain."""

    def __init__(self, line: Line) -> None:
        """Ask the node which consensus it follows; ValueError when it does not say."""
        self._line = line
        self.consensus = gate.consensus_of(line.call("rpc_modules"))

    def head(self) -> int:
        """Return the number of the newest block that the node has."""
        return self._line.number("eth_blockNumber")

    def syncing(self) -> bool:
        """Return whether the node is still fetching blocks."""
        return bool(self._line.call("eth_syncing"))

    def peers(self) -> list[str]:
        """Return the public keys of the connected peers (128 hex digits each)."""
        found = (_ENODE.match(str(peer.get("enode", ""))) for peer in self._line.call("admin_peers") or [])
        return sorted(match.group(1).lower() for match in found if match)

    def validators(self) -> list[str]:
        """Return the addresses (for raft: node ids) of those who make the chain."""
        if self.consensus == gate.BFT:
            return [str(item).lower() for item in self._line.call("istanbul_getValidators", "latest")]
        if self.consensus == gate.CLIQUE:
            return [str(item).lower() for item in self._line.call("clique_getSigners")]
        return [str(item["nodeId"]).lower() for item in self._line.call("raft_cluster")]

    def me(self) -> str:
        """Return this node's own address (for raft: node id); empty when it has none that could make blocks."""
        if self.consensus == gate.BFT:
            return str(self._line.call("istanbul_nodeAddress")).lower()
        if self.consensus == gate.CLIQUE:
            try:
                return str(self._line.call("eth_coinbase")).lower()
            except IpcError:
                return ""  # no account to seal with: a follower
        match = _ENODE.match(str(self._line.call("admin_nodeInfo").get("enode", "")))
        return match.group(1).lower() if match else ""

    def committers(self, first: int, last: int) -> list[list[str]]:
        """Return who sealed each of the blocks from first to last."""
        found = []
        for number in range(max(first, 1), last + 1):
            # The node wants the number as a text: a JSON number is refused.
            answer = self._line.call("istanbul_getSignersFromBlock", hex(number)) or {}
            found.append([str(item).lower() for item in answer.get("Committers") or []])
        return found

    def signing(self, validators: Iterable[str], head: int) -> tuple[str, ...]:
        """Return which validators took part lately."""
        everyone = list(validators)
        if self.consensus == gate.BFT:
            return gate.signing(everyone, self.committers(head - gate.window(len(everyone)) + 1, head))
        if self.consensus == gate.CLIQUE:
            activity = self._line.call("clique_status")["sealerActivity"]
            return gate.signing(everyone, [[str(item) for item, blocks in activity.items() if blocks]])
        active = [item["nodeId"] for item in self._line.call("raft_cluster") if item.get("nodeActive")]
        return gate.signing(everyone, [[str(item) for item in active]])


def wait_for(
    path: str,
    within: float,
    judge: Callable[[ChainView], dict[str, Any]],
    *,
    connect: Callable[[str], Any] = Ipc,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Ask a node again and again until C(judge) answers with open: true, or C(within) seconds are over.

    Returns C(judge)'s last answer; {open: False, why} when the node itself does not answer. A node that is only just
    starting does not answer either, so silence is waited out like a bad answer.
    """
    ends = clock() + within
    while True:
        try:
            with connect(path) as line:
                found = judge(ChainView(line))
        except (IpcError, ValueError) as error:
            found = {"open": False, "why": str(error), "silent": isinstance(error, IpcError)}
        if found["open"] or clock() >= ends:
            return found
        pause(PAUSE)


def spare(leave_spare: int) -> Callable[[ChainView], dict[str, Any]]:
    """Return the judge of the question before a stop: do blocks come, and can the chain spare this node?"""
    seen: dict[str, int] = {}

    def judge(view: ChainView) -> dict[str, Any]:
        head = view.head()
        first = seen.setdefault("head", head)
        validators = view.validators()
        verdict = gate.may_leave(view.me(), validators, view.signing(validators, head), leave_spare, view.consensus)
        found = {"head": head, "consensus": view.consensus, **vars(verdict)}
        if not verdict.open or leave_spare < 0:
            return found
        # Signatures under old blocks prove nothing about now: who has just died still stands under them.
        fresh, needed = head - first, gate.window(len(validators)) if view.consensus == gate.BFT else 1
        if fresh <= 0:
            return {**found, "open": False, "why": f"no new block since {first}: the chain stands still, heal it first"}
        if fresh < needed:
            return {
                **found,
                "open": False,
                "why": f"{fresh} new blocks since the question, {needed} tell who seals",
            }
        return found

    return judge


def back() -> Callable[[ChainView], dict[str, Any]]:
    """Return the judge of the question after a start: is the node in step, and does it sign again?"""
    seen: dict[str, int] = {}

    def judge(view: ChainView) -> dict[str, Any]:
        head, me = view.head(), view.me()
        first = seen.setdefault("head", head)
        validators = view.validators()
        found = {"head": head, "consensus": view.consensus, "validators": validators, "open": False}
        if head <= first:
            return {**found, "why": f"no new block after {first} yet"}
        if view.syncing():
            return {**found, "why": f"the node is still fetching blocks, it has {head}"}
        if view.consensus == gate.BFT and me in validators:
            fresh = gate.signing([me], view.committers(max(first + 1, head - 31), head))
            if not fresh:
                return {**found, "why": f"{me} has sealed none of the blocks {first + 1} to {head} yet"}
            return {**found, "open": True, "why": f"{me} seals again, head {head}"}
        return {**found, "open": True, "why": f"the node follows the chain, head {head}"}

    return judge


def alive(peers: Iterable[str]) -> Callable[[ChainView], dict[str, Any]]:
    """Return the judge of the proof: blocks are made, and these peers (public keys) are connected."""
    wanted = {peer.lower() for peer in peers}
    seen: dict[str, int] = {}

    def judge(view: ChainView) -> dict[str, Any]:
        head = view.head()
        first = seen.setdefault("head", head)
        connected = view.peers()
        missing = sorted(wanted.difference(connected))
        found = {"head": head, "consensus": view.consensus, "peers": connected, "missing_peers": missing, "open": False}
        if missing:
            return {**found, "why": f"{len(missing)} of {len(wanted)} peers are not connected"}
        if head <= first:
            return {**found, "why": f"no new block after {first}"}
        return {**found, "open": True, "why": f"head {head}, {len(connected)} peers"}

    return judge
