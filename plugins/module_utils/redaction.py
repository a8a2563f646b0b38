# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last net before something is written for people to pass around: no secret, and nothing endless.

The probes already give safe values. This is a second look that assumes they once forgot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: The longest value a report shows, in characters.
LONGEST = 1200

_PEM = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END (?P=what)-----|\Z)", re.DOTALL
)
_AGE = re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]+", re.IGNORECASE)
_TOKEN = re.compile(r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}")
_ASSIGNED = re.compile(
    r"""(?P<key>\b[\w.-]*(?:password|passwd|passphrase|secret_id|api_key|private_key|client_token)["']?\s*[=:]\s*)"""
    r"""(?P<quote>["']?)[^\s"',;]+(?P=quote)""",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^\s:/@]+:)[^\s/@]+@", re.IGNORECASE)
_HEX = re.compile(r"(?<![0-9A-Za-z])(?P<head>(?:0x)?[0-9a-fA-F]{8})[0-9a-fA-F]{48,}(?![0-9A-Za-z])")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])(?:[A-Za-z0-9+/_-]{40,})={0,2}(?![A-Za-z0-9+/_=-])")


def _mixed(match: re.Match[str]) -> str:
    """Remove a long run of base64 unless it reads like a path or a name: keys mix cases and digits, paths hardly do."""
    run = match.group(0)
    kinds = (str.isupper, str.islower, str.isdigit)
    looks_random = all(any(kind(char) for char in run) for kind in kinds) and not run.startswith("/")
    return f"{run[:6]}…[{len(run)} characters removed]" if looks_random else run


def redact(value: str) -> str:
    """Return ``value`` without private keys, tokens, passwords and long keys; public keys and hashes are shortened.

    A long run of hexadecimal keeps its first 8 digits: enough to recognise a hash or a public key by.
    """
    value = _PEM.sub(lambda match: f"[{match.group('what').lower()} removed]", value)
    value = _AGE.sub("[age key removed]", value)
    value = _TOKEN.sub("[token removed]", value)
    value = _LOGIN.sub(r"\g<scheme>[removed]@", value)
    value = _ASSIGNED.sub(r"\g<key>[removed]", value)
    value = _HEX.sub(r"\g<head>…", value)
    return _BASE64.sub(_mixed, value)


def cut(value: str, longest: int = LONGEST) -> str:
    """Return ``value``, in at most ``longest`` characters and a note of how many are left out."""
    return value if len(value) <= longest else f"{value[:longest]}… ({len(value) - longest} more characters)"


def safe(value: Any) -> Any:
    """Return a copy of plain JSON data in which every text is redacted and cut."""
    if isinstance(value, str):
        return cut(redact(value))
    if isinstance(value, Mapping):
        return {str(key): safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [safe(item) for item in value]
    return value
