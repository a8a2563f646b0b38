# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small client of the OpenBao HTTP interface: one server, one pinned CA, JSON in and out.

Only the standard library is used, so that it runs on a host with nothing but Python. No request body and no token
ever becomes part of an error: what the server answers is the only text that leaves this module.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, Callable

#: Method, path, headers, body -> (status, answer).
Transport = Callable[[str, str, Mapping[str, str], "bytes | None"], "tuple[int, bytes]"]

HEALTH = {
    200: "active",
    429: "standby",
    501: "not initialised",
    503: "sealed",
    0: "not reachable",
}


class BaoError(Exception):
    """An answer that is not the expected one. ``status`` is the HTTP status, 0 when no answer came at all."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def tls_context(ca: str, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """TLS 1.3 only, trusting the CA file ``ca`` and nothing else; ``certificate`` and ``key`` are file paths."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cafile=ca)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


def https(address: str, port: int, context: ssl.SSLContext, timeout: float = 30.0) -> Transport:
    """Transport over a fresh connection per request (a restarted server never meets a stale one). Seconds."""

    def send(method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(address, port, context=context, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    return send


class Bao:
    """One server. ``token`` may be set after a login; it is sent as a header and never logged."""

    def __init__(self, transport: Transport, token: str = "") -> None:
        self._send = transport
        self.token = token

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """(status, JSON answer or {}). Raises BaoError(0) when the server cannot be reached or TLS fails."""
        headers = {"X-Vault-Request": "true"}
        if self.token:
            headers["X-Vault-Token"] = self.token
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
        try:
            status, raw = self._send(method, "/v1/" + path, headers, payload)
        except (OSError, http.client.HTTPException, socket.timeout) as error:
            raise BaoError(0, f"{method} {path}: {type(error).__name__}: {error}") from None
        try:
            answer = json.loads(raw) if raw else {}
        except ValueError:
            answer = {}
        return status, answer if isinstance(answer, dict) else {}

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON answer of a call that must succeed (2xx); BaoError with the server's own words otherwise."""
        status, answer = self.request(method, path, body)
        if 200 <= status < 300:
            return answer
        words = "; ".join(str(e).strip() for e in answer.get("errors") or []) or "no reason given"
        raise BaoError(status, f"{method} {path}: {status}: {words}")

    def read(self, path: str) -> dict[str, Any] | None:
        """``data`` of a GET, None where there is nothing (404)."""
        try:
            answer = self.call("GET", path)
        except BaoError as error:
            if error.status == 404:
                return None
            raise
        data = answer.get("data")
        return data if isinstance(data, dict) else answer

    def write(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """``data`` of a POST ({} when the server has nothing to say)."""
        answer = self.call("POST", path, body or {})
        data = answer.get("data")
        return data if isinstance(data, dict) else {}

    def health(self) -> int:
        """200 active, 429 standby, 501 not initialised, 503 sealed, 0 not reachable."""
        try:
            return self.request("GET", "sys/health")[0]
        except BaoError:
            return 0

    def wait(self, seconds: float, wanted: frozenset[int], pause: float = 0.5) -> int:
        """The health status as soon as it is one of ``wanted``, else the last one seen after ``seconds``."""
        end = time.monotonic() + seconds
        while True:
            status = self.health()
            if status in wanted or time.monotonic() >= end:
                return status
            time.sleep(pause)

    def login(self, name: str) -> None:
        """Certificate login as ``name``; the transport must present the client certificate."""
        answer = self.call("POST", "auth/cert/login", {"name": name})
        token = (answer.get("auth") or {}).get("client_token")
        if not token:
            raise BaoError(403, f"login as {name}: the server gave no token")
        self.token = str(token)

    def logout(self) -> None:
        """Revoke the token in use; an already dead one is no error."""
        if self.token:
            self.request("POST", "auth/token/revoke-self", {})
            self.token = ""


def meaning(bao: Bao, status: int) -> str:
    """A health status in words; while sealed with the number of shares given."""
    words = HEALTH.get(status, f"status {status}")
    if status == 503:
        seal = bao.request("GET", "sys/seal-status")[1]
        words += f": {seal.get('progress', 0)} of {seal.get('t', 0)} shares given"
    return words


def connect(
    address: str, port: int, ca: str, *, certificate: str | None = None, key: str | None = None, timeout: float = 30.0
) -> Bao:
    """A client of the server at ``address:port``. BaoError(0) when a file of the identity cannot be used."""
    try:
        context = tls_context(ca, certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(f for f in (ca, certificate, key) if f)
        raise BaoError(0, f"cannot use the TLS files {files}: {error}") from None
    return Bao(https(address, port, context, timeout))
