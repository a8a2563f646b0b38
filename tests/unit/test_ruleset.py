# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered rules against the flows, judged by a small reader of their own text, and by nft itself."""

from __future__ import annotations

import ipaddress
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from typing import Any, NamedTuple

import pytest
from consortium_sample import LAST, LEGS, SEGMENTS, address, consortium, duty_of, enode, inventory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium
from ansible_collections.quorum.hardening.plugins.module_utils.flows import flows
from ansible_collections.quorum.hardening.plugins.module_utils.model import build
from ansible_collections.quorum.hardening.plugins.module_utils.ruleset import by_family, ruleset

Network = Any
OPENS = re.compile(
    r"^\t\t(?:ip6? saddr (?P<saddr>\{[^}]+\}|\S+) )?ip6? daddr (?P<daddr>\{[^}]+\}|\S+) "
    r"(?P<protocol>tcp|udp) dport (?P<port>\d+) ct state new counter accept comment \"(?P<flow>[^:]+): [^\"]+\"$"
)


class Opening(NamedTuple):
    """A rule that lets a new connection begin."""

    chain: str
    sources: list[Network]
    targets: list[Network]
    protocol: str
    port: int
    flow: str


def networks(text: str) -> list[Network]:
    return [ipaddress.ip_network(item) for item in text.strip("{} ").split(", ")]


def openings(text: str) -> list[Opening]:
    """All rules that accept, but for replies, loopback and ICMP; any other shape is a failure."""
    found, chain = [], ""
    for line in text.splitlines():
        if line.startswith("\tchain "):
            chain = line.split()[1]
        if "accept" not in line or line.startswith("#"):
            continue
        if chain == "arrival" or re.search(r'ifname "lo"|established,related|icmp(v6)? type', line):
            continue
        if chain == "adopt":  # reached for ports of the set alone, which is empty but for a moment of the table's life
            assert "tcp flags & (fin | syn | rst | ack) == ack" in line
            continue
        hit = OPENS.match(line)
        assert hit, f"a rule of an unknown shape accepts: {line}"
        sources = networks(hit["saddr"]) if hit["saddr"] else []
        found.append(Opening(chain, sources, networks(hit["daddr"]), hit["protocol"], int(hit["port"]), hit["flow"]))
    return found


def inside(network: Network, addresses: tuple[str, ...]) -> bool:
    wide = [ipaddress.ip_network(a) for a in addresses]
    return any(w.version == network.version and network.subnet_of(w) for w in wide)


def assert_only_flows(c: Consortium, host: str) -> None:
    table = flows(c)
    for rule in openings(ruleset(c, host)):
        assert rule.chain in ("input", "output")
        mine = "target_hosts" if rule.chain == "input" else "source_hosts"
        fitting = [
            flow
            for flow in table
            if (flow.name, flow.protocol, flow.port) == (rule.flow, rule.protocol, rule.port)
            and host in getattr(flow, mine)
            and all(inside(n, flow.target_addresses) for n in rule.targets)
            and all(inside(n, flow.source_addresses) for n in rule.sources)
        ]
        assert fitting, f"{host} opens what is in no flow: {rule}"
        if rule.chain == "input":
            assert rule.sources, "an input rule without a source"
            own = {ipaddress.ip_network(a) for a in c.hosts[host].own()}
            assert set(rule.targets) <= own


def assert_both_ends(c: Consortium) -> None:
    rules = {host: openings(ruleset(c, host)) for host in c.hosts}
    for flow in flows(c):
        for chain, hosts in (("output", flow.source_hosts), ("input", flow.target_hosts)):
            for host in hosts:
                far = flow.target_addresses if chain == "output" else flow.source_addresses
                near = [a for a in flow.target_addresses if a in c.hosts[host].own()]
                for other in far:
                    network = ipaddress.ip_network(other)
                    if other in c.hosts[host].own():
                        continue
                    if chain == "input" and network.version not in {ipaddress.ip_network(a).version for a in near}:
                        continue
                    assert any(
                        rule.chain == chain
                        and (rule.flow, rule.protocol, rule.port) == (flow.name, flow.protocol, flow.port)
                        and any(
                            n.version == network.version and network.subnet_of(n)
                            for n in (rule.targets if chain == "output" else rule.sources)
                        )
                        for rule in rules[host]
                    ), f"{host} does not carry {flow.name} in its {chain} with {other}"


@st.composite
def inventories(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Sound inventories of many shapes: other hosts, IP versions, members, callers, servers and ports."""
    names = draw(st.lists(st.sampled_from(list(LAST)), min_size=1, max_size=6, unique=True))
    versions = draw(st.sampled_from([(4,), (6,), (4, 6)]))
    last = st.integers(100, 250)
    strangers = draw(st.lists(st.tuples(st.sampled_from(SEGMENTS), last), unique=True, max_size=4))
    nodes = [
        {"name": f"n{i}", "enode": enode(9 + i), "addresses": [address("ledger", 60 + i, v) for v in versions]}
        for i in range(draw(st.integers(0, 2)))
    ]
    cidrs = ["198.18.7.0/24", "198.18.7.128/25", "198.18.6.1", "2001:db8:7::/64", "2001:db8:7::1", "198.18.0.0/24"]
    changes: dict[str, Any] = {
        "consortium_members": [{"name": "acme", "trust": "own"}, {"name": "b", "trust": "trusted", "nodes": nodes}],
        "consortium_clients": [{"name": "c", "addresses": draw(st.lists(st.sampled_from(cidrs), max_size=4))}],
        "host_administrator_networks": draw(st.lists(st.sampled_from(cidrs), max_size=4)),
        "host_dns_servers": [address(s, n, draw(st.sampled_from((4, 6)))) for s, n in strangers],
        "goquorum_discovery": draw(st.booleans()),
        "goquorum_p2p_port": draw(st.integers(1, 65535)),
    }
    hostvars = inventory(tuple(names), **changes)
    for name in names:
        legs = LEGS[duty_of(name)]
        hostvars[name]["host_addresses"] = {leg: [address(leg, LAST[name], v) for v in versions] for leg in legs}
    return hostvars


@pytest.mark.parametrize("host", LAST)
def test_rules_open_flows_and_nothing_else(host: str) -> None:
    assert_only_flows(consortium(), host)


def test_both_ends_carry_each_flow() -> None:
    assert_both_ends(consortium())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inventories())
def test_any_inventory_opens_flows_and_nothing_else(hostvars: dict[str, dict[str, Any]]) -> None:
    c, _findings = build(hostvars)
    for host in c.hosts:
        assert_only_flows(c, host)
    assert_both_ends(c)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inventories(), st.randoms())
def test_slices_and_order_give_the_same_text(hostvars: dict[str, dict[str, Any]], chance: Any) -> None:
    c, _findings = build(hostvars)
    names = list(hostvars)
    chance.shuffle(names)
    again, _same = build({name: hostvars[name] for name in names})
    for host in c.hosts:
        assert ruleset(again, host) == ruleset(Consortium.from_dict(c.to_dict()), host) == ruleset(c, host)


def test_default_is_drop_in_every_direction() -> None:
    text = ruleset(consortium(), "vault")
    for hook in ("input", "forward", "output"):
        assert f"type filter hook {hook} priority filter; policy drop;" in text
    assert text.startswith("# ")
    body = [line for line in text.splitlines() if not line.startswith("#")]
    assert body[:3] == [
        "table inet quorum_hardening",
        "delete table inet quorum_hardening",
        "table inet quorum_hardening {",
    ]
    assert "flush" not in text
    assert len(re.findall("^table|^delete", text, re.M)) == 3


def test_spoofed_packets_are_dropped_before_anything_is_accepted() -> None:
    text = ruleset(consortium(), "vault")
    arrival = text[text.index("chain arrival") : text.index("chain input")]
    assert "priority -450" in arrival, "fragments are put together at -400"
    spoof = next(line for line in arrival.splitlines() if "198.18.3.11" in line)
    assert "goto in_spoofed" in spoof
    assert {"127.0.0.0/8", "0.0.0.0/8", "224.0.0.0/4", "198.18.0.11"} <= set(re.findall(r"[0-9./]{7,}", spoof))
    # The way back is asked for sources of the host's own segments alone.
    assert re.findall(r"ip6? saddr (.*) fib saddr", arrival) == [
        "{ 198.18.0.0/24, 198.18.3.0/24 }",
        "{ 2001:db8:1::/64, 2001:db8:4::/64 }",
    ]


def test_every_refusal_says_direction_and_reason_and_logs_with_a_limit() -> None:
    text = ruleset(consortium(), "vault")
    for block in re.findall(r"\tchain (?:in|out)_\w+ \{\n(.*?)\t\}\n", text, re.S):
        assert re.match(r'\t\tlimit rate .* log prefix "quorum drop (in|out) \w+: "', block), block
        assert block.splitlines()[1].startswith("\t\tcounter drop ")
    told = set(re.findall(r"goto (\w+)", text))
    assert told >= {"in_spoofed", "in_flags", "in_fragments", "in_invalid", "in_unbegun", "in_flood", "out_unnamed"}
    assert re.findall(r"\bdrop\b.*", text.split("chain arrival")[1]) == [
        "drop;",
        "drop;",
        'drop comment "no host of ours is a router"',
        "drop;",
    ], "what is dropped silently is found by nobody"


def test_no_name_is_looked_up_in_a_file_that_a_minimal_host_lacks() -> None:
    for host in LAST:
        text = ruleset(consortium(), host)
        assert not re.search(r"(dport|sport|l4proto|nexthdr|ip protocol) \{? ?[a-z]", text)


def test_the_secret_store_is_cut_off() -> None:
    rules = openings(ruleset(consortium(), "vault"))
    assert {(rule.flow, rule.port) for rule in rules if rule.chain == "input"} == {("ssh", 22), ("secrets", 8200)}
    leaving = {(rule.flow, str(n)) for rule in rules if rule.chain == "output" for n in rule.targets}
    assert leaving == {
        ("dns", "198.18.0.3/32"),
        ("ntp", "198.18.0.3/32"),
        ("ntp", "192.0.2.9/32"),
        ("mirror", "198.18.0.3/32"),
        ("log", "198.18.0.14/32"),
    }


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(KeyError):
        ruleset(consortium(), "nobody")


def test_what_lies_inside_another_network_is_left_out() -> None:
    given_ = ["198.18.0.9", "198.18.0.8/29", "198.18.0.16", "2001:db8::1", "2001:db8::/64"]
    assert list(by_family(given_)) == [("ip", ("198.18.0.8/29", "198.18.0.16")), ("ip6", ("2001:db8::/64",))]


def in_a_namespace(*texts: str) -> subprocess.CompletedProcess[str]:
    """Load each text twice (the second time over itself) in one network namespace of its own, then list the last."""
    script = 'for file in "$@"; do nft -f "$file"; nft -f "$file"; done; nft list ruleset'
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder, f"{number}.nft") for number, _text in enumerate(texts)]
        for path, text in zip(paths, texts):
            path.write_text(text, encoding="utf-8")
        argv = ["unshare", "-n", "sh", "-ec", script, "sh", *map(str, paths)]
        return subprocess.run(argv, text=True, capture_output=True, check=False)


needs_nft = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("nft") is None or in_a_namespace().returncode != 0,
    reason="nft-load: needs root, nft and the right to make a network namespace",
)


@needs_nft
def test_nft_loads_it() -> None:
    c = consortium(goquorum_discovery=True)
    loaded = in_a_namespace(*(ruleset(c, host) for host in c.hosts))
    assert loaded.returncode == 0, loaded.stderr
    assert "policy drop" in loaded.stdout


@needs_nft
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inventories())
def test_nft_loads_whatever_is_rendered(hostvars: dict[str, dict[str, Any]]) -> None:
    c, _findings = build(hostvars)
    loaded = in_a_namespace(*(ruleset(c, host) for host in c.hosts))
    assert loaded.returncode == 0, loaded.stderr
