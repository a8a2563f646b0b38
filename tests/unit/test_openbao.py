# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP client: what it sends, what it makes of answers, and that no secret gets into an error."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import openbao, x509
from ansible_collections.quorum.hardening.plugins.module_utils.openbao import Bao, BaoError
from tests.unit.vault_fake import Store, key_and_request


def replies(*answers: tuple[int, bytes]) -> Bao:
    left = list(answers)
    return Bao(lambda *_a: left.pop(0) if len(left) > 1 else left[0], "s.secret")


@pytest.mark.parametrize(
    ("raw", "found"),
    [(b'{"data": {"a": 1}}', {"a": 1}), (b'{"keys": []}', {"keys": []}), (b"", {}), (b"<html>", {}), (b"[1]", {})],
)
def test_read_gives_the_data(raw: bytes, found: dict[str, object]) -> None:
    assert replies((200, raw)).read("x") == found


def test_read_of_nothing_and_of_the_forbidden() -> None:
    assert replies((404, b"{}")).read("x") is None
    with pytest.raises(BaoError, match=r"GET x: 403: permission denied") as caught:
        replies((403, b'{"errors": ["permission denied\\n"]}')).read("x")
    assert caught.value.status == 403


def test_write_gives_data_or_nothing_and_never_repeats_what_was_sent() -> None:
    assert replies((200, b'{"data": {"b": 2}}')).write("x") == {"b": 2}
    assert replies((204, b"")).write("x", {"a": 1}) == {}
    with pytest.raises(BaoError) as caught:
        replies((500, b"{}")).write("x", {"key": "canary"})
    assert "canary" not in str(caught.value)
    assert "s.secret" not in str(caught.value)
    assert "no reason given" in str(caught.value)


def test_an_unreachable_server_is_status_0() -> None:
    def refuse(*_a: object) -> tuple[int, bytes]:
        raise ConnectionRefusedError(111, "refused")

    bao = Bao(refuse)
    assert bao.health() == 0
    with pytest.raises(BaoError, match="ConnectionRefusedError"):
        bao.call("GET", "sys/health")


def test_wait_returns_what_is_wanted_or_the_last_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr(openbao.time, "sleep", naps.append)
    assert replies((503, b""), (503, b""), (200, b"")).wait(60, frozenset({200})) == 200
    assert len(naps) == 2
    assert replies((503, b"")).wait(0, frozenset({200})) == 503


def test_login_takes_the_token_and_logout_ends_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    bao = store.bao()
    bao.login("site")
    assert bao.token in store.tokens
    bao.logout()
    assert not store.tokens
    assert bao.token == ""
    calls = len(store.calls)
    bao.logout()
    assert len(store.calls) == calls
    with pytest.raises(BaoError, match="gave no token"):
        replies((200, b'{"auth": {"client_token": ""}}')).login("site")


@pytest.mark.parametrize(
    ("status", "words"), [(200, "active"), (503, "sealed: 1 of 2 shares given"), (418, "status 418")]
)
def test_meaning(tmp_path: Path, status: int, words: str) -> None:
    assert openbao.meaning(Store(tmp_path).bao(), status) == words


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, str, Path]]:
    """A TLS server that wants a client certificate of its own authority."""
    anchor = x509.make_anchor(str(tmp_path / "ca.key"), {"CN": "test"}, 2)
    (tmp_path / "ca.crt").write_text(anchor)
    request = key_and_request(tmp_path, "server")
    names = x509.server_names(["localhost"], ["127.0.0.1"])
    extensions = x509.SERVER.format(names=names).replace("serverAuth", "serverAuth,clientAuth")
    pem = x509.sign(request, extensions, anchor=anchor, key=str(tmp_path / "ca.key"), days=1)
    (tmp_path / "server.crt").write_text(pem)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"data": {"seen": "%s"}}' % self.headers.get("X-Vault-Token", "").encode())

        def log_message(self, *_a: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    httpd = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
    thread.start()
    yield httpd.server_address[1], str(tmp_path / "ca.crt"), tmp_path
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_real_connection_with_and_without_a_certificate(server: tuple[int, str, Path]) -> None:
    port, ca, folder = server
    crt, key = str(folder / "server.crt"), str(folder / "server.key")
    bao = openbao.connect("127.0.0.1", port, ca, certificate=crt, key=key)
    bao.token = "s.x"
    assert bao.read("anything") == {"seen": "s.x"}
    with pytest.raises(BaoError) as caught:
        openbao.connect("127.0.0.1", port, ca, timeout=5).call("GET", "anything")
    assert caught.value.status == 0
    other = folder / "other.crt"
    other.write_text(x509.make_anchor(str(folder / "other.key"), {"CN": "other"}, 2))
    assert openbao.connect("127.0.0.1", port, str(other), certificate=crt, key=key).health() == 0


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(BaoError, match=r"cannot use the TLS files .*/none\.crt"):
        openbao.connect("127.0.0.1", 1, str(tmp_path / "none.crt"))
