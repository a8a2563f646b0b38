# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates on a host, read by the openssl that is there."""

from __future__ import annotations

import base64
import calendar
import hashlib
import math
import re
import time
from typing import Any

from .commands import NOT_FOUND, Runner

DAY = 86400
PUBLIC_KEY = re.compile(r"-----BEGIN PUBLIC KEY-----(.*?)-----END PUBLIC KEY-----", re.DOTALL)
ABSENT: dict[str, Any] = {
    "exists": False,
    "not_after": "",
    "days_left": 0,
    "issuer": "",
    "subject": "",
    "sha256": "",
    "public_key_sha256": "",
    "error": "",
}


def parse(text: str, now: float) -> dict[str, Any]:
    """Answer of ``openssl x509`` as a result: ``not_after`` in UTC (ISO 8601), ``days_left`` rounded down.

    :param now: seconds since the epoch.
    """
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("-----"))
    lower = {key.strip().lower(): value.strip() for key, value in fields.items()}
    ends = calendar.timegm(time.strptime(lower["notafter"], "%b %d %H:%M:%S %Y GMT"))
    key = PUBLIC_KEY.search(text)
    return {
        **ABSENT,
        "exists": True,
        "not_after": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends)),
        "days_left": math.floor((ends - now) / DAY),
        "issuer": lower.get("issuer", ""),
        "subject": lower.get("subject", ""),
        "sha256": lower.get("sha256 fingerprint", "").replace(":", "").lower(),
        "public_key_sha256": hashlib.sha256(base64.b64decode(key.group(1))).hexdigest() if key else "",
    }


def read(runner: Runner, path: str, exists: bool, now: float) -> dict[str, Any]:
    """One certificate file (its first certificate). ``error`` says why it could not be read."""
    if not exists:
        return dict(ABSENT)
    outcome = runner(
        [
            "openssl",
            "x509",
            "-in",
            path,
            "-noout",
            "-enddate",
            "-issuer",
            "-subject",
            "-nameopt",
            "RFC2253",
            "-fingerprint",
            "-sha256",
            "-pubkey",
        ],
        timeout=10,
    )
    if outcome.code == NOT_FOUND:
        return {**ABSENT, "exists": True, "error": "openssl is not installed"}
    if outcome.code != 0:
        return {
            **ABSENT,
            "exists": True,
            "error": outcome.words.splitlines()[0] if outcome.words else "not a certificate",
        }
    return parse(outcome.out, now)
