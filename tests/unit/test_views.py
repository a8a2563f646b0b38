# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles, report and audit read off the consortium."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from consortium_sample import KEY, consortium, enode, inventory

from ansible_collections.quorum.hardening.plugins.filter.consortium import FilterModule
from ansible_collections.quorum.hardening.plugins.module_utils import views
from ansible_collections.quorum.hardening.plugins.module_utils.audit_context import audit_context, listeners
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Host
from ansible_collections.quorum.hardening.plugins.module_utils.model import build
from ansible_collections.quorum.hardening.plugins.module_utils.plain import plain

ROLES = Path(__file__).resolve().parents[2] / "roles"
FILTERS = FilterModule().filters()


def test_ssh_comes_by_the_jump_host() -> None:
    c = consortium()
    assert views.jump_addresses(c) == ["198.18.0.2", "2001:db8:1::2"]
    assert views.ssh_peers(c, "vault") == ["198.18.0.2", "2001:db8:1::2"]
    assert views.ssh_peers(c, "jump") == ["198.18.0.5", "2001:db8:1::/126"]
    assert views.ssh_onward(c, "vault") == []
    onward = views.ssh_onward(c, "jump")
    assert "198.18.0.11:22" in onward
    assert "[2001:db8:1::b]:22" in onward
    assert "198.18.0.2:22" not in onward


def test_holders_tunnel_to_the_store_and_nowhere_else() -> None:
    c = consortium()
    at_jump = views.tunnel_users(c, "jump")
    assert [user["name"] for user in at_jump] == ["holder1", "holder2", "holder3"]
    assert at_jump[0] == {"name": "holder1", "keys": [KEY], "permit_open": ["198.18.0.11:22", "[2001:db8:1::b]:22"]}
    assert views.tunnel_users(c, "vault")[0]["permit_open"] == ["127.0.0.1:8200"]
    assert views.tunnel_users(c, "validator1") == []
    without, _findings = build(inventory(("jump", "validator1")))
    assert views.tunnel_users(without, "jump") == []


def test_peers_are_all_nodes_but_oneself() -> None:
    c = consortium()
    everybody = views.permissioned_nodes(c)
    assert len(everybody) == 5
    assert f"enode://{enode(1)}@198.18.1.21:30303?discport=0" in everybody
    assert f"enode://{enode(9)}@198.18.1.50:30304?discport=0" in everybody
    dialled = views.peers(c, "validator1")
    assert sorted([*dialled, f"enode://{enode(1)}@198.18.1.21:30303?discport=0"]) == everybody


def test_picture_is_plain_data() -> None:
    picture = views.network_picture(consortium())
    assert json.loads(json.dumps(picture)) == picture
    assert picture["segments"][0]["name"] == "ledger"
    assert {edge["name"] for edge in picture["edges"]} >= {"ssh-jump", "ssh", "p2p", "rpc", "secrets", "dns"}
    assert next(host for host in picture["hosts"] if host["name"] == "vault")["duties"] == ["vault"]


def test_context_of_a_validator() -> None:
    context = audit_context(
        consortium(), "validator1", {"goquorum_cors_domains": "https://a", "goquorum_flavour": "geth"}
    )
    assert json.loads(json.dumps(context)) == context
    assert context["duty"] == "goquorum"
    assert context["administrators"] == ["alice", "ops"]
    assert context["logins"] == ["alice", "ops"]
    assert context["ssh_sources"] == ["198.18.0.2", "2001:db8:1::2"]
    assert context["rpc_sources"] == ["198.18.1.40"]
    assert context["vault_sources"] == []
    assert context["cors_domains"] == ["https://a"]
    assert context["vhosts"] == ["localhost"]
    assert context["flavour"] == "geth"
    assert context["enode"] == enode(1)
    assert "tcp 198.18.2.13 9101" in context["egress"]
    assert "tcp 198.18.1.21 30303" not in context["egress"]
    assert context["ruleset"].count("table inet quorum_hardening") == 3
    assert {"proto": "tcp", "port": 8545, "address": "198.18.1.21"} in context["listeners"]


def test_context_of_the_store() -> None:
    context = audit_context(consortium(), "vault", {"goquorum_vhosts": ["a"], "goquorum_cors_domains": 7})
    assert context["vault_sources"] == ["198.18.3.13", "2001:db8:4::d"]
    assert context["tunnels"] == ["holder1", "holder2", "holder3"]
    assert context["vhosts"] == ["a"]
    assert context["cors_domains"] == []
    assert context["enode"] == ""


@pytest.mark.parametrize(("asks", "tag"), [(True, "PASSWD"), (False, "NOPASSWD")])
def test_commands_without_a_password_are_those_of_our_own_sudoers(asks: bool, tag: str) -> None:
    rules = (ROLES / "host/overlay/etc/sudoers.j2").read_text(encoding="utf-8")
    rules = re.sub(r"\{\{ 'PASSWD' if host_sudo_asks.*? \}\}", tag, rules)
    free = [what for line in rules.splitlines() for what in line.partition(" NOPASSWD: ")[2].split(", ") if what]
    context = audit_context(consortium(), "vault", {"host_sudo_asks": asks})
    assert context["sudo_asks"] is asks
    assert len(free) > 2
    assert sorted(context["sudo_free"]) == sorted(free)


def test_sockets_of_a_host() -> None:
    udp = {"proto": "udp", "port": 30303, "address": "*"}
    assert udp in listeners(build(inventory(goquorum_discovery=True))[0].hosts["validator1"])
    assert listeners(Host(name="bare")) == [{"proto": "tcp", "port": 22, "address": "*"}]
    bare = build({"bare": {"group_names": ["quorum"]}})[0]
    assert audit_context(bare, "bare", {})["duty"] == ""


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"controls"}))
def test_filters_take_the_fact(name: str) -> None:
    fact = consortium().to_dict()
    variables = {"goquorum_flavour": "geth", "host_swap": "off", "unrelated": object()}
    more = {"audit_context": ("vault", variables), "baseline": ("vault", variables), "patching": ("vault", {})}
    about_a_host = {"peers", "ruleset", "ssh_onward", "ssh_peers", "tunnel_users"}
    args = more.get(name, ("vault",) if name in about_a_host else ())
    json.dumps(FILTERS[name](fact, *args))
    with pytest.raises(AnsibleFilterError, match=r"preflight first"):
        FILTERS[name]("no fact", *args)
    if args:
        with pytest.raises(AnsibleFilterError, match=r"no managed host"):
            FILTERS[name](fact, "stranger", *args[1:])


def test_controls_from_tags() -> None:
    assert FILTERS["controls"](["all"]) == []
    assert FILTERS["controls"](["ptm-06", "host-04", "nonsense"]) == ["HOST-04", "PTM-06"]


class _Text(str):
    __slots__ = ()


def test_plain_types() -> None:
    day = datetime.date(2027, 1, 31)
    value = {
        _Text("text"): _Text("a"),
        "numbers": (1, 2.5, True, None),
        "days": [day, datetime.datetime(2027, 1, 31, 9)],
        "odd": frozenset({1}),
        "other": b"x",
    }
    found = plain(value)
    assert found == {
        "text": "a",
        "numbers": [1, 2.5, True, None],
        "days": ["2027-01-31", "2027-01-31"],
        "odd": [1],
        "other": "b'x'",
    }
    assert {type(part) for part in (found["text"], *found)} == {str}, "exactly: no subclass is left"
