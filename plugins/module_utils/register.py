# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The register of members, brought up to date with what the hosts gave away of their new keys; pure functions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.chain import ChainError, address, public_key

Member = dict[str, Any]
AddressOf = Callable[[str], str]


def own_node(
    name: str, enode: str, addresses: Sequence[str], *, port: int, validator: bool, address_of: AddressOf
) -> dict[str, Any]:
    """Return one node's entry. C(address_of) turns a public key into the validator's address."""
    entry: dict[str, Any] = {
        "name": name,
        "enode": public_key(enode),
        "addresses": list(addresses),
        "port": port,
        "validator": validator,
    }
    if validator:
        entry["validator_address"] = address_of(entry["enode"])
    return entry


def merged(
    members: Iterable[Mapping[str, Any]],
    organisation: str,
    region: str,
    nodes: Iterable[Mapping[str, Any]],
    tessera: Iterable[Mapping[str, Any]],
) -> list[Member]:
    """Return the register with this organisation's entries brought up to date.

    Other members, and entries of ours that no host of this run speaks for, stay as they are: people review what leaves.
    """
    register = [copy.deepcopy(dict(member)) for member in members]
    own = next((member for member in register if member.get("name") == organisation), None)
    if own is None:
        own = {"name": organisation, "region": region, "trust": "own"}
        register.insert(0, own)
    own["nodes"] = _named(own.get("nodes") or [], nodes)
    own["tessera"] = _named(own.get("tessera") or [], tessera)
    return register


def validators(members: Iterable[Mapping[str, Any]], consensus: str, address_of: AddressOf) -> list[str]:
    """Return the addresses of all validators in the register, in its order.

    Under IBFT and QBFT an address left out follows from the node's key; a clique signer has an account instead, whose
    address must be given.
    """
    found = []
    for member in members:
        for node in member.get("nodes") or []:
            if not node.get("validator"):
                continue
            given = node.get("validator_address")
            if consensus == "clique":
                if given:
                    found.append(address(given))
                continue
            computed = address_of(node.get("enode") or "")
            if given and address(given) != computed:
                raise ChainError(
                    f"node {node.get('name')} of {member.get('name')}: validator_address {given} does not belong to "
                    f"its enode; write {computed}, or leave it out"
                )
            found.append(computed)
    return found


def without_key(names: Iterable[str], members: Iterable[Mapping[str, Any]], organisation: str) -> list[str]:
    """Return which of our nodes have no public key in the register yet."""
    known = {
        node.get("name")
        for member in members
        if member.get("name") == organisation
        for node in member.get("nodes") or []
        if node.get("enode")
    }
    return [name for name in names if name not in known]


def _named(present: Iterable[Mapping[str, Any]], fresh: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    entries = {str(entry.get("name")): dict(entry) for entry in present}
    for entry in fresh:
        entries[str(entry["name"])] = {**entries.get(str(entry["name"]), {}), **entry}
    return list(entries.values())
