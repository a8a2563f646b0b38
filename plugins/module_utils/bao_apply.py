# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring an OpenBao server to the state of ``bao_plan``, or say where it differs.

Every step looks before it acts and can be repeated, so that a run that was killed is simply run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.quorum.hardening.plugins.module_utils import bao_plan, x509
from ansible_collections.quorum.hardening.plugins.module_utils.openbao import Bao, BaoError

SignAuthority = Callable[[str], str]


@dataclass(frozen=True)
class Names:
    """How the authorities are called: ``organisation`` and ``consortium`` end up in every certificate's issuer."""

    organisation: str
    consortium: str

    def subject(self, what: str) -> dict[str, Any]:
        """The subject of an authority, and its key: EC P-384, made in the store and never outside it."""
        return {
            "common_name": f"{self.consortium} {what}",
            "organization": self.organisation,
            "key_type": "ec",
            "key_bits": 384,
        }


def differences(bao: Bao, items: Sequence[bao_plan.Item]) -> list[bao_plan.Difference]:
    """All differences, reading each path once. Raises BaoError where the login may not even look."""
    cache: dict[str, Mapping[str, Any] | None] = {}
    found: list[bao_plan.Difference] = []
    for item in items:
        if item.read not in cache:
            cache[item.read] = bao.read(item.read)
        found += bao_plan.compare(item, cache[item.read])
    return found


def apply(bao: Bao, items: Sequence[bao_plan.Item]) -> list[bao_plan.Difference]:
    """Write what differs, and return what differed. What still differs afterwards raises BaoError."""
    changed: list[bao_plan.Difference] = []
    for item in items:
        before = bao_plan.compare(item, bao.read(item.read))
        if not before:
            continue
        absent = any(d.field == "present" for d in before)
        if item.update and not absent:
            bao.write(item.update, item.update_body)
        else:
            bao.write(item.write, item.body)
        after = bao_plan.compare(item, bao.read(item.read))
        if after:
            raise BaoError(200, f"{item.name}: {after[0].field} stays {after[0].found!r} although it was written")
        changed += before
    return changed


def issuer(bao: Bao, mount: str) -> str:
    """The certificate of the authority in ``mount`` (PEM), "" as long as it has none."""
    try:
        data = bao.read(f"{mount}/cert/ca") or {}
    except BaoError as error:
        if error.status in (400, 404, 500):
            return ""
        raise
    return str(data.get("certificate") or "")


def ensure_authorities(
    bao: Bao, names: Names, anchor: str, sign_with_anchor: SignAuthority
) -> tuple[list[bao_plan.Difference], str]:
    """Make the root and the intermediate where missing: (what was made, certificates from intermediate to anchor).

    The anchor is the authority that existed before the store ran; it signs the store's root once and its key is then
    destroyed. So whoever trusts the anchor trusts the store, from the first start on, and nobody can use it again.
    """
    made: list[bao_plan.Difference] = []
    root = issuer(bao, "pki_root")
    if not root:
        answer = bao.write("pki_root/intermediate/generate/internal", names.subject("root"))
        root = sign_with_anchor(str(answer["csr"]))
        bao.write("pki_root/intermediate/set-signed", {"certificate": root + anchor})
        made.append(bao_plan.Difference("authority pki_root", "present", True, False))
    services = issuer(bao, "pki_services")
    if not services:
        answer = bao.write("pki_services/intermediate/generate/internal", names.subject("services"))
        signed = bao.write(
            "pki_root/root/sign-intermediate",
            {
                "csr": answer["csr"],
                "common_name": f"{names.consortium} services",
                "organization": names.organisation,
                "ttl": "43800h",
                "max_path_length": 0,
                "format": "pem",
            },
        )
        services = str(signed["certificate"]).strip() + "\n"
        bao.write("pki_services/intermediate/set-signed", {"certificate": services + root + anchor})
        made.append(bao_plan.Difference("authority pki_services", "present", True, False))
    return made, chain_of(services, root, anchor)


def chain_of(*certificates: str) -> str:
    """The certificates one below the other, each ending with one newline."""
    return "".join(c.strip() + "\n" for c in certificates)


def sign(
    bao: Bao, role: str, csr: str, *, name: str, dns: Sequence[str] = (), addresses: Sequence[str] = (), ttl: str
) -> dict[str, Any]:
    """A certificate for the key of ``csr``: {certificate (leaf and intermediates, PEM), serial, not_after}.

    Name, DNS names, addresses and life are sent, never taken from the request. Raises X509Error when the request asks
    for more than that, BaoError when the store's own role refuses.
    """
    request = x509.read_request(csr)
    beyond = x509.unasked(request, name, dns, addresses)
    if beyond:
        raise x509.X509Error(f"the request of {name} asks for more than the inventory gives it: {'; '.join(beyond)}")
    data = bao.write(
        f"pki_services/sign/{role}",
        {
            "csr": csr,
            "common_name": name,
            "alt_names": ",".join(sorted(set(dns) - {name})),
            "ip_sans": ",".join(addresses),
            "ttl": ttl,
            "format": "pem",
        },
    )
    leaf = str(data["certificate"])
    if x509.read_certificate(leaf).key_sha256 != request.key_sha256:
        raise x509.X509Error(f"the certificate for {name} is for another key")
    chain = [c for c in data.get("ca_chain") or [data.get("issuing_ca", "")] if c]
    return {
        "certificate": chain_of(leaf, *without_anchors(chain)),
        "serial": str(data.get("serial_number", "")),
        "not_after": int(data.get("expiration") or 0),
    }


def without_anchors(chain: Sequence[str]) -> list[str]:
    """The chain without self-signed certificates: whoever checks has the anchor already, and must not take ours."""
    kept = []
    for pem in chain:
        code, text, _errors = x509.run_openssl(["x509", "-noout", "-subject_hash", "-issuer_hash"], pem)
        words = text.split()
        if code == 0 and len(words) == 2 and words[0] != words[1]:
            kept.append(pem)
    return kept
