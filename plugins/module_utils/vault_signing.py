# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates are due, and all of them signed by the store in one login."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import bao_apply, bao_plan, vault_birth, x509
from ansible_collections.quorum.hardening.plugins.module_utils.openbao import BaoError, connect

FIRST = "Run quorum.hardening.site on its host first: without --limit, or with a --limit that names it"


@dataclass(frozen=True)
class Desk:
    """Where the store is reached and by which files: address, port, the listener's directory and that of the login."""

    address: str
    port: int
    directory: str
    site_directory: str


def due(present: str, csr: str, anchor: str, chained: bool = False) -> str:
    """Why a certificate must be signed (again), "" when the present one is good.

    With ``chained`` one that the anchor itself signed does not count: it was only for the start.
    """
    if not present:
        return "there is none"
    try:
        paper = x509.read_certificate(present)
    except x509.X509Error:
        return "the file holds none"
    if paper.key_sha256 != x509.read_request(csr).key_sha256:
        return "it is for another key"
    if not x509.verifies(present, anchor):
        return "it is from another authority, or expired"
    if chained and len(x509.certificates(present)) < 2:
        return "it was for the start only"
    if x509.needs_renewal(paper, time.time()):
        return "less than a third of its life is left"
    return ""


def judge(requests: Sequence[Mapping[str, Any]], anchor: str) -> dict[str, str]:
    """Name to the reason why its certificate is due. X509Error when any request asks for more than it may have."""
    reasons: dict[str, str] = {}
    for request in requests:
        name = request["name"]
        beyond = x509.unasked(x509.read_request(request["csr"]), name, request["dns"], request["addresses"])
        if beyond:
            raise x509.X509Error(
                f"the request of {name} asks for more than the inventory gives it: {'; '.join(beyond)}"
            )
        reason = due(request["present"], request["csr"], anchor)
        if reason:
            reasons[name] = reason
    return reasons


def sign_all(desk: Desk, requests: Sequence[Mapping[str, Any]], ttl: str, check: bool) -> dict[str, Any]:
    """Sign every request that is due: {changed, certificates, reasons, ca}. All are judged before one is signed."""
    anchor = vault_birth.read_text(os.path.join(desk.directory, "anchor.crt"))
    reasons = judge(requests, anchor)
    result: dict[str, Any] = {"changed": bool(reasons), "certificates": {}, "reasons": reasons, "ca": anchor}
    if check or not reasons:
        return result
    crt, key = os.path.join(desk.site_directory, "site.crt"), os.path.join(desk.site_directory, "site.key")
    if not os.path.exists(crt):
        raise BaoError(0, f"the secret store was not brought to life yet, for {crt} is not there. {FIRST}")
    bao = connect(desk.address, desk.port, os.path.join(desk.directory, "ca.crt"), certificate=crt, key=key)
    bao.login(bao_plan.SITE)
    try:
        for request in requests:
            name = request["name"]
            if name in reasons:
                result["certificates"][name] = bao_apply.sign(
                    bao,
                    request["role"],
                    request["csr"],
                    name=name,
                    dns=request["dns"],
                    addresses=request["addresses"],
                    ttl=ttl,
                )
    finally:
        bao.logout()
    return result
