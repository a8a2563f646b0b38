# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets which certificate from the store, computed from the consortium alone."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Any

#: What the certificate of a host is good for, by its duty. The store's own listener is not among them.
USAGES = {
    "jump": "client",
    "database": "server",
    "tessera": "peer",
    "goquorum": "server",
    "monitoring": "peer",
}


def _single(networks: Iterable[str]) -> list[str]:
    """Addresses of those networks that hold just one: only an address can stand in a certificate."""
    found = []
    for text in networks:
        network = ipaddress.ip_network(text, strict=False)
        if network.num_addresses == 1:
            found.append(str(network.network_address))
    return sorted(set(found))


def subjects(consortium: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hosts and named clients, by name: [{name, addresses, usages}]. ``consortium`` as Consortium.to_dict gives it."""
    found: list[dict[str, Any]] = []
    for name, host in sorted((consortium.get("hosts") or {}).items()):
        usages = sorted({USAGES[duty] for duty in host.get("duties") or () if duty in USAGES})
        if usages:
            addresses = [a for own in (host.get("addresses") or {}).values() for a in own]
            found.append({"name": name, "addresses": _single(addresses), "usages": usages})
    for client in consortium.get("clients") or ():
        found.append(
            {"name": client["name"], "addresses": _single(client.get("addresses") or ()), "usages": ["client"]}
        )
    return sorted(found, key=lambda s: str(s["name"]))


def requests(consortium: Mapping[str, Any], present: Mapping[str, str]) -> list[dict[str, Any]]:
    """What vault_sign is asked for: every name in ``present`` (certificate in use, "" for none) that has a request."""
    own = dict(consortium.get("certificate_requests") or {})
    for client in consortium.get("clients") or ():
        if client.get("csr"):
            own[client["name"]] = client["csr"]
    return [
        {
            "name": subject["name"],
            "csr": own[subject["name"]],
            "role": subject["usages"][0],
            "dns": [subject["name"]],
            "addresses": subject["addresses"],
            "present": present[subject["name"]],
        }
        for subject in subjects(consortium)
        if own.get(subject["name"]) and subject["name"] in present
    ]


def audit_labels(devices: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The audit devices [{type, options}] each with a ``label`` that is another one as soon as an option is."""
    labelled = []
    for device in devices:
        digest = hashlib.sha256(json.dumps(device, sort_keys=True).encode()).hexdigest()
        labelled.append({**device, "label": f"{device['type']}-{digest[:12]}"})
    return labelled
