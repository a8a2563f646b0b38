# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from consortium_sample import LAST, address, consortium, inventory

from ansible_collections.quorum.hardening.plugins.module_utils.entities import DUTIES
from ansible_collections.quorum.hardening.plugins.module_utils.flows import (
    ROWS,
    Flow,
    flows,
    in_order,
    legs_needed,
    segment_of,
)
from ansible_collections.quorum.hardening.plugins.module_utils.model import build


def named(found: list[Flow]) -> list[tuple[str, str, str, str, int]]:
    return [(flow.name, flow.source, flow.target, flow.protocol, flow.port) for flow in found]


def test_the_whole_table() -> None:
    assert named(flows(consortium())) == [
        ("ssh-jump", "administrators", "jump", "tcp", 22),
        ("ssh", "jump", "managed", "tcp", 22),
        ("p2p", "goquorum", "goquorum", "tcp", 30303),
        ("p2p", "goquorum", "member nodes", "tcp", 30304),
        ("p2p", "member nodes", "goquorum", "tcp", 30303),
        ("rpc", "clients", "goquorum", "tcp", 8545),
        ("q2t", "goquorum", "tessera", "tcp", 9101),
        ("tessera-p2p", "tessera", "member tesseras", "tcp", 9001),
        ("tessera-p2p", "member tesseras", "tessera", "tcp", 9000),
        ("payload", "tessera", "database", "tcp", 5432),
        ("secrets", "tessera", "vault", "tcp", 8200),
        ("dns", "every host", "dns servers", "udp", 53),
        ("dns", "every host", "dns servers", "tcp", 53),
        ("ntp", "every host", "ntp servers", "udp", 123),
        ("ntp", "every host", "ntp servers", "udp", 123),
        ("mirror", "every host", "package mirrors", "tcp", 3142),
        ("log", "every host", "log targets", "tcp", 6514),
    ]


def test_ends_are_addresses_and_hosts() -> None:
    table = {(flow.name, flow.source): flow for flow in flows(consortium())}
    rpc = table["rpc", "clients"]
    assert rpc.source_addresses == ("198.18.1.40",)
    assert rpc.source_hosts == ()
    assert rpc.target_hosts == ("validator1", "validator2", "validator3", "validator4")
    assert rpc.target_addresses[:2] == (address("ledger", 21), address("ledger", 22))
    ssh = table["ssh", "jump"]
    assert ssh.source_addresses == (address("management", 2), address("management", 2, 6))
    assert "jump" not in ssh.target_hosts
    log = table["log", "every host"]
    assert log.target_hosts == ("monitoring",), "a server that is one of ours must let the flow in"
    assert "monitoring" not in log.source_hosts
    assert log.segment == "management"


def test_a_server_beyond_our_segments() -> None:
    far = [flow for flow in flows(consortium()) if flow.target_addresses == ("192.0.2.9",)]
    assert [flow.segment for flow in far] == ["outside"]
    assert address("management", 11) in far[0].source_addresses


def test_a_caller_on_one_of_our_hosts() -> None:
    client = {"name": "own", "addresses": [address("management", 14), "198.18.9.0/28"], "csr": "x"}
    rpc = next(flow for flow in flows(consortium(consortium_clients=[client])) if flow.name == "rpc")
    assert rpc.source_hosts == ("monitoring",)
    assert "198.18.9.0/28" in rpc.source_addresses


def test_a_lone_node_does_not_talk_to_itself() -> None:
    read, _findings = build(inventory(("jump", "validator1"), consortium_members=[]))
    assert not [flow for flow in flows(read) if flow.name == "p2p"]


def test_ports_of_nodes_may_differ() -> None:
    hostvars = inventory()
    hostvars["validator4"]["goquorum_p2p_port"] = 30399
    read, _findings = build(hostvars)
    own = [flow for flow in flows(read) if (flow.name, flow.source, flow.target) == ("p2p", "goquorum", "goquorum")]
    assert [(flow.port, flow.target_hosts) for flow in own] == [
        (30303, ("validator1", "validator2", "validator3")),
        (30399, ("validator4",)),
    ]


def test_discovery_opens_udp_only_where_it_is_asked_for() -> None:
    hostvars = inventory()
    assert not [flow for flow in flows(build(hostvars)[0]) if flow.name == "discovery"]
    for name in ("validator1", "validator2"):
        hostvars[name]["goquorum_discovery"] = True
    found = [flow for flow in flows(build(hostvars)[0]) if flow.name == "discovery"]
    assert {flow.protocol for flow in found} == {"udp"}
    assert {host for flow in found for host in flow.target_hosts} == {"validator1", "validator2"}


@pytest.mark.parametrize(
    ("hosts", "duty", "legs"),
    [
        (tuple(LAST), "jump", ("management",)),
        (tuple(LAST), "goquorum", ("ledger", "management", "privacy")),
        (tuple(LAST), "tessera", ("management", "privacy", "secrets")),
        (tuple(LAST), "vault", ("management", "secrets")),
        (tuple(LAST), "monitoring", ("management", "monitoring")),
        (("jump", "validator1"), "goquorum", ("ledger", "management")),
        (("jump", "tessera"), "tessera", ("management", "privacy")),
    ],
)
def test_legs_follow_from_the_table(hosts: tuple[str, ...], duty: str, legs: tuple[str, ...]) -> None:
    assert legs_needed(build(inventory(hosts))[0], duty) == legs


def test_every_row_says_why_and_for_what() -> None:
    for row in ROWS:
        assert row.why
        assert row.controls
        assert row.protocol in ("tcp", "udp")
    assert {row.source for row in ROWS} & set(DUTIES)


def test_order_of_addresses() -> None:
    assert in_order(["2001:db8::1", "198.18.0.10", "198.18.0.9", "198.18.0.0/24", "198.18.0.9/32"]) == (
        "198.18.0.0/24",
        "198.18.0.9",
        "198.18.0.10",
        "2001:db8::1",
    )


def test_segment_of_an_address() -> None:
    assert segment_of(consortium(), "198.18.3.200") == "secrets"
    assert segment_of(consortium(), "203.0.113.53") == "outside"
