# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ethereum's hash and encoding on the controller, from well-kept libraries (eth-utils, pycryptodome, rlp)."""

from __future__ import annotations

from typing import Any

try:
    import rlp
    from eth_utils import keccak as _keccak

    MISSING = ""
except ImportError as error:
    MISSING = f"the controller lacks a Python library ({error}): pip install eth-utils 'eth-hash[pycryptodome]' rlp"


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 hash (32 bytes) of some bytes."""
    return bytes(_keccak(data))


def rlp_encode(item: Any) -> bytes:
    """Return the RLP encoding of bytes or of (nested) lists of bytes."""
    return bytes(rlp.encode(item))
