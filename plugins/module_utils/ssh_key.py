# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges an OpenSSH public key as it stands in an inventory."""

from __future__ import annotations

import base64
import binascii

#: Key types that the hardened sshd accepts.
TYPES = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ssh-rsa")
#: Smallest RSA modulus in bits.
RSA_BITS = 3072


def problem_with(key: str) -> str:
    """What is wrong with a public key, as the end of a sentence; an empty text when it is sound."""
    if "PRIVATE KEY" in key:
        return "is a private key, which must never be in an inventory"
    if len(key.splitlines()) > 1 or not key.isprintable():
        return "is more than one line, and only the first would be judged"
    parts = key.split()
    if len(parts) < 2:
        return "is not a public key"
    if parts[0] not in TYPES:
        return f"does not begin with a key type that the hosts accept ({', '.join(TYPES)})"
    try:
        fields = _fields(base64.b64decode(parts[1], validate=True))
    except (binascii.Error, ValueError):
        return "is cut off or damaged"
    if fields[0] != parts[0].encode():
        return "is damaged: the key inside is of another type than its label says"
    return _problem_with_fields(parts[0], fields)


def _problem_with_fields(kind: str, fields: list[bytes]) -> str:
    if kind == "ssh-rsa":
        bits = int.from_bytes(fields[2], "big").bit_length() if len(fields) == 3 else 0
        return "" if bits >= RSA_BITS else f"is an RSA key of {bits} bits, and the hosts ask for {RSA_BITS}"
    expected = 2 if kind == "ssh-ed25519" else 3
    return "" if len(fields) == expected and len(fields[1]) == 32 else "is cut off or damaged"


def _fields(blob: bytes) -> list[bytes]:
    """The length-prefixed fields of RFC 4253, section 6.6.  Raises ValueError when a length does not fit.

    A blob that is not empty has at least one.
    """
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError("field longer than the key")
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields
