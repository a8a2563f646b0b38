# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One-time codes (RFC 6238), and the file in which libpam-google-authenticator keeps a second factor.

Standard library alone: the same text serves the controller and the program that is installed on hosts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

#: RFC 6238 with the values that every authenticator app takes: SHA-1, six digits, steps of 30 seconds.
STEP = 30
#: One step before and one after count too, as in the file's WINDOW_SIZE: a phone's clock is never quite right.
WINDOW = (-1, 0, 1)
#: Tries within a step, as in the file's RATE_LIMIT.
TRIES = 3
RECOVERY_CODES = 5
OPTIONS = ('" RATE_LIMIT 3 30', '" WINDOW_SIZE 3', '" DISALLOW_REUSE', '" TOTP_AUTH')
#: A line of ours that the PAM module passes over: the secret is known to nobody, only the one code lets in.
INVITED = '" QUORUM_INVITED'


class Refusal(Exception):
    """What was asked for is not done; the message says why and what to do."""


@dataclass(frozen=True)
class Factor:
    """A second factor as its file holds it: base32 secret, lines of options, recovery codes that are left."""

    secret: str
    options: tuple[str, ...] = OPTIONS
    codes: tuple[str, ...] = ()

    @property
    def invited(self) -> bool:
        """Whether it stands for one login only."""
        return INVITED in self.options

    def values(self, name: str) -> list[int]:
        """Numbers behind an option."""
        lines = [line.split()[2:] for line in self.options if line.startswith(f'" {name}')]
        return [int(word) for words in lines for word in words if word.isdigit()]

    def with_values(self, name: str, values: Sequence[int]) -> Factor:
        """The same with other numbers behind an option."""
        line = " ".join([f'" {name}', *map(str, values)])
        return replace(self, options=tuple(line if o.startswith(f'" {name}') else o for o in self.options))


def parse(text: str) -> Factor:
    """A factor from the text of its file. Raises Refusal for what is none."""
    lines = text.split("\n")
    if not lines[0] or not set(lines[0]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):
        raise Refusal("the file of the second factor is damaged: another administrator can reset it")
    options = tuple(line for line in lines[1:] if line.startswith('" '))
    return Factor(lines[0], options, tuple(line for line in lines[1:] if line.isdigit()))


def render(factor: Factor) -> str:
    """Text of a factor's file."""
    return "\n".join([factor.secret, *factor.options, *factor.codes]) + "\n"


def code(secret: str, step: int) -> str:
    """The six digits of a time step (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


def check(factor: Factor, entered: str, now: float) -> tuple[bool, Factor]:
    """Whether what was entered opens the factor, and the factor afterwards: a code that was used opens nothing more.

    Raises Refusal after too many tries, like the PAM module, which counts in the same place.
    """
    recent = [when for when in factor.values("RATE_LIMIT")[2:] if now - STEP < when <= now]
    if len(recent) >= TRIES:
        raise Refusal(f"too many tries: wait {STEP} seconds")
    entered = entered.replace(" ", "")
    factor = factor.with_values("RATE_LIMIT", [TRIES, STEP, *recent, int(now)])
    used = factor.values("DISALLOW_REUSE")
    for offset in WINDOW:
        step = int(now) // STEP + offset
        if step not in used and hmac.compare_digest(code(factor.secret, step), entered):
            kept = [number for number in used if number >= step + WINDOW[0] - 1]
            return True, factor.with_values("DISALLOW_REUSE", [*kept, step])
    if entered in factor.codes:
        return True, replace(factor, codes=tuple(one for one in factor.codes if one != entered))
    return False, factor


def fresh(codes: int = RECOVERY_CODES, *more: str) -> Factor:
    """A new random factor. The PAM module takes recovery codes of eight digits that do not begin with a nought."""
    secret = base64.b32encode(secrets.token_bytes(20)).decode()
    numbers = tuple(str(10_000_000 + secrets.randbelow(90_000_000)) for _number in range(codes))
    return Factor(secret, OPTIONS + more, numbers)
