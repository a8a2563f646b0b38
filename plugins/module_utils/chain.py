# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain's birth certificate: public keys, validator addresses and the genesis, as pure functions.

Hashing and RLP come from well-kept libraries that only the controller has, so they are handed in as callables;
nothing in here needs more than the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Keccak = Callable[[bytes], bytes]
Encode = Callable[[Any], bytes]

# Every fork that the base of GoQuorum 24.4.1 (go-ethereum 1.10.3) knows, active from the first block.
FORKS = (
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "muirGlacierBlock",
    "berlinBlock",
)
# The mix digest by which the client recognises an Istanbul block (IBFT and QBFT).
BFT_DIGEST = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"
ZERO_HASH = "0x" + "00" * 32
VANITY = bytes(32)
CLIQUE_SEAL_BYTES = 65
GAS_LIMIT = 700_000_000

_PUBLIC_KEY = re.compile(r"[0-9a-f]{128}\Z")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}\Z")


class ChainError(ValueError):
    """What was asked for cannot be a chain; the message says what to write instead."""


def public_key(value: str) -> str:
    """Return the node's public key as 128 lower-case hex digits; ChainError if it is something else."""
    text = str(value).strip().lower()
    if not _PUBLIC_KEY.match(text):
        raise ChainError(f"not a node's public key (128 hex digits without 0x): {value!r}")
    return text


def address(value: str) -> str:
    """Return an account address as 0x and 40 lower-case hex digits; ChainError if it is something else."""
    text = str(value).strip().lower()
    if not _ADDRESS.match(text):
        raise ChainError(f"not an address (0x and 40 hex digits): {value!r}")
    return text


def validator_address(enode: str, keccak: Keccak) -> str:
    """Return the address of the validator that owns this public key: the last 20 bytes of its Keccak-256 hash."""
    return "0x" + keccak(bytes.fromhex(public_key(enode)))[-20:].hex()


def qbft_extra_data(validators: Iterable[str], encode: Encode) -> str:
    """Return the header's extra data of a QBFT genesis: RLP of [vanity, validators, no vote, round 0, no seals]."""
    return "0x" + encode([VANITY, _sorted_bytes(validators), [], b"", []]).hex()


def ibft_extra_data(validators: Iterable[str], encode: Encode) -> str:
    """Return the header's extra data of an IBFT genesis: vanity, then RLP of [validators, no seal, no seals]."""
    return "0x" + (VANITY + encode([_sorted_bytes(validators), b"", []])).hex()


def clique_extra_data(signers: Iterable[str]) -> str:
    """Return the header's extra data of a clique genesis: vanity, the signers, room for a seal."""
    return "0x" + (VANITY + b"".join(_sorted_bytes(signers)) + bytes(CLIQUE_SEAL_BYTES)).hex()


def genesis(
    consensus: str,
    chain_id: int,
    validators: Sequence[str],
    encode: Encode,
    *,
    block_period: int = 5,
    request_timeout: int = 4,
    longest_request_timeout: int = 60,
    epoch: int = 30000,
) -> dict[str, Any]:
    """Return the genesis of a new network as plain JSON data.

    Times are in seconds, C(epoch) in blocks. Without a longest request timeout the wait between rounds would double
    for as long as an outage lasts. ChainError for a consensus that has no computed genesis or for no validators.
    """
    members = sorted({address(validator) for validator in validators})
    if not members:
        raise ChainError(
            "a genesis needs at least one validator: enrol the hosts of group goquorum first"
            if consensus != "clique"
            else "clique needs a signer: a node in consortium_members with validator: true and validator_address"
        )
    if len(members) != len(validators):
        raise ChainError("two validators have the same address: every node needs a key of its own")
    if not 1 <= block_period <= 60 or request_timeout < 1 or longest_request_timeout < request_timeout:
        raise ChainError("block period 1 to 60 s, request timeout at least 1 s and not above its longest value")
    config: dict[str, Any] = {"chainId": chain_id, **dict.fromkeys(FORKS, 0)}
    bft = {
        "epochlength": epoch,
        "blockperiodseconds": block_period,
        "requesttimeoutseconds": request_timeout,
        "policy": 0,
        "ceil2Nby3Block": 0,
    }
    if consensus == "qbft":
        config.update(isQuorum=True, qbft={**bft, "maxRequestTimeoutSeconds": longest_request_timeout})
        extra, digest = qbft_extra_data(members, encode), BFT_DIGEST
    elif consensus == "ibft":
        config.update(isQuorum=True, ibft=bft)
        extra, digest = ibft_extra_data(members, encode), BFT_DIGEST
    elif consensus == "clique":
        config.update(clique={"period": block_period, "epoch": epoch})
        extra, digest = clique_extra_data(members), ZERO_HASH
    else:
        raise ChainError(
            f"no genesis is computed for consensus {consensus!r}: "
            "choose qbft, ibft or clique, or give the network's own file as consortium_genesis_file"
        )
    return {
        "config": config,
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": extra,
        "gasLimit": hex(GAS_LIMIT),
        "difficulty": "0x1",
        "mixHash": digest,
        "coinbase": "0x" + "00" * 20,
        "alloc": {},
    }


def genesis_problem(document: Any, consensus: str, chain_id: int) -> str | None:
    """Return why an existing genesis does not fit the inventory, or None when it fits."""
    if not isinstance(document, Mapping) or not isinstance(document.get("config"), Mapping):
        return "it is no genesis: a JSON object with a 'config' is expected"
    config = document["config"]
    if config.get("chainId") != chain_id:
        return f"its chainId is {config.get('chainId')!r}, consortium_chain_id is {chain_id}"
    engines = [name for name in ("qbft", "ibft", "istanbul", "clique") if name in config] or ["raft"]
    moved = any(
        isinstance(step, Mapping) and step.get("algorithm") == consensus for step in config.get("transitions") or []
    )
    if consensus not in engines and not moved and not (consensus == "ibft" and "istanbul" in engines):
        return f"its consensus is {engines[0]}, consortium_consensus is {consensus}"
    return None


def _sorted_bytes(addresses: Iterable[str]) -> list[bytes]:
    return sorted(bytes.fromhex(address(item)[2:]) for item in addresses)
