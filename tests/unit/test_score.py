# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statuses, which host a control concerns, and the two scores."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils import score
from ansible_collections.quorum.hardening.plugins.module_utils.score import ATTESTATION, STATUSES, collect

HOSTS = {"jump": ["jump"], "vault": ["vault"], "validator1": ["goquorum"]}


def control(identifier: str = "HOST-02", **more: Any) -> dict[str, Any]:
    record = {"id": identifier, "statement": "Only through jump hosts.", "sources": ["000", "001"], "implemented": True}
    return {**record, "probes": [{"id": "sshd-root", "probe": "sshd"}], **more}


def said(status: str, probe: str = "sshd-root", of: str = "HOST-02", **more: Any) -> dict[str, Any]:
    return {
        "probe_id": probe,
        "control": of,
        "status": status,
        "expected": "no",
        "found": "yes",
        "where": "sshd",
        **more,
    }


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "not_applicable"),
        (["pass", "pass"], "pass"),
        (["pass", "not_applicable"], "pass"),
        (["pass", "fail", "error"], "fail"),
        (["pass", "error"], "error"),
        (["attested", "pass"], "attested"),
        (["not_implemented", "waived"], "waived"),
    ],
)
def test_worst(statuses: list[str], expected: str) -> None:
    assert score.worst(statuses) == expected


def test_worst_refuses_an_unknown_status() -> None:
    with pytest.raises(ValueError, match="maybe"):
        score.worst(["pass", "maybe"])


@pytest.mark.parametrize(
    ("statuses", "strict", "accepted"),
    [
        ([], None, None),
        (["not_applicable"], None, None),
        (["pass"], 100.0, 100.0),
        (["pass", "attested", "not_applicable"], 100.0, 100.0),
        (["pass", "waived"], 50.0, 100.0),
        (["pass", "fail", "error", "waived", "not_implemented", "attested"], 33.3, 50.0),
        (["pass"] * 1999 + ["fail"], 99.9, 99.9),
    ],
)
def test_score(statuses: list[str], strict: float | None, accepted: float | None) -> None:
    found = score.score(statuses)
    assert (found.strict, found.accepted) == (strict, accepted)
    assert sum(found.counts.values()) == len(statuses)


@given(st.lists(st.sampled_from(STATUSES)))
def test_accepted_is_never_below_strict(statuses: list[str]) -> None:
    found = score.score(statuses).to_dict()
    if found["strict"] is not None:
        assert 0 <= found["strict"] <= found["accepted"] <= 100
        assert (found["strict"] == 100) == (set(statuses) <= {"pass", "attested", "not_applicable"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("as it is", "as it is"),
        (True, "yes"),
        (False, "no"),
        (["a", 1], "a, 1"),
        ([], "none"),
        ({"b": 1, "a": [{"c": 2}]}, '{"a": [{"c": 2}], "b": 1}'),
        (7, "7"),
    ],
)
def test_text(value: object, expected: str) -> None:
    assert score.text(value) == expected


@pytest.mark.parametrize(
    ("duties", "expected"),
    [
        ([], ["jump", "vault", "validator1"]),
        (["all"], ["jump", "vault", "validator1"]),
        ("vault", ["vault"]),
        (["goquorum", "jump"], ["jump", "validator1"]),
        (["consortium"], ["consortium"]),
        (["consortium", "vault"], ["consortium", "vault"]),
        (["database"], []),
    ],
)
def test_concerned(duties: object, expected: list[str]) -> None:
    assert score.concerned({"id": "X", "duties": duties}, HOSTS) == expected


def one(results: list[score.Result]) -> score.Result:
    assert len(results) == 1
    return results[0]


def test_the_worst_probe_leads() -> None:
    record = control(probes=[{"id": "a"}, {"id": "b"}])
    audits = {"vault": [said("pass", "a"), said("fail", "b", where="drop-in")]}
    result = one(collect([record], {"vault": ["vault"]}, audits))
    assert (result.status, result.probe, result.where, len(result.observations)) == ("fail", "b", "drop-in", 2)
    assert result.source == "Only through jump hosts. [000; 001]"
    assert result.to_dict()["observations"][0]["probe"] == "a"


def test_what_the_machine_cannot_show_does_not_spoil_what_it_can() -> None:
    record = control(probes=[{"id": "a"}, {"id": "b"}])
    audits = {"vault": [said("not_applicable", "a"), said("pass", "b")]}
    assert one(collect([record], {"vault": ["vault"]}, audits)).status == "pass"


def test_a_host_that_does_not_answer_is_an_error() -> None:
    result = one(collect([control()], {"vault": ["vault"]}, {"vault": None}))
    assert (result.status, result.probe) == ("error", "sshd-root")
    assert "not reached" in result.reason


def test_a_probe_that_says_nothing_is_an_error() -> None:
    record = control(probes=[{"id": "a"}, {"id": "b"}])
    result = one(collect([record], {"vault": ["vault"]}, {"vault": [said("pass", "a")]}))
    assert (result.status, result.probe, result.reason) == ("error", "b", "the probe gave no result")


def test_an_unknown_status_is_an_error() -> None:
    assert one(collect([control()], {"vault": ["vault"]}, {"vault": [said("good")]})).status == "error"


def test_probes_of_another_duty_are_not_missed() -> None:
    record = control(probes=[{"id": "a", "duties": ["vault"]}])
    results = collect([record], HOSTS, {"vault": [said("pass", "a")], "jump": [], "validator1": []})
    assert [(result.host, result.status) for result in results] == [("vault", "pass")]


def test_what_is_not_implemented_never_passes() -> None:
    record = control(implemented=False)
    results = collect([record], HOSTS, {name: [said("pass")] for name in HOSTS})
    assert {result.status for result in results} == {"not_implemented"}
    assert [result.host for result in results] == list(HOSTS)


def test_findings_fail_on_their_host() -> None:
    finding = {
        "host": "vault",
        "variable": "group_names",
        "value": ["vault", "tessera"],
        "problem": "two duties on one host",
        "advice": "leave one",
        "controls": ["HOST-02"],
        "rule": "one-duty",
    }
    audits = {name: [said("pass")] for name in HOSTS}
    results = {r.host: r for r in collect([control()], HOSTS, audits, [finding])}
    assert {host: r.status for host, r in results.items()} == {"jump": "pass", "vault": "fail", "validator1": "pass"}
    assert results["vault"].probe == "preflight/one-duty"
    assert (results["vault"].found, results["vault"].expected) == ("vault, tessera", "leave one")


def test_a_finding_about_the_inventory_is_on_consortium() -> None:
    finding = {"host": "", "variable": "consortium_members", "problem": "gap", "controls": ["CONS-01"]}
    record = control("CONS-01", duties=["goquorum"], implemented=False)
    results = {r.host: r.status for r in collect([record], HOSTS, {}, [finding])}
    assert results == {"validator1": "not_implemented", "consortium": "fail"}


@pytest.mark.parametrize(("findings", "expected"), [([], "pass"), (None, "error")])
def test_guards_that_found_nothing(findings: list[dict[str, Any]] | None, expected: str) -> None:
    record = control("HOST-06", duties=["consortium"], guards=["one-duty", {"id": "vault-alone"}, {"rule": "r"}])
    result = one(collect([record], HOSTS, {}, findings))
    assert (result.status, result.expected) == (expected, "one-duty, vault-alone, r")


def test_guards_speak_on_hosts_that_no_probe_looks_at() -> None:
    record = control("HOST-06", duties=["vault"], guards=["one-duty"], probes=[])
    assert one(collect([record], HOSTS, {"vault": []}, [])).status == "pass"


def test_nothing_to_say_is_no_result() -> None:
    assert collect([control(probes=[], duties=["vault"])], HOSTS, {"vault": []}) == []


def test_a_promise_is_asked_for() -> None:
    result = one(collect([control("CONS-06", duties=["consortium"], kind=["attested"], probes=[])], HOSTS, {}))
    assert (result.status, result.probe) == ("fail", ATTESTATION)


def test_selected_controls_only() -> None:
    records = [control("HOST-02"), control("HOST-04", statement="", title="Firewall", sources=[])]
    audits = {"vault": [said("pass", of="HOST-04")]}
    result = one(collect(records, {"vault": ["vault"]}, audits, selected=["HOST-04"]))
    assert (result.control, result.source) == ("HOST-04", "Firewall")


def test_change_refuses_an_unknown_status() -> None:
    result = one(collect([control()], {"vault": ["vault"]}, {"vault": [said("pass")]}))
    with pytest.raises(ValueError, match="fine"):
        score.change(result, "fine", "")


def test_severities_rank() -> None:
    words = ["odd", "low", "critical", "high"]
    assert sorted(words, key=score.severity_rank) == ["critical", "high", "low", "odd"]
