# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuring, comparing, renewing, signing: against a store in memory with real certificates."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import (
    bao_apply,
    bao_plan,
    vault_birth,
    vault_ceremony,
    vault_life,
    vault_signing,
    x509,
)
from ansible_collections.quorum.hardening.plugins.module_utils.openbao import BaoError
from ansible_collections.quorum.hardening.plugins.module_utils.vault_birth import Birth
from ansible_collections.quorum.hardening.plugins.module_utils.vault_life import HelpNeeded, Wishes
from ansible_collections.quorum.hardening.plugins.module_utils.vault_signing import Desk
from tests.unit.vault_fake import ROOT_TOKEN, Store, as_root_is_me, key_and_request

SUBJECTS = ({"name": "node1", "addresses": ["198.18.1.21"], "usages": ["server"]},)


class Host:
    """A store's host after the shares were given: everything but the configuration is there."""

    def __init__(self, folder: Path) -> None:
        (folder / "tls").mkdir()
        self.store = Store(folder)
        self.birth = Birth(
            directory=str(folder / "tls"),
            memory=str(folder / "memory"),
            state_file=str(folder / "state/configured"),
            owner="",
            name="vault",
            addresses=("198.18.3.11",),
            organisation="acme",
            consortium="demo",
        )
        csr = key_and_request(folder / "tls", "listener", subject="/CN=vault", sans="DNS:vault,IP:198.18.3.11")
        self.wishes = Wishes(csr, SUBJECTS, "2160h", "8760h", 20, ("file-1",), 8200, str(folder / "site"))
        vault_birth.bootstrap(replace(self.birth, owner="nobody-of-that-name"), csr, check=False)
        self.root = ROOT_TOKEN

    def bring(self, check: bool = False) -> dict[str, Any]:
        self.store.served = self.store.served or Path(self.birth.file("listener.crt")).read_text()
        return vault_life.bring(self.birth, self.wishes, check)

    def reload(self) -> None:
        self.store.served = Path(self.birth.file("listener.crt")).read_text()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    as_root_is_me(monkeypatch)
    host = Host(tmp_path)
    host.store.tokens[ROOT_TOKEN] = "root"

    def root_token(_memory: str) -> str:
        return host.root

    def forget(_memory: str) -> bool:
        host.root = ""
        return True

    monkeypatch.setattr(vault_ceremony, "root_token", root_token)
    monkeypatch.setattr(vault_ceremony, "forget_root_token", forget)
    monkeypatch.setattr(vault_ceremony, "one_run_key", lambda memory: Path(memory, "asked").write_text("x"))
    for module in (vault_life, vault_signing):
        monkeypatch.setattr(module, "connect", lambda *_a, **_k: host.store.bao())
    monkeypatch.setattr(vault_life.ssl, "get_server_certificate", lambda _a: x509.certificates(host.store.served)[0])
    yield host


def test_from_virgin_to_configured_and_then_nothing(host: Host) -> None:
    planned = host.bring(check=True)
    assert planned["changed"]
    assert not any(method == "POST" and "login" not in path for method, path in host.store.calls)
    done = host.bring()
    assert done["changed"]
    assert done["reload"]
    assert "certificate of the listener: it was for the start only" in done["actions"]
    assert ROOT_TOKEN not in json.dumps(done)
    assert "PRIVATE" not in json.dumps(done)
    assert not host.store.tokens, "no token is left behind"
    assert not os.path.exists(host.birth.anchor_key)
    assert host.birth.configured
    listener = Path(host.birth.file("listener.crt")).read_text()
    assert x509.verifies(listener, done["ca"])
    assert len(x509.certificates(listener)) == 3
    assert host.bring()["reload"], "a server that still shows the old one is told again"
    host.reload()
    again = host.bring()
    assert (again["changed"], again["reload"], again["actions"], again["drift"]) == (False, False, [], [])
    assert not host.bring(check=True)["changed"]


def test_a_killed_run_is_run_again(host: Host) -> None:
    for path in (
        "pki_root/root/sign-intermediate",
        "sys/policies/acl/site",
        "auth/cert/login",
        "auth/token/revoke-self",
    ):
        host.store.deny = {path}
        with pytest.raises((BaoError, HelpNeeded)):
            host.bring()
        assert host.root
    host.store.deny = set()
    assert host.bring()["changed"]
    host.reload()
    assert not host.bring()["changed"]


def test_a_root_token_that_is_revoked_already_is_forgotten(host: Host) -> None:
    host.bring()
    host.root = ROOT_TOKEN
    host.reload()
    assert not host.bring()["changed"]
    assert host.root == ""


def test_a_lost_root_token_is_explained(host: Host) -> None:
    host.root = ""
    with pytest.raises(HelpNeeded, match="root token is lost"):
        host.bring()


def test_a_store_that_is_not_open(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.store.health = 503
    monkeypatch.setattr(vault_life.Bao, "wait", lambda _self, _s, _w: 503)
    with pytest.raises(HelpNeeded, match="not open: sealed"):
        host.bring()
    assert "once it is open (now: sealed)" in host.bring(check=True)["actions"][0]
    Path(host.birth.file("anchor.crt")).unlink()
    assert host.bring(check=True)["changed"]


def test_drift_is_told_and_not_hidden(host: Host) -> None:
    host.bring()
    host.reload()
    host.store.data["sys/policies/acl/site"] = {"policy": 'path "*" { capabilities = ["sudo"] }'}
    host.store.data["sys/audit"]["other/"] = {}
    with pytest.raises(HelpNeeded, match="bao operator generate-root") as caught:
        host.bring(check=True)
    assert {d["item"] for d in caught.value.drift} == {"policy site", "audit device"}
    assert not os.path.exists(os.path.join(host.birth.memory, "asked"))
    with pytest.raises(HelpNeeded, match=r"https://198\.18\.3\.11:8200"):
        host.bring()
    assert os.path.exists(os.path.join(host.birth.memory, "asked"))
    assert not host.store.tokens
    del host.store.data["sys/audit"]["other/"]
    host.root = ROOT_TOKEN
    host.store.tokens[ROOT_TOKEN] = "root"
    healed = host.bring()
    assert healed["actions"][0] == "policy site: policy"
    assert "sudo" in healed["diff"]["before"]


def test_a_mount_is_tuned_and_not_made_again(host: Host) -> None:
    host.bring()
    host.reload()
    host.store.data["sys/mounts"]["pki_root/"]["config"] = {"max_lease_ttl": 1}
    host.root = ROOT_TOKEN
    host.store.tokens[ROOT_TOKEN] = "root"
    assert host.bring()["actions"][0] == "mount pki_root: config.max_lease_ttl"
    assert ("POST", "sys/mounts/pki_root/tune") in host.store.calls


def test_the_login_is_gone(host: Host) -> None:
    host.bring()
    host.store.deny = {"auth/cert/login"}
    with pytest.raises(HelpNeeded, match="login of this host does not work"):
        host.bring()


def test_audit_devices_that_are_not_those_of_the_file_stop_the_first_run(host: Host) -> None:
    host.store.data["sys/audit"] = {}
    with pytest.raises(HelpNeeded, match="audit devices"):
        host.bring()
    assert host.root


def test_certificates_are_renewed_in_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.bring()
    host.reload()
    now = time.time()
    monkeypatch.setattr(vault_life.time, "time", lambda: now + 300 * 86400)
    monkeypatch.setattr(x509, "verifies", lambda *_a, **_k: True)
    planned = host.bring(check=True)
    assert len(planned["actions"]) == 2
    assert not planned["reload"]
    old = Path(host.wishes.site("site.crt")).read_text()
    done = host.bring()
    assert done["actions"] == [
        "certificate of the listener: less than a third of its life is left",
        "login certificate of this host renewed",
    ]
    assert Path(host.wishes.site("site.crt")).read_text() != old


def test_what_stays_wrong_is_an_error(host: Host) -> None:
    host.store.forget = {"sys/policies/acl/site"}
    with pytest.raises(BaoError, match="although it was written"):
        host.bring()


def test_ipv6_stands_in_brackets(host: Host) -> None:
    birth = replace(host.birth, addresses=("2001:db8::1",))
    item = next(i for i in vault_life.plan(birth, host.wishes, "PEM") if i.name == "addresses of pki_services")
    assert item.body["ocsp_servers"] == ["https://[2001:db8::1]:8200/v1/pki_services/ocsp"]


def test_an_authority_that_may_not_be_read_is_no_missing_one(host: Host) -> None:
    host.store.deny = {"pki_root/cert/ca"}
    with pytest.raises(BaoError, match="403"):
        bao_apply.issuer(host.store.bao(ROOT_TOKEN), "pki_root")


# --- signing ---


def ask(folder: Path, name: str = "node1", **values: Any) -> dict[str, Any]:
    csr = key_and_request(folder, name, sans=f"DNS:{name},IP:198.18.1.21")
    base = {"name": name, "csr": csr, "role": "server", "dns": [name], "addresses": ["198.18.1.21"], "present": ""}
    return {**base, **values}


def test_signing_in_one_login_and_not_twice(host: Host, tmp_path: Path) -> None:
    host.bring()
    desk = Desk("198.18.3.11", 8200, host.birth.directory, host.wishes.site_directory)
    wanted = [ask(tmp_path), ask(tmp_path, "node2")]
    planned = vault_signing.sign_all(desk, wanted, "2160h", True)
    assert planned["reasons"] == {"node1": "there is none", "node2": "there is none"}
    assert planned["certificates"] == {}
    host.store.calls.clear()
    done = vault_signing.sign_all(desk, wanted, "2160h", False)
    assert [path for _m, path in host.store.calls] == [
        "auth/cert/login",
        "pki_services/sign/server",
        "pki_services/sign/server",
        "auth/token/revoke-self",
    ]
    pem = done["certificates"]["node1"]["certificate"]
    assert x509.verifies(pem, done["ca"])
    wanted[0]["present"], wanted[1]["present"] = pem, done["certificates"]["node2"]["certificate"]
    host.store.calls.clear()
    assert not vault_signing.sign_all(desk, wanted, "2160h", False)["changed"]
    assert host.store.calls == []
    wanted[1]["present"] = pem
    assert vault_signing.judge(wanted, done["ca"]) == {"node2": "it is for another key"}
    wanted[1]["present"] = "rubbish"
    assert vault_signing.judge(wanted, done["ca"]) == {"node2": "the file holds none"}
    other = x509.make_anchor(str(tmp_path / "o.key"), {"CN": "other"}, 2)
    assert vault_signing.judge(wanted[:1], other) == {"node1": "it is from another authority, or expired"}


def test_one_greedy_request_stops_all(host: Host, tmp_path: Path) -> None:
    host.bring()
    desk = Desk("198.18.3.11", 8200, host.birth.directory, host.wishes.site_directory)
    greedy = ask(tmp_path, csr=key_and_request(tmp_path, "node1", sans="DNS:other-bank.example"))
    host.store.calls.clear()
    with pytest.raises(x509.X509Error, match=r"DNS name other-bank\.example"):
        vault_signing.sign_all(desk, [ask(tmp_path, "node2"), greedy], "2160h", False)
    assert host.store.calls == []
    with pytest.raises(x509.X509Error, match="asks for more"):
        bao_apply.sign(host.store.bao(), "server", greedy["csr"], name="node1", ttl="1h")


def test_a_certificate_for_another_key_is_not_taken(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.bring()
    bao = host.store.bao()
    bao.login("site")
    real = host.store.pki

    def swap(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return real(path, {**body, "csr": key_and_request(tmp_path, "thief")})

    monkeypatch.setattr(host.store, "pki", swap)
    with pytest.raises(x509.X509Error, match="is for another key"):
        bao_apply.sign(bao, "server", ask(tmp_path)["csr"], name="node1", addresses=["198.18.1.21"], ttl="2160h")


def test_differences_reads_each_path_once(host: Host) -> None:
    bao = host.store.bao(ROOT_TOKEN)
    found = bao_apply.differences(bao, bao_plan.before_authorities())
    assert [d.item for d in found] == ["mount pki_root", "mount pki_services"]
    assert host.store.calls == [("GET", "sys/mounts")]
