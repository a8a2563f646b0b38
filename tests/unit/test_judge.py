# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule of the preflight: broken once, found once, and silent on a sound inventory."""

from __future__ import annotations

import base64
from datetime import date, timedelta
from typing import Any

import pytest
from broken_credentials import BROKEN_CREDENTIALS
from broken_hosts import BROKEN_HOSTS
from broken_inventories import HOLDER, Mistake, everywhere, on, register, waiver
from broken_patching import BROKEN_PATCHING
from broken_placement import BROKEN_PLACEMENT
from broken_register import BROKEN_REGISTER
from broken_system import BROKEN_SYSTEM
from consortium_sample import KEY, TODAY, enode, inventory, preflight
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Finding
from ansible_collections.quorum.hardening.plugins.module_utils.judge import RULES, message, settle, withhold

BROKEN = [*BROKEN_HOSTS, *BROKEN_CREDENTIALS, *BROKEN_PATCHING, *BROKEN_PLACEMENT, *BROKEN_REGISTER, *BROKEN_SYSTEM]
SPECS = {
    "consortium": {name: {"type": "str"} for name in inventory()["jump"] if name.startswith("consortium_")},
    "host": {
        **{name: {"type": "list"} for name in inventory()["jump"] if name.startswith("host_")},
        "host_undo_seconds": {"type": "int"},
        "host_skip_controls": {"type": "list"},
        "host_ssh_second_factor": {"type": "bool"},
        "host_kernel_parameters": {"type": "dict"},
        "host_modules": {"type": "dict"},
        "host_packages": {"type": "dict"},
        "host_services": {"type": "dict"},
        "host_mount_options": {"type": "dict"},
        "host_tmp_size": {"type": "str"},
    },
}


def rules_of(found: list[Finding]) -> set[str]:
    return {finding.rule for finding in found}


def rsa(bits: int) -> str:
    parts = [b"ssh-rsa", b"\x01\x00\x01", (1 << (bits - 1)).to_bytes(bits // 8 + 1, "big")]
    return "ssh-rsa " + base64.b64encode(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).decode()


def labelled(label: str, *fields: bytes) -> str:
    return label + " " + base64.b64encode(b"".join(len(f).to_bytes(4, "big") + f for f in fields)).decode()


def test_a_sound_inventory_has_no_finding() -> None:
    looks = {
        "vault": {"distribution": "debian", "version": "12.5"},
        "jump": {"distribution": "Debian", "version": "13"},
    }
    assert [f.line() for f in preflight(inventory(), looks=looks, genesis=True, specs=SPECS)] == []


@pytest.mark.parametrize("case", BROKEN, ids=[case.name for case in BROKEN])
def test_broken(case: Mistake) -> None:
    hostvars = inventory()
    case.breaks(hostvars)
    found = preflight(hostvars, specs=SPECS)
    hits = [f for f in found if (f.rule, f.host, f.variable) == (case.rule, case.host, case.variable)]
    assert hits, [f.line() for f in found]
    assert case.problem in hits[0].problem
    assert case.advice in hits[0].advice


def test_every_rule_is_broken_by_some_case() -> None:
    elsewhere = {"looked", "sudo-asks", "jump-lists-differ", "module-in-use", "required", "document"}
    assert {rule.name for rule in RULES} == {case.rule for case in BROKEN} | elsewhere


def test_all_findings_come_in_one_message() -> None:
    hostvars = inventory()
    BROKEN[0].breaks(hostvars)
    everywhere(consortium_consensus="raft", vault_threshold=9)(hostvars)
    found = preflight(hostvars)
    text = message(found)
    assert {"duty-shared", "consensus", "holders"} <= rules_of(found)
    assert f"{len(found)} findings. No host has been changed." in text
    assert text.count("\n") == len(found)
    assert text.splitlines()[1].startswith("1. consortium: ")
    assert "1 finding." in message(found[:1])


def test_hosts_that_do_not_answer_or_run_something_else() -> None:
    hostvars = inventory()
    hostvars["vault"]["ansible_host"] = "198.18.0.11"
    looks = {
        "vault": {"unreachable": True, "msg": "Connection\n timed out"},
        "tessera": {"failed": True, "msg": ""},
        "jump": {"distribution": "ubuntu", "version": "24.04"},
        "database": {"distribution": "Debian", "version": "11"},
        "monitoring": {"distribution": "Debian", "version": "13.1"},
    }
    lines = {f.host: f.line() for f in preflight(hostvars, looks=looks)}
    assert sorted(lines) == ["database", "jump", "tessera", "vault"]
    assert lines["vault"].startswith(
        "vault: ansible_host = 198.18.0.11: the host cannot be reached: Connection timed out"
    )
    assert "cannot be looked at: no reason given" in lines["tessera"]
    assert "distribution = ubuntu 24.04" in lines["jump"]
    assert "Debian 12 or 13" in lines["database"]


def test_the_controllers_own_address_as_the_jump_host_sees_it() -> None:
    seen = {"distribution": "debian", "version": "12", "connected_from": "203.0.113.9"}
    found = preflight(inventory(), looks={"jump": seen})
    assert [f.rule for f in found] == ["jump-unreachable"]
    assert "203.0.113.9" in found[0].problem
    assert preflight(inventory(), looks={"jump": {**seen, "connected_from": "198.18.0.5"}}) == []
    assert rules_of(preflight(inventory(), looks={"jump": {**seen, "connected_from": "a console"}})) == {
        "jump-unreachable"
    }


def test_jump_hosts_share_one_list() -> None:
    hostvars = inventory()
    hostvars["jump2"] = {
        **hostvars["jump"],
        "host_addresses": {"management": ["198.18.0.6"]},
        "host_administrator_networks": ["198.18.0.7"],
    }
    assert rules_of(preflight(hostvars)) == {"jump-lists-differ"}
    hostvars["jump2"]["host_administrator_networks"] = hostvars["jump"]["host_administrator_networks"][::-1]
    assert preflight(hostvars) == []


def test_enrol_is_asked_for_nothing_that_it_will_make() -> None:
    hostvars = inventory(consortium_members=[], consortium_certificate_requests={}, consortium_clients=[])
    assert preflight(hostvars, enrolled=False) == []
    assert {"members", "register-gaps", "validators"} <= rules_of(preflight(hostvars))


def test_genesis_that_is_not_there() -> None:
    found = preflight(inventory(), genesis=False)
    assert [(f.variable, f.rule) for f in found] == [("consortium_genesis_file", "register-gaps")]
    nodes = [
        {"name": f"n{i}", "enode": enode(i), "addresses": [f"198.18.1.{60 + i}"], "validator": True}
        for i in range(1, 5)
    ]
    members = [{"name": "acme", "trust": "own"}]
    members.append({"name": "b", "region": "DE", "trust": "untrusted", "nodes": nodes})
    assert preflight(inventory(("jump", "vault"), consortium_members=members), genesis=False) == []


@pytest.mark.parametrize("profile", ["test", "pilot"])
def test_what_only_production_insists_on(profile: str) -> None:
    hostvars = inventory(consortium_profile=profile, vault_holders=[HOLDER], vault_threshold=1)
    register(lambda m: [n.update(validator=False) for n in m[0]["nodes"]] and None)(hostvars)
    assert preflight(hostvars) == []


def test_no_store_needs_no_holders_and_no_catalogue_judges_no_ids() -> None:
    hosts = ("jump", "validator1", "validator2", "validator3", "validator4")
    assert preflight(inventory(hosts, vault_holders=[], vault_threshold=None)) == []
    hostvars = inventory()
    waiver(control="X-1")(hostvars)
    assert preflight(hostvars, control_ids=frozenset()) == []


@pytest.mark.parametrize("connection", ["local", "docker", "community.docker.docker"])
def test_a_run_that_does_not_log_in_cannot_lock_itself_out(connection: str) -> None:
    assert preflight(inventory(ansible_user="root", ansible_connection=connection)) == []


def test_root_may_make_the_first_run_and_is_told_who_comes_after() -> None:
    hostvars = inventory(ansible_user="root")
    assert preflight(hostvars) == []
    [finding] = preflight(hostvars, looks={"vault": {"unreachable": True, "msg": "Permission denied (publickey)."}})
    assert finding.host == "vault"
    assert finding.advice.startswith("ansible_user: ops, as root comes in up to the first run alone")


@pytest.mark.parametrize("hosts", [["vault"], ["all"], None, "vault"])
def test_a_measure_left_out_under_a_waiver(hosts: Any) -> None:
    hostvars = inventory()
    waiver(hosts=hosts)(hostvars)
    on("vault", host_skip_controls=["HOST-02"])(hostvars)
    assert preflight(hostvars) == []
    on("jump", host_skip_controls=["HOST-02"])(hostvars)
    assert rules_of(preflight(hostvars)) == (set() if hosts in (["all"], None) else {"skipped"})


def test_a_number_that_is_none_is_left_to_the_argument_specification() -> None:
    assert preflight(inventory(host_undo_seconds="soon")) == []


def test_arguments_of_the_client_that_are_no_list_of_words() -> None:
    assert preflight(inventory(goquorum_extra_args={"a": 1})) == []
    assert preflight(inventory(goquorum_extra_args=["--cache", 1024])) == []


def test_required_variables_by_duty() -> None:
    specs = {
        "host": {"host_thing": {"required": True, "type": "list", "elements": "str", "description": "What. "}},
        "vault": {"vault_thing": {"required": True, "choices": ["a", "b"], "description": ["One.", "Two."]}},
        "goquorum": {"goquorum_flavour": {}},
    }
    found = [f for f in preflight(inventory(), specs=specs) if f.rule == "required"]
    assert [(f.host, f.variable) for f in found] == [("consortium", "host_thing"), ("vault", "vault_thing")]
    assert found[0].advice == "host_thing: <list of str> (What)"
    assert found[1].advice == "vault_thing: <a | b> (One. Two)"
    enrolling = preflight(inventory(), specs=specs, enrolled=False)
    assert [f.variable for f in enrolling if f.rule == "required"] == ["host_thing"]


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (KEY, ""),
        (rsa(4096), ""),
        (rsa(2048), "2048 bits"),
        (labelled("sk-ssh-ed25519@openssh.com", b"sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:"), ""),
        (labelled("ssh-ed25519", b"ssh-ed25519", b"k" * 31), "cut off"),
        (labelled("ssh-rsa", b"ssh-rsa"), "0 bits"),
        (labelled("ssh-ed25519", b"ssh-rsa", b"k" * 32), "another type"),
        ("ssh-ed25519 AAAA%%%", "cut off"),
        ("ssh-ed25519 =", "cut off"),
        ("ssh-ed25519 ====", "cut off"),
        ('command="x" ' + KEY, "does not begin with a key type"),
        ("ecdsa-sha2-nistp256 AAAA", "does not begin with a key type"),
        ("alice", "not a public key"),
        ("", "not a public key"),
    ],
)
def test_keys(key: str, problem: str) -> None:
    from ansible_collections.quorum.hardening.plugins.module_utils.ssh_key import problem_with

    assert problem_with(key) == problem if not problem else problem in problem_with(key)


def test_what_could_not_be_read_is_said_once() -> None:
    def finding(host: str, variable: str, rule: str) -> Finding:
        return Finding(host, variable, "v", "p", "a", (), rule)

    found = [
        finding("a", "x[0].y", "type"),
        finding("a", "x[0].y", "holders"),
        finding("a", "x", "argument"),
        finding("b", "x", "argument"),
        finding("a", "z", "required"),
    ]
    assert [(f.host, f.variable, f.rule) for f in settle(found, ["a", "b"])] == [
        ("a", "x[0].y", "type"),
        ("a", "z", "required"),
        ("b", "x", "argument"),
    ]
    assert settle([finding("a", "x", "r"), finding("b", "x", "r")], ["a", "b"])[0].host == "consortium"
    assert settle([finding("a", "x", "r")], ["a"])[0].host == "a"


def test_secret_values_are_withheld() -> None:
    found = [Finding("a", "vault_pin[0]", "1234", "p", "a"), Finding("a", "host_region", "CH", "p", "a")]
    specs = {"vault": {"vault_pin": {"no_log": True}}, "host": {"host_region": {"no_log": False}}}
    assert [f.value for f in withhold(found, specs)] == ["(withheld)", "CH"]


@settings(max_examples=50, deadline=None)
@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_waiver_holds_to_the_end_of_its_last_day(day: date) -> None:
    hostvars = inventory(("jump", "vault"))
    waiver(ends=day.isoformat())(hostvars)
    for today, expired in ((day, False), (day + timedelta(days=1), True), (TODAY, day < TODAY)):
        found = [f for f in preflight(hostvars, today=today, enrolled=False) if f.rule == "waivers"]
        assert bool(found) is expired


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(range(len(BROKEN))), min_size=1, max_size=4, unique=True))
def test_no_combination_of_mistakes_makes_the_judge_stumble(numbers: list[int]) -> None:
    hostvars = inventory()
    for number in numbers:
        try:
            BROKEN[number].breaks(hostvars)
        except (KeyError, IndexError):
            continue  # one mistake took away what the other one edits
    found = preflight(hostvars, specs=SPECS)
    assert found
    for finding in found:
        assert finding.rule
        assert "\n" not in finding.line()
