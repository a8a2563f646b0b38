# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and requests, by the real openssl."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import x509
from tests.unit.vault_fake import key_and_request

NAMES = "DNS:Node1,IP:198.18.1.21,IP:2001:db8::1"


def signed(folder: Path, csr: str, anchor: str, days: int = 90) -> str:
    extensions = x509.SERVER.format(names=x509.server_names(["node1"], ["198.18.1.21", "2001:db8::1"]))
    return x509.sign(csr, extensions, anchor=anchor, key=str(folder / "ca.key"), days=days)


def test_a_request_and_its_certificate(tmp_path: Path) -> None:
    csr = key_and_request(tmp_path, "node1", sans=NAMES, subject="/O=acme/CN=node1")
    anchor = x509.make_anchor(str(tmp_path / "ca.key"), {"O": "acme", "CN": "demo anchor"}, 100)
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    request = x509.read_request(csr)
    assert request.common_name == "node1"
    assert request.organisations == ("acme",)
    assert request.dns == {"node1"}
    assert request.addresses == {"198.18.1.21", "2001:db8::1"}
    assert request.other == ()
    assert request.key_sha256 == x509.key_of(str(tmp_path / "node1.key"))
    pem = signed(tmp_path, csr, anchor)
    paper = x509.read_certificate(pem)
    assert paper.key_sha256 == request.key_sha256
    assert paper.issuer == "organizationName=acme,commonName=demo anchor"
    assert 89 * 86400 < paper.not_after - paper.not_before <= 90 * 86400
    assert x509.verifies(pem, anchor)
    assert x509.verifies(pem, anchor, purpose="sslserver")
    assert not x509.verifies(pem, anchor, purpose="sslclient")
    assert not x509.verifies(pem, x509.make_anchor(str(tmp_path / "b.key"), {"CN": "b"}, 2))
    assert not x509.verifies("nothing", anchor)
    assert x509.certificates(pem + "x\n" + anchor) == [pem, anchor]


def test_renewal_at_a_third(tmp_path: Path) -> None:
    paper = x509.Paper("a", not_before=0, not_after=900)
    assert not x509.needs_renewal(paper, 599)
    assert x509.needs_renewal(paper, 601)


@pytest.mark.parametrize(
    ("subject", "sans", "beyond"),
    [
        ("/CN=node1", NAMES, []),
        ("/CN=node1", "", []),
        ("/CN=node2", "", ["common name 'node2' instead of 'node1'"]),
        ("/O=x", "", ["common name '' instead of 'node1'"]),
        ("/CN=node1", "DNS:evil.example", ["DNS name evil.example"]),
        ("/CN=node1", "DNS:node1,IP:198.18.1.99", ["address 198.18.1.99"]),
        ("/CN=node1", "email:a@b.example", ["name email:a@b.example"]),
        ("/CN=node1", "DNS:*.example", ["DNS name *.example"]),
        ("/CN=node1/CN=node2", "", ["name second common name node2"]),
    ],
)
def test_what_is_asked_beyond_the_inventory(tmp_path: Path, subject: str, sans: str, beyond: list[str]) -> None:
    request = x509.read_request(key_and_request(tmp_path, "node1", sans=sans, subject=subject))
    assert x509.unasked(request, "node1", ["node1"], ["198.18.1.21", "2001:DB8:0::1"]) == beyond


def test_a_request_signed_by_nobody_is_refused(tmp_path: Path) -> None:
    csr = key_and_request(tmp_path, "node1").splitlines()
    csr[-2] = csr[-2][:-6] + ("AAAA==" if csr[-2].endswith("==") else "AAAAAA")
    with pytest.raises(x509.X509Error):
        x509.read_request("\n".join(csr) + "\n")
    with pytest.raises(x509.X509Error, match="openssl req"):
        x509.read_request("no request")
    with pytest.raises(x509.X509Error, match="openssl x509"):
        x509.read_certificate("no certificate")


def test_a_request_made_here_keeps_its_key(tmp_path: Path) -> None:
    key = str(tmp_path / "site.key")
    first = x509.read_request(x509.make_request(key, "site.demo"))
    assert first.common_name == "site.demo"
    assert stat.S_IMODE(Path(key).stat().st_mode) == 0o600
    assert x509.read_request(x509.make_request(key, "site.demo")).key_sha256 == first.key_sha256


def test_parse_of_odd_text() -> None:
    assert x509.parse("").key_sha256 == ""
    paper = x509.parse(
        "subject=\n    commonName                = a\n\nX509v3 Subject Alternative Name: \n    DNS:A, , URI:x\n"
    )
    assert (paper.common_name, paper.dns, paper.other) == ("a", {"a"}, ("URI:x",))
    assert x509.normal_address("Not.An.Address") == "not.an.address"


def test_without_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(x509.X509Error, match="openssl cannot run: FileNotFoundError"):
        x509.run_openssl(["version"], "")
