# SPDX-License-Identifier: GPL-3.0-or-later
"""The store's first hours: anchor, first certificate, initialisation, shares."""

from __future__ import annotations

import base64
import getpass
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import pgp, vault_birth, vault_ceremony, x509
from ansible_collections.quorum.hardening.plugins.module_utils.openbao import BaoError
from ansible_collections.quorum.hardening.plugins.module_utils.vault_birth import Birth
from ansible_collections.quorum.hardening.plugins.module_utils.vault_ceremony import Ceremony, CeremonyError
from ansible_collections.quorum.hardening.plugins.module_utils.vault_signing import Desk, sign_all
from tests.unit.vault_fake import ROOT_TOKEN, Store, as_root_is_me, key_and_request

ME = getpass.getuser()


@pytest.fixture
def birth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Birth:
    as_root_is_me(monkeypatch)
    (tmp_path / "tls").mkdir()
    return Birth(
        directory=str(tmp_path / "tls"),
        memory=str(tmp_path / "memory"),
        state_file=str(tmp_path / "configured"),
        owner=ME,
        name="vault",
        addresses=("198.18.3.11",),
        organisation="acme",
        consortium="demo",
    )


@pytest.fixture
def csr(birth: Birth) -> str:
    return key_and_request(Path(birth.directory), "listener", subject="/CN=vault", sans="DNS:vault,IP:198.18.3.11")


def text(birth: Birth, name: str) -> str:
    return Path(birth.file(name)).read_text()


def test_the_first_certificate(birth: Birth, csr: str) -> None:
    planned = vault_birth.bootstrap(birth, csr, check=True)
    assert planned["changed"]
    assert sorted(os.listdir(birth.directory)) == ["listener.key"]
    made = vault_birth.bootstrap(birth, csr, check=False)
    assert made["changed"]
    assert made["restart"]
    assert not made["reload"]
    paper = x509.read_certificate(text(birth, "listener.crt"))
    assert paper.addresses == {"127.0.0.1", "198.18.3.11"}
    assert x509.verifies(text(birth, "listener.crt"), text(birth, "clients-ca.crt"), purpose="sslserver")
    assert made["ca"] == text(birth, "anchor.crt") == text(birth, "ca.crt")
    assert stat.S_IMODE(os.stat(birth.anchor_key).st_mode) == 0o600
    assert "PRIVATE" not in json.dumps(made)
    again = vault_birth.bootstrap(birth, csr, check=False)
    assert not again["changed"]
    assert not again["restart"]


def test_a_lost_anchor_key_before_the_root_is_signed_starts_anew(birth: Birth, csr: str) -> None:
    first = vault_birth.bootstrap(birth, csr, check=False)
    assert vault_birth.forget_anchor(birth)
    assert not vault_birth.forget_anchor(birth)
    with pytest.raises(x509.X509Error, match="anchor's key is gone"):
        vault_birth.sign_root(birth, csr)
    second = vault_birth.bootstrap(birth, csr, check=False)
    assert second["restart"]
    assert second["ca"] != first["ca"]
    assert any("its authority was lost" in line for line in second["made"])


def test_an_expired_listener_of_a_configured_store_gets_a_stopgap(
    birth: Birth, csr: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault_birth.bootstrap(birth, csr, check=False)
    real = text(birth, "listener.crt")
    Path(birth.state_file).write_text("x")
    vault_birth.forget_anchor(birth)
    assert not vault_birth.bootstrap(birth, csr, check=False)["changed"]
    later = time.time() + 40 * 86400
    with monkeypatch.context() as patch:
        patch.setattr(vault_birth.time, "time", lambda: later)
        assert vault_birth.bootstrap(birth, csr, check=True)["changed"]
        stopgap = vault_birth.bootstrap(birth, csr, check=False)
    assert stopgap["reload"]
    assert not stopgap["restart"]
    assert stopgap["made"] == ["certificate of the listener (it has expired)"]
    assert len(x509.certificates(text(birth, "ca.crt"))) == 2
    assert x509.verifies(text(birth, "listener.crt"), text(birth, "ca.crt"))
    assert not x509.verifies(text(birth, "listener.crt"), text(birth, "anchor.crt"))
    assert os.listdir(birth.memory) == [], "the stopgap's key ends at once"
    assert not vault_birth.bootstrap(birth, csr, check=False)["changed"], "while the stopgap is in use, it is trusted"
    Path(birth.file("listener.crt")).write_text(real)
    assert vault_birth.bootstrap(birth, csr, check=True)["changed"]
    assert vault_birth.bootstrap(birth, csr, check=False)["made"] == ["the stopgap authority is no longer trusted"]
    assert text(birth, "ca.crt") == text(birth, "anchor.crt")


@pytest.mark.parametrize("content", ["", "rubbish"])
def test_a_damaged_certificate_is_made_again(birth: Birth, csr: str, content: str) -> None:
    vault_birth.bootstrap(birth, csr, check=False)
    Path(birth.file("listener.crt")).write_text(content)
    made = vault_birth.bootstrap(birth, csr, check=False)
    assert made["changed"]
    assert made["reload"]
    assert not made["restart"]


def test_a_request_for_another_key(birth: Birth, csr: str) -> None:
    vault_birth.bootstrap(birth, csr, check=False)
    Path(birth.file("listener.key")).unlink()
    with pytest.raises(x509.X509Error, match=r"listener\.key is missing"):
        vault_birth.bootstrap(birth, csr, check=False)
    new = key_and_request(Path(birth.directory), "listener", subject="/CN=vault")
    with pytest.raises(x509.X509Error, match="is not for"):
        vault_birth.bootstrap(birth, csr, check=False)
    assert "another key" in vault_birth.bootstrap(birth, new, check=False)["made"][0]


def test_the_root_is_signed_by_the_anchor(birth: Birth, csr: str, tmp_path: Path) -> None:
    vault_birth.bootstrap(birth, csr, check=False)
    root = vault_birth.sign_root(birth, key_and_request(tmp_path, "root"))
    assert x509.verifies(root, text(birth, "anchor.crt"))


def test_write_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_root_is_me(monkeypatch)
    path = tmp_path / "f"
    assert vault_birth.write_file(str(path), "a", 0o640, ME)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not vault_birth.write_file(str(path), "a", 0o640, ME)
    assert vault_birth.write_file(str(path), "a", 0o600)

    def full(*_paths: str) -> None:
        raise OSError("full")

    monkeypatch.setattr(vault_birth.os, "replace", full)
    with pytest.raises(OSError, match="full"):
        vault_birth.write_file(str(path), "b", 0o600)
    assert os.listdir(tmp_path) == ["f"], "no half file stays"
    assert path.read_text() == "a"


def test_hand_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_root_is_me(monkeypatch)
    key = tmp_path / "k"
    key.write_text("k")
    key.chmod(0o640)
    assert not vault_birth.hand_over(str(key), "nobody-of-that-name")
    assert vault_birth.hand_over(str(key), ME)
    assert stat.S_IMODE(key.stat().st_mode) == 0o400
    assert not vault_birth.hand_over(str(key), ME)
    key.chmod(0o600)
    assert not vault_birth.hand_over(str(key), ME), "as enrol makes it"


# --- initialisation ---


@pytest.fixture
def ceremony(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ceremony:
    as_root_is_me(monkeypatch)
    monkeypatch.setattr(pgp, "check_public_key", lambda key: (key, "") if key == "good" else ("", "is bad"))
    holders = ((ME, "good"), ("nobody-of-that-name", "good"))
    return Ceremony(holders, 2, str(tmp_path / "shares"), str(tmp_path / "memory"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.initialised, store.health = False, 501
    return store


def begin(store: Store, ceremony: Ceremony, check: bool = False) -> dict[str, Any]:
    return vault_ceremony.initialise(store.bao, ceremony, check, 0)


def test_shares_are_born_encrypted_and_each_goes_to_its_holder(store: Store, ceremony: Ceremony) -> None:
    result = begin(store, ceremony)
    assert result == {
        "changed": True,
        "status": 503,
        "waiting_for": [ME, "nobody-of-that-name"],
        "without_account": ["nobody-of-that-name"],
    }
    assert store.init_body["pgp_keys"] == ["good", "good"]
    assert (store.init_body["secret_shares"], store.init_body["secret_threshold"]) == (2, 2)
    share = json.loads(Path(ceremony.share_file(ME)).read_text())
    assert base64.b64decode(share["share"]) == b"share"
    assert stat.S_IMODE(os.stat(ceremony.share_file(ME)).st_mode) == 0o400
    assert ROOT_TOKEN not in Path(ceremony.memory, "root-token").read_text()
    assert vault_ceremony.root_token(ceremony.memory) == ROOT_TOKEN
    again = begin(store, ceremony)
    assert not again["changed"]
    assert len([c for c in store.calls if c[1] == "sys/init"]) == 1
    assert vault_ceremony.forget_root_token(ceremony.memory)
    assert not vault_ceremony.forget_root_token(ceremony.memory)
    assert vault_ceremony.root_token(ceremony.memory) == ""
    assert os.listdir(ceremony.memory) == []


def test_an_account_that_comes_later_gets_its_share(store: Store, ceremony: Ceremony) -> None:
    begin(store, ceremony)
    os.chmod(ceremony.share_file(ME), 0o440)
    assert begin(store, ceremony)["changed"]
    assert not begin(store, ceremony, check=True)["changed"]
    os.unlink(ceremony.share_file("nobody-of-that-name"))
    store.health = 200
    assert begin(store, ceremony)["without_account"] == [], "an open store needs nobody's share"
    store.health = 503
    with pytest.raises(CeremonyError, match="no share for nobody-of-that-name"):
        begin(store, ceremony)


def test_keys_come_first(store: Store, ceremony: Ceremony) -> None:
    bad = Ceremony((("a", "good"), ("b", "bad"), ("c", "bad")), 2, ceremony.shares, ceremony.memory)
    with pytest.raises(CeremonyError, match="PGP key of b is bad; the PGP key of c is bad"):
        begin(store, bad)
    assert ("PUT", "sys/init") not in store.calls


@pytest.mark.parametrize(("names", "threshold"), [("ab", 1), ("ab", 3), ("ab", 0), ("aa", 2)])
def test_thresholds_and_names(names: str, threshold: int) -> None:
    with pytest.raises(CeremonyError):
        vault_ceremony.check_keys(Ceremony(tuple((n, "good") for n in names), threshold, "", ""))


def test_check_mode_touches_nothing(store: Store, ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch) -> None:
    assert begin(store, ceremony, check=True)["changed"]
    store.health = 0
    assert begin(store, ceremony, check=True)["changed"]

    def refuse() -> Any:
        raise BaoError(0, "no CA file")

    monkeypatch.setattr(vault_ceremony.shutil, "which", lambda _name: None)
    assert vault_ceremony.initialise(refuse, ceremony, True, 0)["changed"]
    with pytest.raises(BaoError):
        vault_ceremony.initialise(refuse, ceremony, False, 0)
    assert not os.path.exists(ceremony.shares)
    assert ("PUT", "sys/init") not in store.calls


def test_what_went_wrong_is_said(store: Store, ceremony: Ceremony) -> None:
    store.health = 0
    with pytest.raises(CeremonyError, match="journalctl -u openbao"):
        begin(store, ceremony)
    store.health = 501
    store.keys_base64 = ["only one"]
    with pytest.raises(CeremonyError, match="1 shares for 2 holders"):
        begin(store, ceremony)
    store.health = 503
    with pytest.raises(CeremonyError, match="holds no share for"):
        begin(store, ceremony)
    assert vault_ceremony.meaning(503) == "sealed"
    assert vault_ceremony.meaning(418) == "status 418"


def test_nothing_is_signed_before_the_store_lives(birth: Birth, csr: str, tmp_path: Path) -> None:
    desk = Desk("198.18.3.11", 8200, birth.directory, str(tmp_path / "site"))
    wanted = {
        "name": "vault",
        "csr": csr,
        "dns": ["vault"],
        "addresses": ["198.18.3.11"],
        "present": "",
        "role": "server",
    }
    with pytest.raises(BaoError, match=r"not brought to life yet.*--limit that names it"):
        sign_all(desk, [wanted], "1h", check=False)
    assert sign_all(desk, [wanted], "1h", check=True)["reasons"] == {"vault": "there is none"}
