# SPDX-License-Identifier: GPL-3.0-or-later
"""How a probe is run and judged."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils import (
    probing,
)
from ansible_collections.quorum.hardening.plugins.module_utils.probing import (
    Absent,
    Inapplicable,
    Observation,
    Unreadable,
)


def row(**more):
    return {"id": "p", "control": "HOST-04", "probe": "see", "args": {}, "expect": {"equals": 1}, **more}


@pytest.mark.parametrize(
    ("found", "expect", "holds"),
    [
        ("no", {"equals": "no"}, True),
        ("yes", {"equals": "no"}, False),
        (None, {"equals": None}, True),
        ("local", {"one_of": ["local", "no"]}, True),
        (None, {"one_of": [False, None]}, True),
        ("any", {"one_of": ["local", "no"]}, False),
        ("3", {"at_most": 3}, True),
        ("4", {"at_most": 3}, False),
        (None, {"at_most": 3}, False),
        ("many", {"at_least": 3}, False),
        (7, {"at_least": 7}, True),
        ("0", {"at_least": 1, "at_most": 60}, False),
        (["a"], {"subset_of": ["a", "b"]}, True),
        (["c"], {"subset_of": ["a", "b"]}, False),
        (None, {"subset_of": ["a"]}, False),
        (["b", "a"], {"same_set": ["a", "b"]}, True),
        (["a"], {"same_set": ["a", "b"]}, False),
        (["a", "c"], {"same_set": ["a", "b"]}, False),
        (None, {"same_set": []}, True),
        (["a", "b"], {"contains": ["a"]}, True),
        (["b"], {"contains": ["a"]}, False),
        ([], {"empty": True}, True),
        (None, {"empty": True}, True),
        (["a"], {"empty": True}, False),
        ([], {"empty": False}, False),
        (0, {"empty": False}, True),
        ("publickey", {"matches": "^publickey"}, True),
        (None, {"matches": "."}, False),
        ({"a": 1}, {"fields": {"a": {"equals": 1}, "b": {"equals": None}}}, True),
        ({"a": 2}, {"fields": {"a": {"equals": 1}}}, False),
        ("text", {"fields": {"a": {"equals": 1}}}, False),
        ({"x": "0", "y": "0"}, {"each": {"equals": "0"}}, True),
        ({"x": "0", "y": "1"}, {"each": {"equals": "0"}}, False),
        ({}, {"each": {"equals": "0"}}, False),
        (["0"], {"each": {"equals": "0"}}, True),
    ],
)
def test_expectations(found, expect, holds):
    assert (probing.unmet(found, expect) == "") is holds


def test_reason_names_what_is_wrong():
    said = probing.unmet({"a": ["x"], "b": 1}, {"fields": {"a": {"same_set": ["y"]}, "b": {"equals": 1}}})
    assert said == "a also holds ['x'] and lacks ['y']"


@pytest.mark.parametrize("expect", [{}, {"is": 1}, {"fields": {"a": {}}}])
def test_an_expectation_that_cannot_fail_is_refused(expect):
    with pytest.raises(ValueError, match="operator"):
        probing.unmet({"a": 1}, expect)


@given(st.lists(st.text()), st.lists(st.text()))
def test_same_set_is_both_ways_and_blind_to_order(found, want):
    assert (probing.unmet(found, {"same_set": want}) == "") is (set(found) == set(want))


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (Unreadable("no right"), "error"),
        (Inapplicable("no audit subsystem"), "not_applicable"),
        (Absent("no sshd"), "fail"),
        (KeyError("x"), "error"),
    ],
)
def test_what_a_probe_raises_becomes_its_status(raised, status):
    def see(args, system):
        raise raised

    result = probing.run_probe(row(), {"see": see}, None, 5)
    assert result["status"] == status
    assert str(raised) in result["reason"]


def test_a_result_says_everything():
    result = probing.run_probe(row(), {"see": lambda args, system: Observation(2, "there")}, None, 5)
    assert isinstance(result.pop("took_ms"), int)
    assert result == {
        "probe_id": "p",
        "control": "HOST-04",
        "status": "fail",
        "expected": {"equals": 1},
        "found": 2,
        "where": "there",
        "reason": "is 2 instead of 1",
    }


def test_unknown_probe_and_unresolved_names_are_errors_and_never_run():
    def see(args, system):
        raise AssertionError("was run")

    assert probing.run_probe(row(probe="nothing"), {"see": see}, None, 5)["status"] == "error"
    result = probing.run_probe(row(unresolved=["$port"]), {"see": see}, None, 5)
    assert (result["status"], result["reason"]) == ("error", "the inventory gives no value for $port")


def test_a_hanging_probe_hides_no_other():
    def hang(args, system):
        try:
            time.sleep(60)
        except Exception as swallowed:  # what a careless probe would do
            return Observation(1, str(swallowed))

    registry = {"see": lambda args, system: Observation(1, "there"), "hang": hang}
    started = time.monotonic()
    results = probing.run_probes([row(), row(probe="hang"), row()], registry, None, 0.2)
    assert time.monotonic() - started < 5
    assert [result["status"] for result in results] == ["pass", "error", "pass"]
    assert results[1]["reason"] == "no answer within 0.2 s"


def test_no_limit_means_none():
    assert probing.run_probe(row(), {"see": lambda args, system: Observation(1, "")}, None, 0)["status"] == "pass"
