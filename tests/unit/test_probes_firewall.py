# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of the packet filter, on a machine made of dictionaries."""

from __future__ import annotations

import json

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import (
    nft,
    probes_firewall,
)
from ansible_collections.quorum.hardening.plugins.module_utils.probing import (
    Absent,
    Unreadable,
)
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


def payload(protocol, field, right, op="=="):
    return match({"payload": {"protocol": protocol, "field": field}}, right, op)


def rule(chain, *expr):
    return {"rule": {"chain": chain, "expr": [*expr, {"accept": None}]}}


def listing(*rules):
    chains = [
        {"chain": {"name": "in", "hook": "input", "policy": "drop"}},
        {"chain": {"name": "out", "hook": "output"}},
        {"chain": {"name": "side"}},
        {"set": {"name": "peers", "elem": ["10.0.0.9", {"elem": {"val": "10.0.0.8"}}]}},
    ]
    return json.dumps({"nftables": [{"metainfo": {}}, *chains, *rules, "noise"]})


def filtered(*rules):
    return FakeSystem(commands={"nft -j": listing(*rules)})


TABLE = {"family": "inet", "table": "quorum_hardening"}
EVERYDAY = (
    rule("in", match({"meta": {"key": "iifname"}}, "lo")),
    rule("in", match({"ct": {"key": "state"}}, ["established", "related"], "in")),
    rule("in", payload("icmp", "type", {"set": ["echo-request"]})),
    rule("side", payload("tcp", "dport", 22)),
    {"rule": {"chain": "in", "expr": [{"drop": None}]}},
)


def test_policies():
    assert probes_firewall.firewall_policies(TABLE, filtered()).found == {"input": "drop", "output": "accept"}


@pytest.mark.parametrize(
    ("rules", "sources"),
    [
        ([], []),
        ([rule("in", payload("ip", "saddr", "10.0.0.1"), payload("tcp", "dport", 22))], ["10.0.0.1"]),
        ([rule("in", payload("ip", "saddr", "10.0.0.1"), payload("tcp", "dport", 23))], []),
        ([rule("in", payload("tcp", "dport", 22))], ["anywhere"]),
        ([rule("in")], ["anywhere"]),
        ([rule("in", payload("udp", "dport", 22))], []),
        ([rule("in", payload("tcp", "dport", {"set": [80, {"range": [20, 25]}]}))], ["anywhere"]),
        ([rule("in", payload("tcp", "dport", {"range": [30, 35]}))], []),
        ([rule("in", payload("tcp", "dport", "ssh-name"))], []),
        ([rule("in", payload("ip", "saddr", "@peers"), payload("tcp", "dport", 22))], ["10.0.0.8", "10.0.0.9"]),
        (
            [
                rule(
                    "in",
                    payload("ip", "saddr", {"prefix": {"addr": "10.1.0.0", "len": 24}}),
                    payload("tcp", "dport", 22),
                )
            ],
            ["10.1.0.0/24"],
        ),
        ([rule("in", payload("ip", "saddr", "10.0.0.1", "!="), payload("tcp", "dport", 22))], ["anywhere"]),
    ],
)
def test_who_reaches_a_port(rules, sources):
    assert probes_firewall.port_sources({**TABLE, "port": 22}, filtered(*EVERYDAY, *rules)).found == sources


def test_whom_the_host_may_call():
    rules = [
        rule("out", match({"meta": {"key": "oifname"}}, "lo")),
        rule("out", payload("ip", "daddr", "198.18.0.3"), payload("udp", "dport", 53)),
        rule("out", match({"meta": {"key": "l4proto"}}, "tcp"), match({"exthdr": {}}, 1)),
        rule("out"),
    ]
    found = probes_firewall.egress_targets(TABLE, filtered(*EVERYDAY, *rules)).found
    assert found == ["any anywhere any", "tcp anywhere any", "udp 198.18.0.3 53"]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (Completed(127, "", ""), Absent),
        (Completed(1, "", "Error: No such file or directory"), Absent),
        (Completed(1, "", "Operation not permitted"), Unreadable),
        (Completed(0, "{", ""), Unreadable),
        (Completed(0, "{}", ""), Unreadable),
    ],
)
def test_a_table_that_cannot_be_read(answer, raised):
    with pytest.raises(raised):
        probes_firewall.firewall_policies(TABLE, FakeSystem(commands={"nft": answer}))


RULESET = "table inet quorum_hardening\ndelete table inet quorum_hardening\ntable inet quorum_hardening {\n}\n"


def compared(monkeypatch, live, wanted):
    monkeypatch.setattr(nft, "live", lambda run, spelled: live)
    monkeypatch.setattr(nft, "wanted", lambda text, run, spelled: wanted)
    return probes_firewall.firewall_table({"ruleset": RULESET}, FakeSystem())


def test_tables_are_compared_by_meaning(monkeypatch):
    same = nft.Listing({"a": 1}, "x")
    assert compared(monkeypatch, same, nft.Listing({"a": 1}, "y")).found == []
    seen = compared(monkeypatch, nft.Listing({"a": 2}, "t {\n\taccept\n}"), nft.Listing({"a": 1}, "t {\n}"))
    assert seen.found == ["+accept"]
    assert compared(monkeypatch, nft.Listing({"a": 2}, "x"), same).found == ["the same text, another meaning"]
    with pytest.raises(Absent):
        compared(monkeypatch, None, same)


def test_nft_that_cannot_be_asked():
    with pytest.raises(Unreadable):
        probes_firewall.firewall_table({"ruleset": RULESET}, FakeSystem(commands={"nft": Completed(1, "", "denied")}))


def test_the_file_for_the_next_boot():
    args = {"path": "/rules", "ruleset": RULESET}
    assert probes_firewall.firewall_file(args, FakeSystem(files={"/rules": RULESET})).found == "same"
    assert probes_firewall.firewall_file(args, FakeSystem(files={"/rules": "#\n"})).found == "different"
    with pytest.raises(Absent):
        probes_firewall.firewall_file(args, FakeSystem())
    with pytest.raises(Unreadable):
        probes_firewall.firewall_file({**args, "ruleset": "flush ruleset"}, FakeSystem(files={"/rules": RULESET}))
