# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of services that must speak TLS and demand a client certificate."""

from __future__ import annotations

import time
from typing import Any

from .probing import Absent, Args, Observation, Unreadable
from .system import System
from .wire import TlsOutcome, status_line

#: What nginx answers inside TLS when the client's certificate is missing. A 403 is no such answer: it comes from a
#: server that did not ask for one.
REFUSALS = ("400", "495", "496")


def _admitted(outcome: TlsOutcome) -> str:
    """Say ``refused``, or what the server answered to a client without a certificate."""
    if not outcome.answer:
        return "refused"
    words = outcome.answer.split()
    if len(words) > 1 and words[0].startswith("HTTP/") and words[1] in REFUSALS:
        return "refused"
    return f"answered {outcome.answer}"


def _plain(answer: bytes) -> str:
    """Say ``refused``, or what the server answered to plain HTTP. A TLS server's own 400 is a refusal."""
    line = status_line(answer)
    if not answer or not line.startswith("HTTP/") or line.split()[1:2] == ["400"]:
        return "refused"
    return f"answered {line}"


def tls_front(args: Args, system: System) -> Observation:
    """How a port answers strangers, on each of its addresses.

    args: addresses, port, older (protocol version that must be refused, TLSv1_1 say).
    found: address -> without_certificate, plain_http, version (negotiated), older.
    """
    port, older = int(args["port"]), str(args["older"])
    found: dict[str, Any] = {}
    for address in args["addresses"]:
        plain = system.exchange(address, port, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        if plain is None:
            raise Absent(f"nothing listens on {address} port {port}")
        best, old = system.tls(address, port), system.tls(address, port, older)
        found[address] = {
            "version": best.version or f"none ({best.detail})",
            "without_certificate": _admitted(best),
            "plain_http": _plain(plain),
            "older": f"{old.version} accepted" if old.version else "refused",
        }
    return Observation(found, f"port {port}")


def served_certificate(args: Args, system: System) -> Observation:
    """The certificate that a port serves, with the chain that it sends along, as a caller judges it.

    args: addresses, port, ca (file with the CA that it must lead to).
    found: address -> chain (ok, or why not), days_left (whole days; None where the chain is not ok).
    """
    port, authority = int(args["port"]), str(args["ca"])
    if system.stat(authority) is None:
        raise Absent(f"{authority} is not there")
    found: dict[str, Any] = {}
    for address in args["addresses"]:
        outcome = system.tls(address, port, authority=authority)
        if not outcome.connected:
            raise Absent(f"nothing listens on {address} port {port}")
        if not outcome.expires and not outcome.untrusted:
            raise Unreadable(f"{address} port {port} shows no certificate: {outcome.detail}")
        days = int((outcome.expires - time.time()) // 86400)
        found[address] = {"chain": outcome.untrusted or "ok", "days_left": None if outcome.untrusted else days}
    return Observation(found, f"port {port}, judged by {authority}")


PROBES = {"tls_front": tls_front, "served_certificate": served_certificate}
