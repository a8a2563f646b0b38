# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small report with every status in it, for the tests of what is made from it."""

from __future__ import annotations

import datetime
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import outputs, waivers
from ansible_collections.quorum.hardening.plugins.module_utils.score import collect

TODAY = datetime.date(2026, 11, 21)
HOSTS = {"jump": ["jump"], "vault": ["vault"], "validator1": ["goquorum"], "validator2": ["goquorum"]}
CATALOGUE: list[dict[str, Any]] = [
    {
        "id": "HOST-02",
        "title": "SSH <only> through jump hosts",
        "statement": "Only through jump hosts.",
        "why": "A stolen key & a flat network open every host.",
        "kind": ["enforced", "guarded"],
        "severity": "critical",
        "sources": ["000", "001"],
        "nist": ["AC-17"],
        "cis": ["5.2"],
        "implemented": True,
        "probes": [{"id": "sshd-root"}],
    },
    {"id": "NODE-04", "title": "No unlocked account", "severity": "high", "duties": ["goquorum"], "implemented": True,
     "probes": [{"id": "unlock"}]},
    {"id": "CONS-06", "title": "Privacy", "severity": "low", "kind": "attested", "duties": ["consortium"],
     "implemented": True},
    {"id": "MON-01", "title": "Central log", "duties": ["vault"], "implemented": False},
]  # fmt: skip
WAIVERS = [{"control": "HOST-02", "hosts": ["vault"], "reason": "Move.", "owner": "Ada", "ends": "2026-12-01"}]
PROMISES = [
    {"control": "CONS-06", "document": "p.pdf", "owner": "Jo", "approved": "2026-01-01", "expires": "2027-01-01"}
]
PICTURE: dict[str, Any] = {
    "segments": [{"name": "management", "cidrs": ["198.18.0.0/24"]}, {"name": "ledger", "cidrs": ["198.18.1.0/24"]}],
    "hosts": [
        {"name": "jump", "duties": ["jump"], "addresses": {"management": ["198.18.0.2"]}},
        {"name": "vault", "duties": ["vault"], "addresses": {"management": ["198.18.0.11"]}},
        *(
            {
                "name": f"validator{n}",
                "duties": ["goquorum"],
                "addresses": {"management": [f"198.18.0.2{n}"], "ledger": [f"198.18.1.2{n}"]},
            }
            for n in (1, 2)
        ),
    ],
    "edges": [
        {
            "name": "ssh-jump",
            "source": "administrators",
            "source_addresses": ["198.18.0.1/32"],
            "target": "jump",
            "target_addresses": ["198.18.0.2"],
            "target_hosts": ["jump"],
            "protocol": "tcp",
            "port": 22,
            "segment": "management",
            "why": "administrators <enter> here",
            "controls": ["HOST-02"],
        },
    ],
}


def head(phase: str) -> dict[str, Any]:
    return {
        "run_id": "20261121T120000Z-abcdef",
        "time": "2026-11-21T12:00:00+00:00",
        "collection_version": "0.1.0",
        "commit": "0123456789ab",
        "phase": phase,
        "programs": [
            {"name": "go-ethereum", "version": "1.10.3", "kind": "stand-in", "note": "geth in its place"},
            {"name": "Tessera", "version": "", "kind": "not deployed yet", "note": ""},
        ],
        "consortium": "demo",
        "organisation": "acme",
        "profile": "production",
        "selected": [],
    }


def probe(control: str, identifier: str, status: str, found: str = "yes") -> dict[str, Any]:
    return {"probe_id": identifier, "control": control, "status": status, "expected": "no", "found": found,
            "where": "sshd -T", "reason": ""}  # fmt: skip


def phase(name: str, picture: dict[str, Any] | None = None, found: str = "yes") -> dict[str, Any]:
    """Return one phase: before, nearly everything fails; after, each status is there once."""
    good = name == "after"
    audits: dict[str, Any] = {
        "jump": [probe("HOST-02", "sshd-root", "pass" if good else "fail", found)],
        "vault": [probe("HOST-02", "sshd-root", "fail", found)],
        "validator1": [probe("HOST-02", "sshd-root", "not_applicable"), probe("NODE-04", "unlock", "fail", found)],
        "validator2": None,
    }
    known = [record["id"] for record in CATALOGUE]
    given, _problems = waivers.read_waivers(WAIVERS, known)
    promised, _problems = waivers.read_attestations(PROMISES, known)
    results = waivers.apply(collect(CATALOGUE, HOSTS, audits, []), CATALOGUE, given, promised, TODAY)
    return outputs.document(
        head=head(name),
        catalogue=CATALOGUE,
        hosts=HOSTS,
        results=results,
        findings=[],
        waivers=[waiver.to_dict(TODAY) for waiver in given],
        attestations=[attestation.to_dict(TODAY) for attestation in promised],
        picture=PICTURE if picture is None else picture,
    )


def report() -> dict[str, Any]:
    return outputs.compare(phase("before"), phase("after"))
