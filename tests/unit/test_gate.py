# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of the chain gate, and the waiting for a node to say what is hoped for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils import chain_view, gate
from ansible_collections.quorum.hardening.plugins.module_utils.ipc import IpcError

A, B, C, D = (f"0x{letter * 40}" for letter in "abcd")
ALL = (A, B, C, D)


@pytest.mark.parametrize(
    ("validators", "consensus", "faults"),
    [
        *((0, "bft", 0), (1, "bft", 0), (3, "bft", 0), (4, "bft", 1), (6, "bft", 1), (7, "bft", 2), (10, "bft", 3)),
        *((1, "clique", 0), (2, "clique", 0), (3, "clique", 1), (4, "raft", 1), (5, "raft", 2), (0, "raft", 0)),
    ],
)
def test_faults_tolerated(validators: int, consensus: str, faults: int) -> None:
    assert gate.faults_tolerated(validators, consensus) == faults


def test_no_negative_validators() -> None:
    with pytest.raises(ValueError, match="impossible"):
        gate.faults_tolerated(-1)


@pytest.mark.parametrize(
    ("me", "validators", "healthy", "leave_spare", "opens", "spare", "words"),
    [
        (A, ALL, ALL, 0, True, 0, "can spare"),
        (A, ALL, ALL, 1, False, 0, "1 more must stay"),
        (A, ALL, (A, B, C), 0, False, -1, "2 would be away"),
        (A, ALL, (A, B, C), -1, True, -1, "can spare"),
        (D, ALL, (A, B, C), 0, True, 0, "does not sign"),
        ("", ALL, (A, B, C), 0, True, 0, "no validator"),
        (None, ALL, ALL, 0, True, 1, "no validator"),
        (A.upper().replace("0X", "0x"), ALL, ALL, 0, True, 0, "can spare"),
        (A, (A,), (A,), 0, False, -1, "1 would be away"),
        (A, (A,), (A,), -1, True, -1, "can spare"),
        (A, (), (), 0, True, 0, "no validator"),
    ],
)
def test_may_leave(
    me: Any, validators: Any, healthy: Any, leave_spare: int, opens: bool, spare: int, words: str
) -> None:
    verdict = gate.may_leave(me, validators, healthy, leave_spare)
    assert (verdict.open, verdict.spare) == (opens, spare)
    assert words in verdict.why


@given(st.integers(1, 40), st.data())
def test_the_gate_never_lets_more_go_than_the_chain_bears(count: int, data: Any) -> None:
    validators = [f"0x{number:040x}" for number in range(count)]
    healthy = data.draw(st.lists(st.sampled_from(validators), unique=True))
    me = data.draw(st.sampled_from(validators))
    if gate.may_leave(me, validators, healthy).open and me in healthy:
        assert count - (len(healthy) - 1) <= (count - 1) // 3


def test_signing_is_judged_over_several_blocks() -> None:
    assert gate.signing(ALL, [[A, B, C], [B, C, D.upper().replace("0X", "0x")], ["0xee"]]) == ALL
    assert gate.signing(ALL, []) == ()
    assert (gate.window(4), gate.window(13)) == (6, 13)


@pytest.mark.parametrize(
    ("modules", "family"),
    [({"istanbul": "1.0", "eth": "1.0"}, "bft"), ({"raft": "1"}, "raft"), ({"clique": "1"}, "clique")],
)
def test_consensus_of(modules: dict[str, str], family: str) -> None:
    assert gate.consensus_of(modules) == family


def test_unknown_consensus() -> None:
    with pytest.raises(ValueError, match="unknown"):
        gate.consensus_of({"eth": "1.0"})


class Node:
    """A node whose chain grows by one block each time its head is asked for, as long as it lives."""

    def __init__(self, **more: Any) -> None:
        self.block = 100
        self.grows = True
        self.answers: dict[str, Any] = {
            "rpc_modules": {"istanbul": "1.0"},
            "eth_syncing": False,
            "istanbul_getValidators": list(ALL),
            "istanbul_nodeAddress": A,
            "admin_peers": [{"enode": f"enode://{'1' * 128}@198.18.1.2:30303"}, {"enode": "none"}],
            "admin_nodeInfo": {"enode": f"enode://{'1' * 128}@198.18.1.2:30303"},
            **more,
        }
        self.asked: list[str] = []
        self.signers: Any = lambda number: list(ALL)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_unused: object) -> None:
        pass

    def call(self, method: str, *params: Any) -> Any:
        self.asked.append(method)
        if method == "istanbul_getSignersFromBlock":
            return {"Committers": self.signers(int(params[0], 16))}
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def number(self, _method: str, *_params: Any) -> int:
        self.block += self.grows
        return self.block


def ask(node: Node, judge: Any, within: float = 3) -> dict[str, Any]:
    ticks: Iterator[float] = iter(range(1000))
    return chain_view.wait_for(
        "/ipc", within, judge, connect=lambda _path: node, clock=lambda: next(ticks), pause=lambda _seconds: None
    )


def test_spare_waits_for_enough_new_blocks() -> None:
    found = ask(Node(), chain_view.spare(0), 20)
    assert found["open"]
    assert (found["head"], found["spare"], found["signing"]) == (107, 0, ALL)
    early = ask(Node(), chain_view.spare(0), 3)
    assert not early["open"]
    assert "since the question" in early["why"]


def test_spare_does_not_count_who_has_just_died() -> None:
    node = Node()
    node.signers = lambda number: ALL if number <= 101 else [A, B, C]
    found = ask(node, chain_view.spare(0), 20)
    assert not found["open"]
    assert D in found["why"]


def test_spare_refuses_on_a_chain_that_stands_still() -> None:
    node = Node()
    node.grows = False
    assert "stands still" in ask(node, chain_view.spare(0))["why"]
    assert ask(node, chain_view.spare(-1))["open"]


def test_spare_counts_the_silent() -> None:
    node = Node()
    node.signers = lambda number: [A, B, C]
    found = ask(node, chain_view.spare(0))
    assert not found["open"]
    assert D in found["why"]


def test_back_wants_a_fresh_seal_of_its_own() -> None:
    node = Node()
    node.signers = lambda number: [A, B, C] if number > 103 else [B, C, D]
    found = ask(node, chain_view.back(), 20)
    assert (found["open"], found["head"]) == (True, 104)


def test_back_never_takes_an_old_seal_for_a_fresh_one() -> None:
    node = Node()
    node.signers = lambda number: [A, B, C] if number <= 101 else [B, C, D]
    found = ask(node, chain_view.back(), 20)
    assert not found["open"]
    assert "sealed none" in found["why"]


@pytest.mark.parametrize(("grows", "syncing", "words"), [(False, False, "no new block"), (True, {"x": 1}, "fetching")])
def test_not_back(grows: bool, syncing: Any, words: str) -> None:
    node = Node(eth_syncing=syncing)
    node.grows = grows
    assert words in ask(node, chain_view.back())["why"]


def test_back_of_a_follower() -> None:
    node = Node(
        rpc_modules={"clique": "1.0"}, clique_getSigners=[B], eth_coinbase=IpcError("etherbase must be specified")
    )
    assert "follows" in ask(node, chain_view.back())["why"]


def test_spare_under_clique_and_raft() -> None:
    clique = {"rpc_modules": {"clique": "1"}, "clique_getSigners": [A, B, C], "eth_coinbase": A}
    node = Node(**clique, clique_status={"sealerActivity": {A: 3, B: 2, C: 0}})
    assert not ask(node, chain_view.spare(0))["open"]
    cluster = [{"nodeId": letter * 128, "nodeActive": letter != "3"} for letter in "1234"]
    node = Node(rpc_modules={"raft": "1"}, raft_cluster=cluster)
    assert not ask(node, chain_view.spare(0))["open"]
    node = Node(rpc_modules={"raft": "1"}, raft_cluster=cluster, admin_nodeInfo={"enode": "none"})
    assert "no validator" in ask(node, chain_view.spare(0))["why"]


@pytest.mark.parametrize(
    ("peers", "grows", "words"),
    [(["1" * 128], True, "head 102"), (["1" * 128, "2" * 128], True, "1 of 2 peers"), ([], False, "no new block")],
)
def test_alive(peers: list[str], grows: bool, words: str) -> None:
    node = Node()
    node.grows = grows
    found = ask(node, chain_view.alive(peers))
    assert words in found["why"]
    assert found["open"] is words.startswith("head")


def test_silence_is_waited_out() -> None:
    node, tries = Node(), []

    def connect(_path: str) -> Node:
        tries.append(1)
        if len(tries) < 3:
            raise IpcError("nobody answers")
        return node

    found = chain_view.wait_for("/ipc", 60, chain_view.alive([]), connect=connect, pause=lambda _seconds: None)
    assert found["open"]


def test_silence_is_named() -> None:
    def connect(_path: str) -> Node:
        raise IpcError("nobody answers at /ipc")

    found = chain_view.wait_for("/ipc", 0, chain_view.alive([]), connect=connect)
    assert (found["open"], found["silent"]) == (False, True)
    assert ask(Node(rpc_modules={}), chain_view.alive([]), 0)["silent"] is False
