# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sound inventory to break, in IPv4 and IPv6, and a judge who knows what day it is."""

from __future__ import annotations

import copy
import functools
from datetime import date
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import judge
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Finding
from ansible_collections.quorum.hardening.plugins.module_utils.model import build

SEGMENTS = ("management", "ledger", "privacy", "secrets", "monitoring")
LEGS = {
    "jump": ("management",),
    "vault": ("management", "secrets"),
    "database": ("management", "privacy"),
    "tessera": ("management", "privacy", "secrets"),
    "monitoring": ("management", "monitoring"),
    "goquorum": ("management", "ledger", "privacy"),
}
LAST = {
    "jump": 2,
    "vault": 11,
    "database": 12,
    "tessera": 13,
    "monitoring": 14,
    "validator1": 21,
    "validator2": 22,
    "validator3": 23,
    "validator4": 24,
}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVgl+ZkO2OVTnyHRgmbI2cKYFn8pQ3kQ3nVbE6kJ3nR someone"
CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"
PGP = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n"
TODAY = date(2026, 11, 21)
CONTROLS = frozenset({"HOST-02", "HOST-04", "NODE-01"})

_P = 2**256 - 2**32 - 977


@functools.cache
def enode(number: int) -> str:
    """A public key that is a point of the curve: the number-th x that has a y."""
    x, found = 0, 0
    while True:
        x += 1
        y = pow(x**3 + 7, (_P + 1) // 4, _P)
        if y * y % _P == (x**3 + 7) % _P:
            found += 1
            if found == number:
                return f"{x:064x}{y:064x}"


def duty_of(name: str) -> str:
    return "goquorum" if name.startswith("validator") else name


def address(segment: str, last: int, version: int = 4) -> str:
    number = SEGMENTS.index(segment)
    return f"198.18.{number}.{last}" if version == 4 else f"2001:db8:{number + 1}::{last:x}"


def everywhere() -> dict[str, Any]:
    """group_vars/all."""
    own = [
        {
            "name": name,
            "enode": enode(number),
            "addresses": [address("ledger", LAST[name]), address("ledger", LAST[name], 6)],
            "port": 30303,
            "validator": True,
        }
        for number, name in enumerate((n for n in LAST if duty_of(n) == "goquorum"), 1)
    ]
    other = {
        "name": "globex",
        "region": "DE",
        "trust": "untrusted",
        "nodes": [{"name": "node", "enode": enode(9), "addresses": ["198.18.1.50"], "port": 30304, "validator": True}],
        "tessera": [{"name": "tessera", "addresses": ["198.18.2.50"], "port": 9001}],
    }
    holders = [{"name": f"holder{n}", "ssh_keys": [KEY], "pgp_key": PGP} for n in (1, 2, 3)]
    return {
        "consortium_name": "demo",
        "consortium_organisation": "acme",
        "consortium_profile": "production",
        "consortium_consensus": "qbft",
        "consortium_chain_id": 1337,
        "consortium_genesis_file": "/nowhere/genesis.json",
        "consortium_segments": {
            name: {"cidrs": [f"198.18.{number}.0/24", f"2001:db8:{number + 1}::/64"]}
            for number, name in enumerate(SEGMENTS)
        },
        "consortium_regions": ["CH", "DE"],
        "consortium_members": [{"name": "acme", "region": "CH", "trust": "own", "nodes": own, "tessera": []}, other],
        "consortium_certificate_requests": dict.fromkeys(LAST, CSR),
        "consortium_clients": [{"name": "app", "addresses": ["198.18.1.40"], "csr": CSR}],
        "consortium_waivers": [],
        "consortium_attestations": [],
        "host_administrators": [{"name": "ops", "keys": [KEY]}, {"name": "alice", "keys": [KEY]}],
        "host_administrator_networks": ["198.18.0.5/32", "2001:db8:1::/126"],
        "host_dns_servers": ["198.18.0.3"],
        "host_ntp_servers": ["198.18.0.3", "192.0.2.9"],
        "host_package_mirrors": [{"address": "198.18.0.3", "port": 3142}],
        "host_log_targets": [{"address": "198.18.0.14", "port": 6514}],
        "vault_holders": holders,
        "vault_threshold": 2,
        "ansible_user": "ops",
    }


def inventory(hosts: tuple[str, ...] = tuple(LAST), **changes: Any) -> dict[str, dict[str, Any]]:
    """Variables of all hosts, each with its own copy; ``changes`` go to every host."""
    shared = {**everywhere(), **changes}
    found = {}
    for name in hosts:
        duty = duty_of(name)
        legs = {leg: [address(leg, LAST[name]), address(leg, LAST[name], 6)] for leg in LEGS[duty]}
        own = {"group_names": [duty, "quorum"], "host_addresses": legs, "host_region": "CH"}
        found[name] = copy.deepcopy({**shared, **own, **changes})
    return found


def consortium(**changes: Any) -> Consortium:
    """The sample, read."""
    read, findings = build(inventory(**changes))
    assert [finding.line() for finding in findings] == []
    return read


def preflight(hostvars: dict[str, dict[str, Any]], **known: Any) -> list[Finding]:
    """Everything that the preflight says, but for Ansible's own validator."""
    read, misread = build(hostvars)
    users = {name: str(values.get("ansible_user", "")) for name, values in hostvars.items()}
    given = {"today": TODAY, "control_ids": CONTROLS, "users": users, "specs": {}, **known}
    return judge.settle([*misread, *judge.judge(read, hostvars, **given)], read.hosts)
