# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Floods, forged and senseless packets, sent within the lab: they are cut, and whoever has business is served."""

from __future__ import annotations

import json
import re

import pytest

from tests.driver import MANAGED, PATIENCE, VALIDATORS, address, reaches, sh, ssh
from tests.traffic import RAW, flood, listening, python

RPC, P2P, Q2T = 8545, 30303, 9101
APP = "198.18.1.40"


def dropped(host: str, reason: str) -> int:
    """How many packets the filter has cut for a reason."""
    out = sh(host, f"nft list chain inet quorum_hardening in_{reason}").out
    found = re.search(r"counter packets (\d+)", out)
    assert found, out
    return int(found[1])


def height(host: str) -> int:
    """The number of a node's last block, asked on the host itself."""
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
    out = sh(host, f"curl -sS -H 'Content-Type: application/json' -d '{call}' http://127.0.0.1:18545").out
    return int(json.loads(out)["result"], 16)


# --- HOST-07: a flood is cut, and others are served ---


@pytest.mark.evidence("HOST-07", "proven")
def test_one_source_floods_a_port_and_the_legitimate_caller_of_another_is_served() -> None:
    target = address("tessera", "privacy")
    flooder, *callers = VALIDATORS
    with listening("tessera", Q2T):
        cut = dropped("tessera", "flood")
        with flood(flooder, target, Q2T, count=600) as held:
            assert 0 < held <= 256, "the ceiling for one source does not hold"
            assert dropped("tessera", "flood") > cut
            assert not reaches(flooder, target, Q2T), "the flooder gets ever more"
            for caller in callers:
                assert reaches(caller, target, Q2T, PATIENCE), f"{caller} is shut out by a flood of {flooder}"


@pytest.mark.evidence("HOST-07", "proven")
def test_a_flood_of_calls_stops_neither_blocks_nor_the_other_nodes() -> None:
    target = address("validator1", "ledger")
    before = {host: height(host) for host in VALIDATORS}
    cut = dropped("validator1", "flood")
    with flood("app", target, RPC) as held:
        assert 0 < held <= 64, "the ceiling for one source does not hold"
        assert dropped("validator1", "flood") > cut
        assert reaches("app", address("validator2", "ledger"), RPC, PATIENCE)
        assert ssh("validator1", "true").ok, "administrators do not come in during a flood"
        sh("validator1", "sleep 8", timeout=30)
        after = {host: height(host) for host in VALIDATORS}
        assert all(after[host] > before[host] for host in VALIDATORS), (before, after)
    again = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{target}/{RPC}' 2>/dev/null"
    served = sh("app", f"for i in $(seq 40); do {again} && exit 0; sleep 1; done; exit 1", timeout=200)
    assert served.ok, "the caller is not let in any more once its flood is over"


@pytest.mark.evidence("HOST-07", "proven")
def test_a_flood_of_its_consumer_leaves_the_store_alone() -> None:
    cut = dropped("vault", "flood")
    with flood("tessera", address("vault", "secrets"), 8200, count=300) as held:
        assert 0 < held <= 64
        assert dropped("vault", "flood") > cut
        assert ssh("vault", "true").ok, "administrators do not come in during a flood"
        assert sh("vault", "systemctl is-active openbao.service").out.strip() == "active"


@pytest.mark.evidence("HOST-07", "proven")
@pytest.mark.parametrize("host", VALIDATORS)
def test_peers_are_never_cut(host: str) -> None:
    """All that a peer does when the network comes back after a break: it must never be taken for a flood."""
    peer = next(name for name in VALIDATORS if name != host)
    cut = dropped(host, "flood")
    with flood(peer, address(host, "ledger"), P2P, count=150, seconds=1) as up:
        assert up > 64, "fewer than any other flow lets one source hold"
    assert dropped(host, "flood") == cut


@pytest.mark.evidence("HOST-07", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_kernel_and_services_are_bounded(host: str) -> None:
    values = {"tcp_syncookies": "1", "tcp_synack_retries": "3", "tcp_max_syn_backlog": "4096", "tcp_fin_timeout": "30"}
    for name, value in values.items():
        assert sh(host, f"cat /proc/sys/net/ipv4/{name}").out.strip() == value, name
    units = ["ssh.service", "user.slice"]
    units += ["goquorum.service", "nginx.service"] if host in VALIDATORS else []
    units += ["openbao.service"] if host == "vault" else []
    for unit in units:
        shown = sh(host, f"systemctl show -p MemoryMax -p TasksMax --value {unit}").out.split()
        assert len(shown) == 2, (unit, shown)
        assert all(value.isdigit() for value in shown), (unit, shown)


# --- HOST-04: what lies about itself ---


@pytest.mark.evidence("HOST-04", "proven")
@pytest.mark.parametrize("host", VALIDATORS)
def test_a_stranger_in_the_ledger_does_not_pass_for_a_neighbour(host: str) -> None:
    """From the ledger's wire, with the jump host's address as the source: it is told by the way it came."""
    spoofed = dropped(host, "spoofed")
    place, ledger = address(host), address(host, "ledger")
    assert sh("app", f"ip route replace {place}/32 via {ledger}").ok
    try:
        python("app", RAW, address("jump"), place, 22, 0x02)
        python("app", RAW, "127.0.0.9", ledger, P2P, 0x02)
        python("app", RAW, ledger, ledger, P2P, 0x02)
    finally:
        assert sh("app", f"ip route del {place}/32").ok
    assert dropped(host, "spoofed") >= spoofed + 1
    assert height(host) > 0


@pytest.mark.evidence("HOST-04", "proven")
@pytest.mark.parametrize("host", VALIDATORS)
def test_packets_that_make_no_sense_are_cut(host: str) -> None:
    """From the named caller: NULL, FIN, XMAS, SYN with FIN, SYN with RST; and an ACK that begins a connection."""
    flags, unbegun = dropped(host, "flags"), dropped(host, "unbegun")
    odd = (0x00, 0x01, 0x29, 0x03, 0x06)
    for flag in odd:
        python("app", RAW, APP, address(host, "ledger"), RPC, flag)
    python("app", RAW, APP, address(host, "ledger"), RPC, 0x10)
    assert dropped(host, "flags") >= flags + len(odd)
    assert dropped(host, "unbegun") >= unbegun + 1
    assert reaches("app", address(host, "ledger"), RPC, PATIENCE)


@pytest.mark.evidence("HOST-04", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_errors_of_the_network_still_arrive(host: str) -> None:
    """Path MTU discovery lives on them: a rule for each kind, for both IP versions, before anything is refused."""
    rules = sh(host, "nft list chain inet quorum_hardening input").out
    accepted = [line for line in rules.splitlines() if "accept" in line and "type {" in line]
    assert any("icmp type" in line and "destination-unreachable" in line for line in accepted)
    assert any("packet-too-big" in line for line in accepted)
