# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe says over a socket, to loopback servers."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import wire
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import System


class Server(threading.Thread):
    """Takes one connection after the other and answers each with what ``serve`` makes of it."""

    def __init__(self, listener, serve):
        super().__init__(daemon=True)
        self.listener, self.serve = listener, serve
        listener.listen()
        self.start()

    def run(self):
        while True:
            try:
                client, _peer = self.listener.accept()
            except OSError:
                return
            try:
                self.serve(client)
            except OSError:
                pass
            finally:
                client.close()


@pytest.fixture
def served():
    listeners = []

    def start(serve, path=None):
        family = socket.AF_UNIX if path else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.bind(path or ("127.0.0.1", 0))
        listeners.append(listener)
        Server(listener, serve)
        return path or listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.close()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def reply(*pieces):
    def serve(client):
        client.recv(65536)
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.02)

    return serve


def test_an_answer_over_ipc_may_come_in_pieces(served, tmp_path):
    path = served(reply(b'{"jsonrpc":"2.0","id":1,', b'"result":[1]}\n'), str(tmp_path / "ipc"))
    assert System().json_rpc(path, "m") == [1]


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([b'{"error":{"message":"no such method"}}'], "no such method"),
        ([b'{"error":"odd"}'], "odd"),
        ([b"[1]"], "no JSON answer"),
        ([b"nonsense"], "no JSON answer"),
    ],
)
def test_ipc_that_gives_no_result(served, tmp_path, pieces, said):
    path = served(reply(*pieces), str(tmp_path / "ipc"))
    with pytest.raises(Unreadable, match=said):
        wire.json_rpc(path, "m")


def test_ipc_without_a_listener(tmp_path, monkeypatch):
    with pytest.raises(Absent):
        wire.json_rpc(str(tmp_path / "none"), "m")
    with pytest.raises(Unreadable):
        wire.json_rpc(str(tmp_path / ("x" * 200)), "m")


def test_ipc_that_never_answers(served, tmp_path, monkeypatch):
    monkeypatch.setattr(wire, "PATIENCE", 0.2)
    path = served(lambda client: time.sleep(1), str(tmp_path / "ipc"))
    with pytest.raises(Unreadable):
        wire.json_rpc(path, "m")


def test_plain_requests(served, monkeypatch):
    monkeypatch.setattr(wire, "PATIENCE", 0.3)
    system = System()
    assert system.exchange("127.0.0.1", served(reply(b"HTTP/1.1 200 OK\r\n\r\n")), b"x") == b"HTTP/1.1 200 OK\r\n\r\n"
    assert system.exchange("127.0.0.1", free_port(), b"x") is None
    assert system.exchange("127.0.0.1", served(lambda client: time.sleep(2)), b"x") == b""
    assert len(system.exchange("127.0.0.1", served(reply(b"y" * 200000)), b"x")) >= 65536


def test_heads_of_answers():
    answer = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-b:2 \r\n\r\nX-C: 3"
    assert (wire.header(answer, "x-a"), wire.header(answer, "X-B"), wire.header(answer, "X-C")) == ("1", "2", None)
    assert wire.status_line(answer) == "HTTP/1.1 200 OK"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, crt = str(folder / "k"), str(folder / "c")
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {crt} -days 2 -subj /CN=localhost"
    subprocess.run(command.split(), check=True, capture_output=True)
    return key, crt


def tls_server(certificate, answer, strict=False, least=None, most=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    if most:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = most
    if least:
        context.minimum_version = least
    if strict:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate[1])

    def serve(client):
        with context.wrap_socket(client, server_side=True) as inside:
            inside.recv(4096)
            inside.sendall(answer)

    return serve


def test_a_server_that_asks_for_no_certificate(served, certificate):
    outcome = System().tls("127.0.0.1", served(tls_server(certificate, b"HTTP/1.1 200 OK\r\n\r\n")))
    assert (outcome.connected, outcome.version, outcome.answer) == (True, "TLSv1.3", "HTTP/1.1 200 OK")
    assert outcome.expires == 0


def test_a_server_that_asks_for_one(served, certificate):
    outcome = wire.tls_handshake("127.0.0.1", served(tls_server(certificate, b"HTTP/1.1 200 OK\r\n\r\n", strict=True)))
    assert outcome.connected
    assert outcome.answer == ""
    assert outcome.detail


def test_an_older_version_is_refused(served, certificate):
    serve = tls_server(certificate, b"x", least=ssl.TLSVersion.TLSv1_3)
    outcome = wire.tls_handshake("127.0.0.1", served(serve), "TLSv1_2")
    assert (outcome.connected, outcome.version) == (True, "")
    either = tls_server(certificate, b"HTTP/1.1 200 OK\r\n\r\n")
    assert wire.tls_handshake("127.0.0.1", served(either), "TLSv1_2").version == "TLSv1.2"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_is_not_the_client_that_refuses_an_old_version(served, certificate):
    ancient = tls_server(certificate, b"HTTP/1.1 200 OK\r\n\r\n", most=ssl.TLSVersion.TLSv1_1)
    assert wire.tls_handshake("127.0.0.1", served(ancient), "TLSv1_1").version == "TLSv1.1"


def test_the_authority_that_the_server_must_lead_to(served, certificate, tmp_path):
    port = served(tls_server(certificate, b"HTTP/1.1 200 OK\r\n\r\n"))
    own = System().tls("127.0.0.1", port, authority=certificate[1])
    assert (own.version, own.untrusted) == ("TLSv1.3", "")
    assert 86400 < own.expires - time.time() <= 2 * 86400
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {tmp_path}/k -out {tmp_path}/c -subj /CN=other"
    subprocess.run(command.split(), check=True, capture_output=True)
    other = wire.tls_handshake("127.0.0.1", port, authority=f"{tmp_path}/c")
    assert other.connected
    assert "self" in other.untrusted
    (tmp_path / "empty").write_text("")
    for path in ("empty", "none"):
        with pytest.raises(Unreadable):
            wire.tls_handshake("127.0.0.1", port, authority=f"{tmp_path}/{path}")


def test_no_tls_and_nobody_at_all(served):
    assert wire.tls_handshake("127.0.0.1", served(reply(b"HTTP/1.1 400 Bad\r\n\r\n"))).version == ""
    assert not wire.tls_handshake("127.0.0.1", free_port()).connected


def test_a_server_that_hangs_up_after_the_handshake(served, certificate):
    outcome = wire.tls_handshake("127.0.0.1", served(tls_server(certificate, b"")))
    assert (outcome.answer, outcome.detail) == ("", "closed without an answer")


def test_parsed_wants_an_object():
    assert wire._parsed(json.dumps([1]).encode()) is None
