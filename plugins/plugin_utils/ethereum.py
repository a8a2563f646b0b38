# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ethereum's hash and encoding on the controller, from well-kept libraries (eth-utils, pycryptodome, rlp).

The libraries are loaded when they are used: Ansible loads every filter of a collection for the first one that a task
names, and their load would cost each task of each host more than all of its templates together.
"""

from __future__ import annotations

import importlib
from typing import Any


def missing() -> str:
    """What the controller lacks and how to get it; empty where it lacks nothing."""
    try:
        for name in ("rlp", "eth_utils"):
            importlib.import_module(name)
    except ImportError as error:
        return f"the controller lacks a Python library ({error}): pip install eth-utils 'eth-hash[pycryptodome]' rlp"
    return ""


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 hash (32 bytes) of some bytes."""
    return bytes(importlib.import_module("eth_utils").keccak(data))


def rlp_encode(item: Any) -> bytes:
    """Return the RLP encoding of bytes or of (nested) lists of bytes."""
    return bytes(importlib.import_module("rlp").encode(item))
