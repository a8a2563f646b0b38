# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from consortium_sample import KEY, LAST, inventory, preflight
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils.audit_context import audit_context
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Member, to_plain
from ansible_collections.quorum.hardening.plugins.module_utils.model import (
    CONSORTIUM_VARIABLES,
    PORTS,
    build,
    managed_hosts,
)
from ansible_collections.quorum.hardening.plugins.module_utils.reader import show
from ansible_collections.quorum.hardening.plugins.module_utils.views import network_picture

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70000),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from(["198.18.0.1", "198.18.0.1/24", "::1", "0.0.0.0/0", "db.example", "2026-13-01", "own", KEY]),
)
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["name", "nodes", "addresses", "address", "port", "cidrs", "keys", "ends", "odd"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
_VARIABLES = (
    *CONSORTIUM_VARIABLES,
    *(variable for variable, _default in PORTS.values()),
    "host_addresses",
    "host_administrators",
    "host_administrator_networks",
    "host_dns_servers",
    "host_package_mirrors",
    "host_skip_controls",
    "goquorum_discovery",
)


def test_sound_inventory_reads_without_a_finding() -> None:
    consortium, findings = build(inventory())
    assert findings == []
    assert sorted(consortium.hosts) == sorted(LAST)
    assert consortium.hosts["tessera"].leg("secrets") == ("198.18.3.13", "2001:db8:4::d")
    assert consortium.hosts["validator1"].duties == ("goquorum",)
    assert consortium.hosts["jump"].administrator_networks == ("198.18.0.5", "2001:db8:1::/126")
    assert consortium.own_member().name == "acme"
    assert [member.name for member in consortium.others()] == ["globex"]
    assert consortium.hosts["vault"].ports["vault"] == 8200


def test_own_member_of_an_empty_register() -> None:
    consortium, _findings = build(inventory(consortium_members=[]))
    assert consortium.own_member() == Member(name="acme", trust="own")


def test_json_and_back() -> None:
    consortium, _findings = build(inventory())
    through = json.loads(json.dumps(consortium.to_dict()))
    assert Consortium.from_dict(through) == consortium
    assert Consortium.from_dict({**through, "of_a_newer_version": 1}) == consortium
    assert to_plain((1, "a")) == [1, "a"]


def test_only_managed_hosts() -> None:
    hostvars = {"stranger": {"group_names": ["web"]}, "bare": {}, "jump": {"group_names": ["jump"]}}
    assert managed_hosts(hostvars) == ("jump",)


@pytest.mark.parametrize(
    ("variable", "value", "problem", "advice"),
    [
        ("goquorum_p2p_port", 0, "out of range", "1 to 65535"),
        ("goquorum_rpc_port", 70000, "out of range", "1 to 65535"),
        ("vault_port", "http", "not a whole number", "1 to 65535"),
        ("database_port", True, "not a whole number", "1 to 65535"),
        ("consortium_chain_id", 1.5, "not a whole number", "a number"),
        ("host_dns_servers", ["dns.example"], "is a name", "proxy"),
        ("host_dns_servers", "198.18.0.3", "not a list", "- "),
        ("host_dns_servers", ["198.18.0.300"], "not an address", "IPv4"),
        ("host_ntp_servers", ["127.0.0.1"], "no address of a single host", "198.18"),
        ("host_ntp_servers", ["0.0.0.0"], "no address of a single host", "198.18"),
        ("host_ntp_servers", ["224.0.0.1"], "no address of a single host", "198.18"),
        ("host_ntp_servers", [""], "not an address", "IPv4"),
        ("host_administrator_networks", ["198.18.0.5/24"], "host bits", "198.18.0.0/24"),
        ("host_administrator_networks", ["0.0.0.0/0"], "whole world", "one by one"),
        ("host_administrator_networks", ["198.18.0.0/33"], "not an address", "CIDR"),
        ("host_administrator_networks", ["office.example"], "is a name", "proxy"),
        ("host_package_mirrors", ["198.18.0.3"], "not a mapping", "address"),
        ("host_package_mirrors", [{"address": "mirror.example.org", "port": 80}], "is a name", "proxy"),
        ("host_log_targets", [{"address": "198.18.0.3", "prot": 1}], "not a key we know", "address"),
        ("host_addresses", ["198.18.0.3"], "not a mapping", "key: value"),
        ("host_region", ["CH"], "not text", "text"),
        ("goquorum_discovery", "maybe", "neither true nor false", "true or false"),
        ("consortium_profile", "prod", "not one of the choices", "test or pilot or production"),
        ("consortium_organisation", None, "is missing", "letters"),
        ("consortium_organisation", "a/b", "may not have", "letters"),
        ("consortium_segments", {"ledger": "198.18.1.0/24"}, "not a mapping", "cidrs"),
        ("consortium_segments", {"ledger": {"cidr": ["198.18.1.0/24"]}}, "not a key we know", "cidrs"),
        ("consortium_members", "acme", "not a list", "list"),
        ("consortium_members", [{"name": "acme", "trust": "mine"}], "not one of the choices", "own"),
        ("consortium_waivers", [{"control": "HOST-02", "ends": "31.1.2027"}], "not a day", "YYYY-MM-DD"),
    ],
)
def test_bad_value_is_a_finding(variable: str, value: Any, problem: str, advice: str) -> None:
    _consortium, findings = build(inventory(**{variable: value}))
    assert findings, "nothing was found"
    hit = findings[0]
    assert hit.variable.startswith(variable)
    assert problem in hit.problem
    assert advice in hit.advice
    assert hit.line() == f"{hit.host}: {hit.variable} = {hit.value}: {hit.problem}. Write: {hit.advice}"


@pytest.mark.parametrize(("value", "read"), [("yes", True), ("off", False), (None, False), (True, True), (0, False)])
def test_truth_values(value: Any, read: bool) -> None:
    consortium, findings = build(inventory(goquorum_discovery=value))
    assert findings == []
    assert consortium.hosts["validator1"].discovery is read


def test_hosts_that_disagree_about_the_consortium() -> None:
    hostvars = inventory()
    hostvars["validator3"]["consortium_chain_id"] = 7
    del hostvars["database"]["vault_threshold"]  # may be known to the vault hosts alone
    _consortium, findings = build(hostvars)
    assert [(f.host, f.variable, f.value) for f in findings] == [("consortium", "consortium_chain_id", "7")]
    assert "validator3" in findings[0].problem


def test_one_host_of_a_waiver_needs_no_list() -> None:
    waiver = {"control": "HOST-02", "hosts": "vault", "reason": "r", "owner": "o", "ends": "2027-01-31"}
    consortium, findings = build(inventory(consortium_waivers=[waiver]))
    assert findings == []
    assert consortium.waivers[0].hosts == ("vault",)


def test_values_are_shown_short_and_without_private_keys() -> None:
    assert show("a\n  b") == "a b"
    assert show("") == "(empty)"
    assert len(show("x" * 500)) == 72
    assert "secret" not in show("-----BEGIN OPENSSH PRIVATE KEY----- secret")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_VARIABLES), _ANYTHING), min_size=1, max_size=4))
def test_never_raises_and_stays_plain(changes: list[tuple[str, Any]]) -> None:
    hostvars = inventory(("jump", "vault", "validator1"), **dict(changes))
    consortium, findings = build(hostvars)
    assert Consortium.from_dict(json.loads(json.dumps(consortium.to_dict()))) == consortium
    for host in consortium.hosts:  # the audit goes on with a broken inventory, so nothing behind the model may raise
        audit_context(consortium, host, {})
    network_picture(consortium)
    for finding in [*findings, *preflight(hostvars)]:
        assert finding.problem
        assert finding.advice
        assert "\n" not in finding.line()


@settings(max_examples=20, deadline=None)
@given(st.permutations(list(LAST)))
def test_order_of_the_inventory_does_not_matter(names: list[str]) -> None:
    hostvars = inventory()
    assert build({name: hostvars[name] for name in names})[0] == build(hostvars)[0]
