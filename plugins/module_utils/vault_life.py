# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configured life of a secret store: the first configuration, later comparison, renewal, signing."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import (
    bao_apply,
    bao_plan,
    vault_birth,
    vault_signing,
    x509,
)
from ansible_collections.quorum.hardening.plugins.module_utils import vault_ceremony as ceremony
from ansible_collections.quorum.hardening.plugins.module_utils.openbao import Bao, BaoError, connect
from ansible_collections.quorum.hardening.plugins.module_utils.vault_birth import Birth

HOW_ROOT = (
    "Only a root token can do that, and only the holders together can make one. As root on this host: "
    "export BAO_ADDR=https://{authority} BAO_CACERT={ca} BAO_CLIENT_CERT={site}.crt BAO_CLIENT_KEY={site}.key; "
    "export BAO_TOKEN=$(bao login -method=cert -token-only name=site); "
    "bao operator generate-root -init -pgp-key={memory}/one-run.pub; then each holder gives a share to "
    "'bao operator generate-root', which asks for it; write the encoded token that the last one gets "
    "to {memory}/root-token. "
    "The next run of site uses it, revokes it and destroys the key that can read it."
)


class HelpNeeded(Exception):
    """Something that people must do. ``drift`` lists the differences as plain dicts."""

    def __init__(self, message: str, drift: Sequence[bao_plan.Difference] = ()) -> None:
        super().__init__(message)
        self.drift = [asdict(d) for d in drift]


@dataclass(frozen=True)
class Wishes:
    """What the store is to be: see the module vault_state for the meaning of each."""

    csr: str
    subjects: tuple[Mapping[str, Any], ...]
    life: str
    site_life: str
    logins: int
    audit: tuple[str, ...]
    port: int
    site_directory: str

    def site(self, name: str) -> str:
        """A file of the login identity."""
        return os.path.join(self.site_directory, name)


def plan(birth: Birth, wishes: Wishes, services: str) -> list[bao_plan.Item]:
    """The table of everything but the authorities themselves."""
    store = {
        "name": birth.name,
        "addresses": list(birth.addresses),
        "url": f"https://{_authority(birth, wishes)}",
    }
    items = bao_plan.before_authorities()
    return items + bao_plan.after_authorities(
        birth.consortium,
        store,
        subjects=wishes.subjects,
        life=wishes.life,
        site_life=wishes.site_life,
        logins=wishes.logins,
        issuer=services,
    )


def _authority(birth: Birth, wishes: Wishes) -> str:
    """Address and port of the listener as they stand in a URL."""
    address = birth.addresses[0]
    return f"[{address}]:{wishes.port}" if ":" in address else f"{address}:{wishes.port}"


def site_login(birth: Birth, wishes: Wishes) -> Bao:
    """Logged in as site, over the listener that wants certificates. BaoError when that cannot be."""
    ca, crt, key = birth.file("ca.crt"), wishes.site("site.crt"), wishes.site("site.key")
    bao = connect(birth.addresses[0], wishes.port, ca, certificate=crt, key=key)
    bao.login(bao_plan.SITE)
    return bao


def bring(birth: Birth, wishes: Wishes, check: bool) -> dict[str, Any]:
    """Configure with the root token where there is one, else compare as site; renew what is due."""
    result: dict[str, Any] = {"changed": False, "actions": [], "drift": [], "reload": False}
    result["ca"] = vault_birth.read_text(birth.file("anchor.crt"))
    if not result["ca"] and check:
        return {**result, "changed": True, "actions": ["configure a store that does not exist yet"]}
    status = connect("127.0.0.1", wishes.port, birth.file("ca.crt")).wait(0 if check else 20, frozenset({200}))
    if status != 200:
        if check:
            return {
                **result,
                "changed": True,
                "actions": [f"configure, once it is open (now: {ceremony.meaning(status)})"],
            }
        raise HelpNeeded(f"The store is not open: {ceremony.meaning(status)}")
    differences: list[bao_plan.Difference] = []
    root = _root(birth, wishes)
    if root:
        if check:
            return {**result, "changed": True, "actions": ["finish the first configuration"]}
        differences = configure(birth, wishes, root)
        result["actions"] += [f"{d.item}: {d.field}" for d in differences]
        result["actions"].append("root token revoked, one-run key and anchor key destroyed")
    elif not os.path.exists(wishes.site("site.crt")):
        raise HelpNeeded(
            "The store is open but was never configured, and its first root token is lost (it lay in memory: "
            "was the host restarted?). As nothing was configured it holds nothing: stop openbao.service, empty "
            "/var/lib/openbao, remove /etc/openbao/shares/*.json and run site again. If people did put something "
            "in, keep it and look at the README of the role."
        )
    try:
        site = site_login(birth, wishes)
    except BaoError as error:
        raise _ask_people(birth, wishes, f"The login of this host does not work: {error}", (), check) from None
    try:
        drift = [] if root else compare(site, birth, wishes)
        if drift:
            what = "; ".join(f"{d.item}: {d.field} is {d.found!r}, wanted {d.wanted!r}" for d in drift)
            raise _ask_people(birth, wishes, f"The store differs from what is wanted: {what}", drift, check)
        actions, reload = renew(site, birth, wishes, check)
    finally:
        site.logout()
    result["actions"] += actions
    result.update(changed=bool(result["actions"]), reload=reload, diff=_diff(differences))
    return result


def _how_root(birth: Birth, wishes: Wishes) -> str:
    """What people do to give the next run a root token."""
    return HOW_ROOT.format(
        authority=_authority(birth, wishes), ca=birth.file("ca.crt"), site=wishes.site("site"), memory=birth.memory
    )


def _ask_people(
    birth: Birth, wishes: Wishes, problem: str, drift: Sequence[bao_plan.Difference], check: bool
) -> HelpNeeded:
    """The error that says what people must do, after the key was made that they encrypt the root token to."""
    if not check:
        ceremony.one_run_key(birth.memory)
    return HelpNeeded(f"{problem}. {_how_root(birth, wishes)}", drift)


def _diff(differences: Sequence[bao_plan.Difference]) -> dict[str, str]:
    """Before and after, one line per value. Configuration only: no item ever holds a secret."""
    return {
        "before": "".join(f"{d.item}: {d.field}: {d.found!r}\n" for d in differences),
        "after": "".join(f"{d.item}: {d.field}: {d.wanted!r}\n" for d in differences),
    }


def _root(birth: Birth, wishes: Wishes) -> Bao | None:
    """A client with the root token, None when there is none or it is revoked already."""
    token = ceremony.root_token(birth.memory)
    if not token:
        return None
    bao = connect("127.0.0.1", wishes.port, birth.file("ca.crt"))
    bao.token = token
    if bao.request("GET", "auth/token/lookup-self")[0] == 403:
        ceremony.forget_root_token(birth.memory)
        vault_birth.forget_anchor(birth)
        return None
    return bao


def configure(birth: Birth, wishes: Wishes, root: Bao) -> list[bao_plan.Difference]:
    """Everything that needs the root token, which is revoked at the end, when the login of this host is proven."""
    anchor = vault_birth.read_text(birth.file("anchor.crt"))
    changed = bao_apply.apply(root, bao_plan.before_authorities())
    names = bao_apply.Names(birth.organisation, birth.consortium)
    made, _chain = bao_apply.ensure_authorities(root, names, anchor, lambda csr: vault_birth.sign_root(birth, csr))
    changed += made
    changed += bao_apply.apply(root, plan(birth, wishes, bao_apply.issuer(root, "pki_services")))
    audit = bao_plan.audit_differences(wishes.audit, root.read("sys/audit") or {})
    if audit:
        raise HelpNeeded(
            "The audit devices are not those of the configuration file; look at: journalctl -u openbao", audit
        )
    if not _usable(wishes.site("site.crt")):
        new_site(root, birth, wishes)
        changed.append(bao_plan.Difference("login certificate of this host", "present", True, False))
    site_login(birth, wishes).logout()
    os.makedirs(os.path.dirname(birth.state_file), mode=0o700, exist_ok=True)
    vault_birth.write_file(
        birth.state_file, "The authority of this store runs; its anchor cannot sign any more.\n", 0o600
    )
    root.call("POST", "auth/token/revoke-self", {})
    ceremony.forget_root_token(birth.memory)
    vault_birth.forget_anchor(birth)
    return changed


def _usable(path: str) -> bool:
    pem = vault_birth.read_text(path)
    return bool(pem) and not x509.needs_renewal(x509.read_certificate(pem), time.time())


def new_site(bao: Bao, birth: Birth, wishes: Wishes) -> None:
    """Key (once) and certificate with which this host logs in to its own store; the key is root's alone."""
    vault_birth.private_directory(wishes.site_directory)
    key, name = wishes.site("site.key"), bao_plan.site_name(birth.consortium)
    csr = x509.make_request(key, name)
    signed = bao_apply.sign(bao, bao_plan.SITE, csr, name=name, ttl=wishes.site_life)
    vault_birth.write_file(wishes.site("site.crt"), signed["certificate"], 0o600)


def compare(site: Bao, birth: Birth, wishes: Wishes) -> list[bao_plan.Difference]:
    """All that differs from the table, as far as site may look."""
    found = bao_apply.differences(site, plan(birth, wishes, ""))
    return found + bao_plan.audit_differences(wishes.audit, site.read("sys/audit") or {})


def renew(site: Bao, birth: Birth, wishes: Wishes, check: bool) -> tuple[list[str], bool]:
    """Certificates of listener and login where due: (what was done, whether the server must read its own again)."""
    actions: list[str] = []
    path = birth.file("listener.crt")
    reason = vault_signing.due(
        vault_birth.read_text(path), wishes.csr, vault_birth.read_text(birth.file("anchor.crt")), chained=True
    )
    if reason:
        actions.append(f"certificate of the listener: {reason}")
        if not check:
            addresses = ["127.0.0.1", *birth.addresses]
            signed = bao_apply.sign(
                site, "store", wishes.csr, name=birth.name, dns=["localhost"], addresses=addresses, ttl=wishes.life
            )
            vault_birth.write_file(path, signed["certificate"], 0o644)
    if not _usable(wishes.site("site.crt")):
        actions.append("login certificate of this host renewed")
        if not check:
            new_site(site, birth, wishes)
    served = ssl.get_server_certificate(("127.0.0.1", wishes.port))
    on_disk = x509.certificates(vault_birth.read_text(path))[0]
    return actions, ssl.PEM_cert_to_DER_cert(served) != ssl.PEM_cert_to_DER_cert(on_disk)
