# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are born on a host: their forms, their requests, how their files land, and how a run is repeated."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils import identity as identities
from ansible_collections.quorum.hardening.plugins.module_utils import keys
from ansible_collections.quorum.hardening.plugins.module_utils.identity import Identity

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SECRET = "0" * 63 + "1"
GENERATOR_HEAD = "79be667ef9dcbbac55a06295ce870b07"


@given(st.integers(1, keys.SECP256K1_ORDER - 1))
def test_node_secret_reads_back(number: int) -> None:
    assert keys.node_secret(f"{number:064X}\n") == f"{number:064x}"


@pytest.mark.parametrize("text", ["", "0" * 64, "f" * 64, "1" * 63, "1" * 65, "x" * 64])
def test_damaged_node_secret_is_not_shown(text: str) -> None:
    with pytest.raises(keys.KeyFileError) as caught:
        keys.node_secret(text)
    assert not text or text not in str(caught.value)


def test_new_secrets_differ() -> None:
    assert len({keys.node_secret(keys.new_node_secret()) for _number in range(20)}) == 20


@pytest.mark.parametrize("spki", [b"", bytes(88)])
def test_no_public_key(spki: bytes) -> None:
    with pytest.raises(keys.KeyFileError):
        keys.public_key_of(spki)


@pytest.mark.parametrize(("name", "ips"), [("a b", []), ("", []), ("a\nb", []), ("ok", ["nine"])])
def test_no_names(name: str, ips: list[str]) -> None:
    with pytest.raises(ValueError):
        keys.Names.of(name, [], ips)


def test_request_config_and_text() -> None:
    names = keys.Names.of("v1", ["v1"], ["fd00:0::1", "198.18.1.21"])
    assert "subjectAltName = DNS:v1, IP:198.18.1.21, IP:fd00::1" in keys.request_config(names)
    assert "extensions" not in keys.request_config(keys.Names.of("v1", [], []))
    assert keys.request_names("nothing") is None
    assert keys.request_names("Subject: CN=v1\n") == keys.Names.of("v1", [], [])
    text = "Subject: CN = v1\n X509v3 Subject Alternative Name: \n  DNS:v1, IP Address:FD00:0:0:0:0:0:0:1, URI:x\n"
    assert keys.request_names(text) == keys.Names.of("v1", ["v1"], ["fd00::1"])


def test_land_never_overwrites_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys.land(str(path), b"one", 0o600, os.getuid(), os.getgid(), replace=False)
    with pytest.raises(FileExistsError):
        keys.land(str(path), b"two", 0o600, os.getuid(), os.getgid(), replace=False)
    assert path.read_bytes() == b"one"
    keys.land(str(path), b"three", 0o640, os.getuid(), os.getgid(), replace=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"three", 0o640)
    assert keys.staged_leftovers(str(tmp_path)) == []
    assert keys.staged_leftovers(str(tmp_path / "absent")) == []


def test_a_kill_leaves_a_staged_file_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_unused: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", killed)
    monkeypatch.setattr(os, "unlink", lambda _path: None)
    with pytest.raises(KeyboardInterrupt):
        keys.land(str(tmp_path / "key"), b"one", 0o600, os.getuid(), os.getgid(), replace=False)
    monkeypatch.undo()
    assert not (tmp_path / "key").exists()
    assert len(keys.staged_leftovers(str(tmp_path))) == 1


def test_a_link_is_no_key_file(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to("/etc/passwd")
    with pytest.raises(keys.KeyFileError, match="no plain file"):
        keys.regular_file(str(tmp_path / "key"))
    assert keys.regular_file(str(tmp_path / "absent")) is None


def test_make_directory(tmp_path: Path) -> None:
    path = tmp_path / "a/b"
    assert keys.make_directory(str(path), 0o750, os.getuid(), os.getgid())
    assert not keys.make_directory(str(path), 0o750, os.getuid(), os.getgid())
    assert keys.make_directory(str(path), 0o700, os.getuid(), os.getgid())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def user() -> str:
    return identities.pwd.getpwuid(os.getuid()).pw_name


def group() -> str:
    return identities.grp.getgrgid(os.getgid()).gr_name


def tls(path: Path, **names: Any) -> dict[str, Any]:
    csr = {"cn": "v1", "dns": ["v1"], "ips": ["198.18.1.21"], **names}
    return {"path": str(path), "owner": user(), "group": group(), "csr": csr}


def node(path: Path) -> dict[str, Any]:
    return {"path": str(path), "owner": user(), "group": group()}


@needs_openssl
@needs_root
def test_keys_are_made_once(tmp_path: Path) -> None:
    first = Identity(False)
    first.directory(str(tmp_path / "geth"), user(), group(), 0o700)
    public, request = first.node(node(tmp_path / "geth/nodekey")), first.request(tls(tmp_path / "tls/rpc.key"))
    assert first.made
    again = Identity(False)
    again.directory(str(tmp_path / "geth"), user(), group(), 0o700)
    assert again.node(node(tmp_path / "geth/nodekey")) == public
    assert again.request(tls(tmp_path / "tls/rpc.key")) == request
    assert again.made == []
    parsed = x509.load_pem_x509_csr(request.encode())
    key = load_pem_private_key((tmp_path / "tls/rpc.key").read_bytes(), None)
    assert parsed.is_signature_valid
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp384r1"
    assert key.public_key() == parsed.public_key()
    for path in ("geth/nodekey", "tls/rpc.key"):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o600


@needs_openssl
@needs_root
def test_other_names_want_another_request_for_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "rpc.key"
    first = Identity(False).request(tls(path))
    key = path.read_bytes()
    assert Identity(False).request(tls(path, ips=["198.18.1.22"])) != first
    assert path.read_bytes() == key
    (tmp_path / "rpc.csr").write_text("damaged")
    assert Identity(False).request(tls(path)).startswith("-----BEGIN")
    Identity(False).request(tls(tmp_path / "odd"))
    assert (tmp_path / "odd.csr").exists()


@needs_openssl
@needs_root
def test_check_mode_makes_nothing(tmp_path: Path) -> None:
    would = Identity(True)
    would.users(['u nobody-of-ours - "x" /'])
    would.directory(str(tmp_path / "geth"), "nobody-of-ours", "root", 0o700)
    assert would.node({"path": str(tmp_path / "geth/nodekey"), "owner": "nobody-of-ours", "group": "root"}) == ""
    assert would.request(tls(tmp_path / "tls/rpc.key")) == ""
    assert len(would.made) == 5
    assert list(tmp_path.iterdir()) == []
    Identity(False).request(tls(tmp_path / "rpc.key"))
    os.chmod(tmp_path / "rpc.key", 0o644)
    would = Identity(True)
    assert would.request(tls(tmp_path / "rpc.key"))
    assert stat.S_IMODE((tmp_path / "rpc.key").stat().st_mode) == 0o644
    Identity(False).request(tls(tmp_path / "rpc.key"))
    assert stat.S_IMODE((tmp_path / "rpc.key").stat().st_mode) == 0o600


@needs_openssl
@needs_root
def test_the_public_key_of_a_known_secret(tmp_path: Path) -> None:
    path = tmp_path / "geth/nodekey"
    path.parent.mkdir()
    path.write_text(SECRET)
    (path.parent / f".nodekey.x{keys.STAGED_SUFFIX}").write_text("half")
    assert Identity(False).node(node(path)).startswith(GENERATOR_HEAD)
    assert sorted(item.name for item in path.parent.iterdir()) == ["nodekey"]


@needs_root
def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "geth/nodekey"
    path.parent.mkdir()
    path.write_text("damaged")
    with pytest.raises(keys.KeyFileError, match="backup"):
        Identity(False).node(node(path))
    (tmp_path / "nodekey").write_text(SECRET)
    with pytest.raises(keys.KeyFileError, match="old key file"):
        Identity(False).node(node(path))
    for missing in ({"owner": "nobody-of-ours"}, {"group": "nobody-of-ours"}):
        with pytest.raises(keys.KeyFileError, match="sysusers"):
            Identity(False).request({**tls(tmp_path / "x.key"), **missing})


@needs_openssl
def test_openssl_says_why() -> None:
    with pytest.raises(keys.KeyFileError, match="openssl pkey failed"):
        Identity(False).openssl("pkey", stdin=b"no key")


def test_users_that_are_there_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(identities.subprocess, "run", lambda command, **_more: ran.append(command))
    present = Identity(False)
    present.users([f'u {user()} - "x" /'])
    assert (present.made, ran) == ([], [])
    present.users(['u nobody-of-ours - "x" /'])
    assert ran == [["systemd-sysusers", "--inline", 'u nobody-of-ours - "x" /']]
