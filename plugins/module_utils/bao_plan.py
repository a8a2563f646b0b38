# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of the secret store as data, and how a read of it is compared with what is wanted.

Every item names the path it is read from, the call that makes it true, and the values that must be found. One table
serves both: the first run, which writes with the short-lived root token, and every later one, which only compares.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SITE = "site"
SITE_POLICY = """# What the automation on the store's own host may do: look, and sign for names the roles already allow.
path "sys/mounts" { capabilities = ["read"] }
path "sys/auth" { capabilities = ["read"] }
path "sys/auth/+/tune" { capabilities = ["read", "sudo"] }
path "sys/policies/acl/*" { capabilities = ["read"] }
path "sys/audit" { capabilities = ["read", "sudo"] }
path "sys/config/state/sanitized" { capabilities = ["read"] }
path "sys/quotas/rate-limit/*" { capabilities = ["read", "sudo"] }
path "pki_root/config/urls" { capabilities = ["read"] }
path "pki_services/config/urls" { capabilities = ["read"] }
path "pki_services/roles/*" { capabilities = ["read"] }
path "pki_services/sign/*" { capabilities = ["update"] }
path "auth/cert/certs/*" { capabilities = ["read"] }
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
# With the holders' shares, and never without them, a new root token can be made.
path "sys/generate-root-token/*" { capabilities = ["create", "read", "update", "delete", "sudo"] }
"""

_DURATION = re.compile(r"^(\d+)(s|m|h)$")
_UNIT = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Item:
    """One piece of state: ``wanted`` is compared with what ``read`` answers (below ``key``, if given)."""

    name: str
    read: str
    write: str
    body: Mapping[str, Any]
    wanted: Mapping[str, Any]
    key: str = ""
    update: str = ""
    update_body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Where the store is not as wanted. Values are configuration only, never secrets."""

    item: str
    field: str
    wanted: Any
    found: Any


def site_name(consortium: str) -> str:
    """The common name of the automation's own certificate."""
    word = re.sub(r"[^a-z0-9]+", "-", consortium.lower()).strip("-")
    return f"{SITE}.{word or 'store'}"


def cidrs(addresses: Sequence[str]) -> list[str]:
    """Each address as the network that holds only it, sorted."""
    found = {ipaddress.ip_network(a) for a in addresses}
    return [str(n) for n in sorted(found, key=lambda n: (n.version, int(n.network_address)))]


def _mount(name: str, life: str) -> Item:
    return Item(
        name=f"mount {name}",
        read="sys/mounts",
        key=f"{name}/",
        write=f"sys/mounts/{name}",
        body={"type": "pki", "config": {"max_lease_ttl": life}},
        wanted={"type": "pki", "config": {"max_lease_ttl": life}},
        update=f"sys/mounts/{name}/tune",
        update_body={"max_lease_ttl": life},
    )


def _urls(mount: str, base: str) -> Item:
    body = {
        "issuing_certificates": [f"{base}/v1/{mount}/ca"],
        "crl_distribution_points": [f"{base}/v1/{mount}/crl"],
        "ocsp_servers": [f"{base}/v1/{mount}/ocsp"],
    }
    return Item(f"addresses of {mount}", f"{mount}/config/urls", f"{mount}/config/urls", body, body)


def _role(name: str, names: Sequence[str], addresses: Sequence[str], *, server: bool, client: bool, life: str) -> Item:
    body = {
        "allowed_domains": sorted(set(names)),
        "allow_bare_domains": True,
        "allow_subdomains": False,
        "allow_glob_domains": False,
        "allow_wildcard_certificates": False,
        "allow_any_name": False,
        "allow_localhost": False,
        "enforce_hostnames": True,
        "allow_ip_sans": bool(addresses),
        "allowed_ip_sans_cidr": cidrs(addresses),
        "server_flag": server,
        "client_flag": client,
        "code_signing_flag": False,
        "email_protection_flag": False,
        # The signer sends name and addresses itself, after it has compared the request with the inventory.
        "use_csr_common_name": False,
        "use_csr_sans": False,
        "key_type": "ec",
        "key_bits": 256,
        "key_usage": ["DigitalSignature"],
        "max_ttl": life,
        "no_store": False,
    }
    path = f"pki_services/roles/{name}"
    return Item(f"certificate role {name}", path, path, body, body)


def before_authorities() -> list[Item]:
    """What must be there before the two authorities can be made."""
    return [_mount("pki_root", "87600h"), _mount("pki_services", "43800h")]


def after_authorities(
    consortium: str,
    store: Mapping[str, Any],
    *,
    subjects: Sequence[Mapping[str, Any]],
    life: str,
    site_life: str,
    logins: int,
    issuer: str,
) -> list[Item]:
    """The rest. ``store``: {name, addresses, url}; ``subjects``: [{name, addresses, usages}] of the model;
    lives are durations like 2160h; ``logins`` per second; ``issuer`` the certificate (PEM) that signs clients.
    """
    by_use: dict[str, tuple[list[str], list[str]]] = {u: ([], []) for u in ("server", "client", "peer")}
    for subject in subjects:
        for use in subject.get("usages", []):
            names, addresses = by_use[use]
            names.append(str(subject["name"]))
            addresses.extend(subject.get("addresses", []))
    own = list(store["addresses"])
    items = [_urls("pki_root", store["url"]), _urls("pki_services", store["url"])]
    items += [
        _role(use, names, addresses, server=use in ("server", "peer"), client=use in ("client", "peer"), life=life)
        for use, (names, addresses) in by_use.items()
    ]
    items.append(
        _role("store", [store["name"], "localhost"], [*own, "127.0.0.1"], server=True, client=False, life=life)
    )
    items.append(_role(SITE, [site_name(consortium)], [], server=False, client=True, life=site_life))
    items.append(Item("login by certificate", "sys/auth", "sys/auth/cert", {"type": "cert"}, {"type": "cert"}, "cert/"))
    items.append(
        Item(
            f"policy {SITE}",
            f"sys/policies/acl/{SITE}",
            f"sys/policies/acl/{SITE}",
            {"policy": SITE_POLICY},
            {"policy": SITE_POLICY},
        )
    )
    bound = cidrs([*own, "127.0.0.1"])
    login = {
        "allowed_common_names": [site_name(consortium)],
        "token_policies": [SITE],
        "token_no_default_policy": True,
        "token_ttl": "10m",
        "token_max_ttl": "10m",
        "token_bound_cidrs": bound,
    }
    path = f"auth/cert/certs/{SITE}"
    items.append(Item(f"login {SITE}", path, path, {"certificate": issuer, **login}, login))
    quota = {"path": "auth/cert/login", "rate": logins, "interval": "1s"}
    items.append(
        Item(
            "limit of logins",
            "sys/quotas/rate-limit/logins",
            "sys/quotas/rate-limit/logins",
            quota,
            {"rate": logins, "interval": "1s"},
        )
    )
    return items


def normal(value: Any) -> Any:
    """One spelling: durations as seconds, lists of words sorted, one address as its network, text stripped."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return int(value) if float(value).is_integer() else value
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match:
            return int(match.group(1)) * _UNIT[match.group(2)]
        try:
            return str(ipaddress.ip_network(value))
        except ValueError:
            return value.strip()
    if isinstance(value, (list, tuple)):
        return sorted((normal(v) for v in value), key=str)
    return value


def compare(item: Item, found: Mapping[str, Any] | None) -> list[Difference]:
    """The differences of one item; a thing that is not there is one difference named ``present``."""
    if found is not None and item.key:
        found = found.get(item.key)
    if found is None:
        return [Difference(item.name, "present", True, False)]
    differences: list[Difference] = []
    _walk(item.name, "", item.wanted, found, differences)
    return differences


def _walk(name: str, prefix: str, wanted: Mapping[str, Any], found: Mapping[str, Any], into: list[Difference]) -> None:
    for key, value in wanted.items():
        label = f"{prefix}{key}"
        actual = found.get(key)
        if isinstance(value, Mapping):
            _walk(name, f"{label}.", value, actual if isinstance(actual, Mapping) else {}, into)
        elif normal(value) != normal(actual if actual is not None or value not in ([], "") else value):
            into.append(Difference(name, label, value, actual))


def audit_differences(wanted: Sequence[str], found: Mapping[str, Any]) -> list[Difference]:
    """The audit devices that are missing or should not be there; they come from the configuration file alone."""
    have, want = {k.rstrip("/") for k in found}, set(wanted)
    missing = [Difference("audit device", name, True, False) for name in sorted(want - have)]
    return missing + [Difference("audit device", name, False, True) for name in sorted(have - want)]
