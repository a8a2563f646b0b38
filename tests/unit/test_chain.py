# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain's birth certificate: addresses against published examples, and genesis documents."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils import chain
from ansible_collections.quorum.hardening.plugins.plugin_utils import ethereum

# The public key of private key 1 is the curve's generator; its address is widely published.
GENERATOR = (
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
)
GENERATOR_ADDRESS = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"
ADDRESSES = [f"0x{number:040x}" for number in (3, 1, 2, 4)]

addresses = st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=20, unique=True).map(
    lambda items: ["0x" + item.hex() for item in items]
)


def make(consensus: str = "qbft", validators: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return chain.genesis(consensus, 1337, validators or ADDRESSES, ethereum.rlp_encode, **more)


def test_address_of_a_known_key() -> None:
    assert chain.validator_address(GENERATOR.upper(), ethereum.keccak256) == GENERATOR_ADDRESS


@pytest.mark.parametrize("key", ["", "0x" + GENERATOR, GENERATOR[:-1], GENERATOR + "0", "g" * 128])
def test_no_public_key(key: str) -> None:
    with pytest.raises(chain.ChainError, match="128 hex digits"):
        chain.public_key(key)


@pytest.mark.parametrize("value", ["", "0x", GENERATOR_ADDRESS[2:], GENERATOR_ADDRESS + "0"])
def test_no_address(value: str) -> None:
    with pytest.raises(chain.ChainError, match="40 hex digits"):
        chain.address(value)


@given(addresses)
def test_qbft_extra_data_reads_back(validators: list[str]) -> None:
    vanity, members, vote, number, seals = rlp.decode(bytes.fromhex(chain.qbft_extra_data(validators, rlp.encode)[2:]))
    assert vanity == bytes(32)
    assert ["0x" + member.hex() for member in members] == sorted(validators)
    assert (list(vote), number, list(seals)) == ([], b"", [])


@given(addresses)
def test_ibft_extra_data_reads_back(validators: list[str]) -> None:
    data = bytes.fromhex(chain.ibft_extra_data(validators, rlp.encode)[2:])
    members, seal, seals = rlp.decode(data[32:])
    assert data[:32] == bytes(32)
    assert ["0x" + member.hex() for member in members] == sorted(validators)
    assert (seal, list(seals)) == (b"", [])


@given(addresses)
def test_clique_extra_data_has_room_for_a_seal(signers: list[str]) -> None:
    data = bytes.fromhex(chain.clique_extra_data(signers)[2:])
    assert len(data) == 32 + 20 * len(signers) + 65


@given(addresses, st.randoms())
def test_genesis_does_not_depend_on_the_order(validators: list[str], random: Any) -> None:
    shuffled = list(validators)
    random.shuffle(shuffled)
    assert make(validators=validators) == make(validators=shuffled)


def test_qbft_limits_the_wait_between_rounds() -> None:
    engine = make(block_period=1)["config"]["qbft"]
    assert (engine["blockperiodseconds"], engine["maxRequestTimeoutSeconds"]) == (1, 60)


def test_engines() -> None:
    assert make("ibft")["config"]["isQuorum"] is True
    assert "isQuorum" not in make("clique")["config"]
    assert make("clique")["mixHash"] == chain.ZERO_HASH
    assert make("qbft")["mixHash"] == chain.BFT_DIGEST


@pytest.mark.parametrize(
    ("consensus", "validators", "more", "message"),
    [
        ("qbft", [], {}, "enrol the hosts"),
        ("clique", [], {}, "validator_address"),
        ("qbft", [ADDRESSES[0], ADDRESSES[0]], {}, "same address"),
        ("raft", ADDRESSES, {}, "no genesis is computed"),
        ("qbft", ADDRESSES, {"block_period": 0}, "block period"),
        ("qbft", ADDRESSES, {"request_timeout": 0}, "request timeout"),
        ("qbft", ADDRESSES, {"request_timeout": 61}, "longest"),
    ],
)
def test_no_genesis(consensus: str, validators: list[str], more: dict[str, int], message: str) -> None:
    with pytest.raises(chain.ChainError, match=message):
        chain.genesis(consensus, 1, validators, ethereum.rlp_encode, **more)


@pytest.mark.parametrize(
    ("document", "consensus", "problem"),
    [
        (make(), "qbft", None),
        (make("ibft"), "ibft", None),
        ({"config": {"chainId": 1337, "istanbul": {}}}, "ibft", None),
        ({"config": {"chainId": 1337, "ibft": {}, "transitions": [{"algorithm": "qbft"}]}}, "qbft", None),
        ({"config": {"chainId": 1337}}, "raft", None),
        (make(), "ibft", "its consensus is qbft"),
        ({"config": {"chainId": 5}}, "raft", "chainId is 5"),
        ([], "qbft", "no genesis"),
        ({"config": []}, "qbft", "no genesis"),
    ],
)
def test_existing_genesis(document: Any, consensus: str, problem: str | None) -> None:
    found = chain.genesis_problem(document, consensus, 1337)
    assert found is None if problem is None else problem in (found or "")
