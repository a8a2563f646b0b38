# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers hold to the end of their last day, and change nothing but the reporting."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils import waivers
from ansible_collections.quorum.hardening.plugins.module_utils.score import Result, collect, score
from ansible_collections.quorum.hardening.plugins.module_utils.waivers import read_attestations, read_waivers

TODAY = datetime.date(2026, 11, 21)
HOSTS = {"vault": ["vault"], "validator1": ["goquorum"]}
RECORD = {"id": "HOST-02", "statement": "Jump hosts.", "implemented": True, "probes": [{"id": "p"}]}
PROMISE = {
    "id": "CONS-06",
    "statement": "Privacy.",
    "implemented": True,
    "kind": ["attested"],
    "duties": ["consortium"],
}
KNOWN = ["HOST-02", "CONS-06"]
DAYS = st.dates(datetime.date(2000, 1, 1), datetime.date(2100, 1, 1))


def waiver(**more: Any) -> dict[str, Any]:
    return {"control": "HOST-02", "hosts": ["vault"], "reason": "Move.", "owner": "Ada", "ends": "2026-12-31", **more}


def attestation(**more: Any) -> dict[str, Any]:
    whole = {"control": "CONS-06", "document": "privacy.pdf", "owner": "Ada", "approved": "2026-01-01"}
    return {**whole, "expires": "2026-12-31", **more}


def seen(vault: str = "fail", validator1: str = "pass") -> list[Result]:
    audits = {
        name: [{"probe_id": "p", "control": "HOST-02", "status": status, "reason": "Root may log in."}]
        for name, status in (("vault", vault), ("validator1", validator1))
    }
    return collect([RECORD], HOSTS, audits, [])


def applied(results: list[Result], *entries: dict[str, Any], today: datetime.date = TODAY) -> dict[str, Result]:
    good, problems = read_waivers(entries, KNOWN)
    assert problems == []
    return {result.host: result for result in waivers.apply(results, [RECORD], good, [], today)}


@given(ends=DAYS, today=DAYS)
def test_a_waiver_holds_to_the_end_of_its_last_day(ends: datetime.date, today: datetime.date) -> None:
    found = applied(seen(), waiver(ends=ends.isoformat()), today=today)
    assert found["vault"].status == ("waived" if today <= ends else "fail")
    assert found["vault"].waiver is not None
    assert found["vault"].waiver["days_left"] == (ends - today).days
    assert found["validator1"].status == "pass"
    assert ("consortium" in found) == (today > ends)


@given(ends=DAYS, today=DAYS)
def test_waiving_never_lowers_the_accepted_score_nor_lifts_the_strict_one(
    ends: datetime.date, today: datetime.date
) -> None:
    plain = score(result.status for result in seen())
    judged = score(result.status for result in applied(seen(), waiver(ends=ends), today=today).values())
    assert plain.strict is not None
    assert judged.strict is not None
    assert judged.strict <= plain.strict
    assert (judged.accepted == 100) == (today <= ends)


@pytest.mark.parametrize("status", ["pass", "error", "not_applicable"])
def test_only_a_failure_is_waived(status: str) -> None:
    assert applied(seen(status), waiver())["vault"].status == status


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (["vault"], "pass"),
        ("all", "waived"),
        (["all"], "waived"),
        (None, "waived"),
        ("validator1", "waived"),
        (5, "waived"),
    ],
)
def test_hosts_of_a_waiver(hosts: object, expected: str) -> None:
    found = applied(seen("pass", "fail"), waiver(hosts=hosts))
    assert found["validator1"].status == ("fail" if expected == "pass" else expected)


def test_an_expired_waiver_says_so_and_fails_on_consortium() -> None:
    found = applied(seen(), waiver(ends="2026-11-20"))
    assert "A waiver ended on 2026-11-20." in found["vault"].reason
    assert (found["consortium"].status, found["consortium"].found) == ("fail", "ended on 2026-11-20")
    assert found["consortium"].probe == "register/waiver"


def test_the_waiver_that_lasts_longest_counts() -> None:
    found = applied(seen(), waiver(ends="2026-11-01"), waiver(ends="2026-11-30", reason="Longer."))
    assert found["vault"].status == "waived"
    assert found["vault"].reason.endswith("Waived: Longer.")


def test_an_expired_waiver_of_a_control_not_reported_on_is_left_alone() -> None:
    good, _problems = read_waivers([waiver(ends="2020-01-01")], KNOWN)
    assert waivers.apply([], [RECORD], good, [], TODAY) == []


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("HOST-02", "is not a mapping"),
        (waiver(control="HOST-99"), "names no control of the catalogue"),
        (waiver(reason=" "), "has no reason"),
        (waiver(owner=None), "has no owner"),
        (waiver(ends=None), "has no date in ends"),
        (waiver(ends="soon"), "has no date in ends"),
        (waiver(ends="2026-02-30"), "has no date in ends"),
        (waiver(ends=20261231), "has no date in ends"),
    ],
)
def test_a_waiver_that_cannot_stand(entry: object, problem: str) -> None:
    good, problems = read_waivers([waiver(), entry], KNOWN)
    assert len(good) == 1
    assert [(p.variable, p.problem) for p in problems] == [("consortium_waivers[1]", problem)]
    finding = problems[0].to_finding()
    assert finding["host"] == "consortium"
    assert finding["advice"]


@pytest.mark.parametrize(
    "value", ["2026-12-31", " 2026-12-31 ", datetime.date(2026, 12, 31), datetime.datetime(2026, 12, 31, 23, 59)]
)
def test_parse_date(value: object) -> None:
    assert waivers.parse_date(value) == datetime.date(2026, 12, 31)


def promised(*entries: dict[str, Any], implemented: bool = True, today: datetime.date = TODAY) -> Result:
    record = {**PROMISE, "implemented": implemented}
    good, problems = read_attestations(entries, KNOWN)
    assert problems == []
    (result,) = waivers.apply(collect([record], HOSTS, {}, []), [record], [], good, today)
    return result


@given(approved=DAYS, expires=DAYS, today=DAYS)
def test_an_attestation_speaks_between_its_days(
    approved: datetime.date, expires: datetime.date, today: datetime.date
) -> None:
    result = promised(attestation(approved=approved, expires=expires), today=today)
    assert result.status == ("attested" if approved <= today <= expires else "fail")


def test_the_promise_names_its_document() -> None:
    result = promised(attestation(expires="2026-11-22"), attestation(document="newer.pdf", expires="2027-01-01"))
    assert (result.found, len(result.observations)) == ("newer.pdf", 1)


def test_no_document_no_promise() -> None:
    assert promised().status == "fail"


def test_a_promise_that_is_not_checked_yet_is_not_implemented() -> None:
    assert promised(attestation(), implemented=False).status == "not_implemented"


def test_an_expired_promise_fails_even_so() -> None:
    result = promised(attestation(expires="2026-01-02"), implemented=False)
    assert (result.status, result.found) == ("fail", "ended on 2026-01-02")


def test_an_attestation_that_cannot_stand() -> None:
    _good, problems = read_attestations([attestation(approved="")], KNOWN)
    assert problems[0].problem == "has no date in approved"


def test_plain_forms() -> None:
    good, _problems = read_attestations([attestation()], KNOWN)
    assert good[0].to_dict(TODAY)["days_left"] == 40
    assert good[0].to_dict(TODAY)["valid"] is True
