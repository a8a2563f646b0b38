# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few words a probe speaks over a socket: JSON-RPC over IPC, one plain request, one TLS handshake.

Nothing here sends a credential or changes what the other side holds.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .probing import Absent, Unreadable

MAX_ANSWER = 4 * 1024 * 1024
PATIENCE = 3.0


@dataclass(frozen=True)
class TlsOutcome:
    """What a TLS server did.

    ``connected``: the TCP port answered; ``version``: protocol of the finished handshake, empty when it failed;
    ``answer``: status line of the answer to a request, empty when the connection was closed without one;
    ``detail``: reason of a failure; ``untrusted``: why the server's certificate does not lead to the authority that was
    asked for, empty when it does; ``expires``: when it ends, in seconds since 1970, 0 when no authority was asked for.
    """

    connected: bool
    version: str = ""
    answer: str = ""
    detail: str = ""
    untrusted: str = ""
    expires: int = 0


def json_rpc(path: str, method: str) -> Any:
    """Result of one JSON-RPC call without parameters over a unix socket.

    :raises Absent: nobody listens there.
    :raises Unreadable: no answer, no JSON, or an error answer.
    """
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []})
    received = b""
    answer: Mapping[str, Any] | None = None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            client.connect(path)
            client.sendall(request.encode())
            while answer is None and len(received) < MAX_ANSWER:
                chunk = client.recv(65536)
                if not chunk:
                    break
                received += chunk
                # The stream is unframed: an answer is complete when it parses.
                answer = _parsed(received)
    except (FileNotFoundError, ConnectionRefusedError) as problem:
        raise Absent(f"nobody answers on {path}") from problem
    except OSError as problem:
        raise Unreadable(f"{path}: {problem.strerror or problem}") from problem
    if answer is None:
        raise Unreadable(f"{path}: no JSON answer to {method}")
    if "error" in answer:
        error = answer["error"]
        text = error.get("message") if isinstance(error, Mapping) else error
        raise Unreadable(f"{path}: {method}: {text}")
    return answer.get("result")


def exchange(address: str, port: int, payload: bytes) -> bytes | None:
    """First 64 KiB of the answer to a plain TCP request.

    :returns: None when nobody listens; empty bytes when the connection was closed without an answer.
    """
    try:
        client = socket.create_connection((address, port), timeout=PATIENCE)
    except OSError:
        return None
    with client:
        try:
            client.sendall(payload)
            return _drain(client)
        except OSError:
            return b""


def tls_handshake(address: str, port: int, maximum: str = "", authority: str = "") -> TlsOutcome:
    """Try a TLS handshake without a client certificate, then send a request.

    :param maximum: highest version to offer, ``TLSv1_2`` say; empty = the best that both sides know.
    :param authority: file with the certificates that the server's must lead to; empty = it is not judged.
    :raises Unreadable: the authority's file holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # An address is asked for, and the name in the certificate is a matter for those who call by name.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if authority:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(authority)
        except OSError as problem:
            raise Unreadable(f"{authority}: {problem.strerror or problem}") from problem
    if maximum:
        # What the server accepts is the question, so the client must not be the one that refuses.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion[maximum]
    try:
        raw = socket.create_connection((address, port), timeout=PATIENCE)
    except OSError as problem:
        return TlsOutcome(False, detail=str(problem.strerror or problem))
    version, expires = "", 0
    with raw:
        try:
            with context.wrap_socket(raw, server_hostname="localhost") as client:
                version = client.version() or ""
                # Empty where the certificate was not judged.
                judged = client.getpeercert() or {}
                expires = ssl.cert_time_to_seconds(str(judged["notAfter"])) if judged else 0
                # With TLS 1.3 a server judges the client's certificate after the client has finished:
                # only the answer to a request shows whether it let us in.
                client.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
                answer = _drain(client)
        except ssl.SSLCertVerificationError as problem:
            return TlsOutcome(True, detail=problem.verify_message, untrusted=problem.verify_message)
        except OSError as problem:
            detail = str(getattr(problem, "reason", "") or problem)
            return TlsOutcome(True, version, detail=detail, expires=expires)
    ended = "" if answer else "closed without an answer"
    return TlsOutcome(True, version, status_line(answer), detail=ended, expires=expires)


def status_line(answer: bytes) -> str:
    """First line of an HTTP answer, as text."""
    return answer.split(b"\r\n", 1)[0].decode("latin-1")[:100]


def header(answer: bytes, name: str) -> str | None:
    """Value of a header of an HTTP answer; None when it has none of that name."""
    head = answer.split(b"\r\n\r\n", 1)[0].decode("latin-1")
    for line in head.split("\r\n")[1:]:
        key, _colon, value = line.partition(":")
        if key.strip().lower() == name.lower():
            return value.strip()
    return None


def _drain(client: socket.socket) -> bytes:
    received = b""
    while len(received) < 65536:
        chunk = client.recv(16384)
        if not chunk:
            break
        received += chunk
    return received


def _parsed(received: bytes) -> Mapping[str, Any] | None:
    try:
        answer = json.loads(received)
    except ValueError:
        return None
    return answer if isinstance(answer, Mapping) else None
