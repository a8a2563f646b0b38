# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed segments: whoever has no business with Tessera or the secret store tries to reach it, and is turned away."""

from __future__ import annotations

import json
import shlex
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.driver import MANAGED, PATIENCE, VALIDATORS, address, reaches, sh
from tests.traffic import listening, reached, who_reaches

UNNAMED_DNS, WORLD = "203.0.113.53", "203.0.113.10"
INFRA = "198.18.0.3"
GUESTS = ("outside", "infra", "app", "holders")
#: Port of Tessera -> who may reach it.
TESSERA = {9000: (), 9101: VALIDATORS}
LEGS = {
    "tessera": {"management", "privacy", "secrets"},
    "vault": {"management", "secrets"},
    "database": {"management", "privacy"},
}


def asks(host: str, server: str, port: int = 53) -> bool:
    """Whether a UDP server answers a host: a DNS question on 53, a client's packet of NTP on 123."""
    query = "12340100000100000000000001310000010001" if port == 53 else "23" + "00" * 47
    script = (
        "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(4); "
        f"s.sendto(bytes.fromhex('{query}'), ('{server}', {port})); s.recv(512)"
    )
    return sh(host, f"python3 -c {shlex.quote(script)}").ok


def contacts() -> list[dict[str, object]]:
    """All that has ever reached the world beyond the lab."""
    return [json.loads(line) for line in sh("outside", "cat /var/log/contacts.jsonl 2>/dev/null").out.splitlines()]


# --- PTM-01: Tessera in a segment of its own ---


@pytest.mark.evidence("PTM-01", "applied")
@pytest.mark.parametrize("host", list(LEGS))
def test_a_host_has_legs_in_its_own_segments_alone(host: str) -> None:
    found = json.loads(sh(host, "ip -json -4 address show scope global").out)
    addresses = {row["local"] for link in found for row in link["addr_info"] if row["scope"] == "global"}
    assert addresses == {address(host, segment) for segment in LEGS[host]}
    assert sh(host, "cat /proc/sys/net/ipv4/ip_forward").out.strip() == "0"


@pytest.mark.evidence("PTM-01", "proven")
@pytest.mark.parametrize("port", list(TESSERA))
def test_tessera_answers_those_whose_work_it_is_and_nobody_else(port: int) -> None:
    target = address("tessera", "privacy")
    with listening("tessera", port):
        for source in TESSERA[port]:
            assert reaches(source, target, port, PATIENCE), f"{source} hands over its payloads here"
        places = [(address("tessera", segment), port) for segment in LEGS["tessera"]]
        others = {*GUESTS, *MANAGED} - {"tessera", *TESSERA[port]}
        assert not who_reaches(others, *places)


@pytest.mark.evidence("PTM-01", "proven")
@pytest.mark.parametrize("source", VALIDATORS)
def test_a_ledger_node_reaches_tessera_by_its_leg_in_that_segment_alone(source: str) -> None:
    with listening("tessera", 9101):
        assert not reached(source, *((address("tessera", segment), 9101) for segment in ("management", "secrets")))


@pytest.mark.evidence("PTM-01", "proven")
def test_the_payload_database_answers_tessera_alone() -> None:
    target = address("database", "privacy")
    with listening("database", 5432):
        assert reaches("tessera", target, 5432, PATIENCE), "Tessera does not reach its database"
        others = {*GUESTS, *MANAGED} - {"tessera", "database"}
        assert not who_reaches(others, (target, 5432), (address("database"), 5432))
        assert not reaches("tessera", address("database"), 5432), "and that over its own segment only"


@pytest.mark.evidence("PTM-01", "proven")
def test_tessera_calls_nobody_that_it_does_not_need() -> None:
    already = len(contacts())
    targets = [(WORLD, 443), (WORLD, 9000), (address("jump"), 22), (address("validator1", "privacy"), 8545)]
    assert not reached("tessera", *targets, (address("validator1", "ledger"), 30303), (UNNAMED_DNS, 53))
    own = {address("tessera", segment) for segment in LEGS["tessera"]}
    assert not [row for row in contacts()[already:] if row["from"] in own]


@pytest.mark.evidence("PTM-01", "proven")
@pytest.mark.parametrize(("host", "onward"), [("tessera", "secrets"), ("validator1", "privacy")])
def test_no_host_is_a_way_into_the_next_segment(host: str, onward: str) -> None:
    """A neighbour names the host as its router, and still does not come through."""
    behind = address("vault" if onward == "secrets" else "database", onward)
    via = address(host)
    made = sh("outside", f"ip route add {behind}/32 via {via} src 198.18.0.254")
    assert made.ok, made.err
    try:
        assert not reaches("outside", behind, 8200 if onward == "secrets" else 5432)
    finally:
        assert sh("outside", f"ip route del {behind}/32 via {via}").ok


# --- PTM-09: the firewall of the store's segment ---


@pytest.mark.evidence("PTM-09", "applied")
def test_the_store_s_consumer_gets_through_and_the_store_gets_what_it_needs() -> None:
    assert reaches("tessera", address("vault", "secrets"), 8200, PATIENCE)
    assert asks("vault", INFRA), "the named DNS server does not answer"
    assert asks("vault", INFRA, 123), "the named time server does not answer"
    assert reaches("vault", INFRA, 3142, PATIENCE), "the package mirror is out of reach"


@pytest.mark.evidence("PTM-09", "proven")
def test_nobody_else_comes_into_the_store_s_segment() -> None:
    targets = (address("vault", "secrets"), address("vault"), address("tessera", "secrets"))
    places = [(target, port) for target in targets for port in (8200, 8201, 22, 443)]
    others = {*GUESTS, *MANAGED} - {"vault", "tessera"}
    assert who_reaches(others, *places) == {"jump": {f"{address('vault')}:22"}}


@pytest.mark.evidence("PTM-09", "proven")
def test_the_store_asks_no_server_that_nobody_named() -> None:
    already = len(contacts())
    servers = (UNNAMED_DNS, WORLD, "198.18.0.254", "198.18.3.254")
    with ThreadPoolExecutor(8) as pool:
        questions = [(server, port) for server in servers for port in (53, 123)]
        answered = list(pool.map(lambda one: asks("vault", *one), questions))
    assert not any(answered), "a server answered the store"
    assert not reached("vault", *((server, port) for server in servers for port in (53, 443))), "over TCP"
    own = {address("vault"), address("vault", "secrets")}
    seen = [row for row in contacts()[already:] if row["from"] in own]
    assert not seen, f"packets of the store left its segment: {seen}"


@pytest.mark.evidence("PTM-09", "proven")
def test_the_store_s_neighbours_are_no_way_round() -> None:
    """From Tessera, which stands in the segment, the store is reached on its one port and on nothing else."""
    assert not reached("tessera", *((address("vault", "secrets"), port) for port in (22, 53, 8201, 8203)))
    with listening("vault", 8097):
        assert not reaches("tessera", address("vault", "secrets"), 8097)


# --- CONS-03: where data lies ---


@pytest.mark.evidence("CONS-03", "applied|proven")
@pytest.mark.parametrize("host", ["database", "tessera", *VALIDATORS])
def test_payloads_lie_on_the_host_s_own_disks_in_its_own_country(host: str) -> None:
    assert sh(host, "cat /etc/quorum.hardening/region").out.strip() == "CH"
    kinds = set(sh(host, "findmnt -rno FSTYPE").out.split())
    assert not kinds & {"nfs", "nfs4", "cifs", "ceph", "9p", "glusterfs", "fuse.sshfs"}, kinds
    assert not reached(host, *((WORLD, port) for port in (111, 445, 2049, 3260))), "a file server elsewhere"
