# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.json, JUnit and SARIF; and that no secret comes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import outputs
from ansible_collections.quorum.hardening.plugins.module_utils.redaction import LONGEST, cut, redact, safe
from tests.unit.report_sample import PICTURE, phase, report

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBqY\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("PermitRootLogin no", "PermitRootLogin no"),
        (f"key: {PEM} end", "key: [ec private key removed] end"),
        ("-----BEGIN PRIVATE KEY-----\nMHcC", "[private key removed]"),
        (
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----",
            "[pgp private key block removed]",
        ),
        ("AGE-SECRET-KEY-1QQPQ", "[age key removed]"),
        ("token s.abcdefghijklmnopqrstuvwx", "token [token removed]"),
        ("hvs.CAESIabcdefghijklmnop-_123", "[token removed]"),
        ("postgresql://tessera:geheim@db:5432/x", "postgresql://tessera:[removed]@db:5432/x"),
        ('{"password": "geheim"}', '{"password": [removed]}'),
        ("secret_id=0815-4711 rest", "secret_id=[removed] rest"),
        ("0x" + "ab" * 32, "0xabababab…"),
        ("enode://" + "0123456789abcdef" * 8 + "@198.18.1.21:30303", "enode://01234567…@198.18.1.21:30303"),
        ("/var/lib/goquorum/data/geth/nodekey", "/var/lib/goquorum/data/geth/nodekey"),
        (
            "/usr/lib/a-very-long-directory/of-a-package/With2Names",
            "/usr/lib/a-very-long-directory/of-a-package/With2Names",
        ),
        ("z" * 60, "z" * 60),
        ("AAAAC3NzaC1lZDI1NTE5AAAAIG" + "9" * 42, "AAAAC3…[68 characters removed]"),
    ],
)
def test_redact(value: str, expected: str) -> None:
    assert redact(value) == expected


def test_cut() -> None:
    assert cut("x" * LONGEST) == "x" * LONGEST
    assert cut("x" * (LONGEST + 3)).endswith("… (3 more characters)")


def test_safe_reaches_into_structures() -> None:
    assert safe({"a": [PEM, 1, None, True], 2: ("x",)}) == {
        "a": ["[ec private key removed]", 1, None, True],
        "2": ["x"],
    }


def test_report_follows_its_schema() -> None:
    for made in (report(), outputs.compare(phase("before"), None), outputs.compare(None, phase("after"))):
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(outputs.to_json(made)))


def test_report_has_every_status_and_both_scores() -> None:
    made = report()
    assert {item["status"] for item in made["results"]} == set(SCHEMA["$defs"]["status"]["enum"])
    assert made["scores"]["before"]["strict"] < made["scores"]["after"]["strict"] < made["scores"]["after"]["accepted"]
    assert made["head"]["phase"] == "after"
    before = {(item["control"], item["host"]): item["before"] for item in made["results"]}
    assert before["HOST-02", "jump"] == "fail"


def test_one_result_for_each_control_on_a_host() -> None:
    places = [(item["control"], item["host"]) for item in report()["results"]]
    assert len(places) == len(set(places))


def test_a_single_phase_has_nothing_to_compare() -> None:
    made = outputs.compare(phase("before"), None)
    assert made["scores"]["after"] is None
    assert {item["before"] for item in made["results"]} == {None}


def test_no_phase_at_all() -> None:
    with pytest.raises(ValueError, match="no phase"):
        outputs.compare(None, None)


def test_no_secret_in_any_file() -> None:
    made = outputs.compare(None, phase("after", found=PEM))
    for text in (outputs.to_json(made), outputs.to_junit(made), outputs.to_sarif(made)):
        assert "MHcCAQ" not in text
        assert "private key removed" in text


def test_the_picture_stays_whole() -> None:
    assert report()["picture"] == PICTURE


def test_junit() -> None:
    made = report()
    root = ElementTree.fromstring(outputs.to_junit(made))
    cases = root.findall("testsuite/testcase")
    assert len(cases) == len(made["results"]) == int(root.get("tests", ""))
    by_place = {(case.get("classname"), (case.get("name") or "").split()[0]): case for case in cases}
    expected = {
        ("jump", "HOST-02"): ["system-out"],
        ("vault", "HOST-02"): ["skipped"],
        ("validator1", "HOST-02"): ["skipped"],
        ("validator1", "NODE-04"): ["failure"],
        ("validator2", "NODE-04"): ["error"],
        ("vault", "MON-01"): ["skipped"],
        ("consortium", "CONS-06"): ["system-out"],
    }
    for place, tags in expected.items():
        assert [child.tag for child in by_place[place]] == tags, place
    assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("1", "2", "3")
    suite = root.find("testsuite[@name='vault']")
    assert suite is not None
    assert {p.get("name"): p.get("value") for p in suite.iter("property")}["phase"] == "after"


def test_junit_survives_characters_that_xml_forbids() -> None:
    made = outputs.compare(None, phase("after", found="bell \x07 <tag> & \x1b[31m"))
    root = ElementTree.fromstring(outputs.to_junit(made))
    said = root.find("testsuite/testcase/failure")
    assert said is not None
    assert "bell \ufffd <tag> &" in (said.text or "")


def check_sarif(log: dict[str, Any]) -> None:
    """Check what the standard (2.1.0) asks of the parts that are used."""
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    for run in log["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        for rule in rules:
            assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
            assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
            assert 0 <= rule["defaultConfiguration"]["rank"] <= 100
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["kind"] in ("pass", "open", "informational", "notApplicable", "review", "fail")
            assert (result["level"] == "none") == (result["kind"] != "fail")
            assert result["message"]["text"]
            (location,) = result["locations"]
            (place,) = location["logicalLocations"]
            assert place["fullyQualifiedName"].startswith(place["name"])
            for suppression in result.get("suppressions", ()):
                assert suppression["kind"] in ("inSource", "external")
                assert suppression["status"] == "accepted"
        assert isinstance(run["invocations"][0]["executionSuccessful"], bool)


def test_sarif() -> None:
    log = json.loads(outputs.to_sarif(report()))
    check_sarif(log)
    by_place = {r["partialFingerprints"]["controlOnHost/v1"]: r for r in log["runs"][0]["results"]}
    assert (by_place["NODE-04@validator1"]["kind"], by_place["NODE-04@validator1"]["level"]) == ("fail", "error")
    assert by_place["HOST-02@vault"]["suppressions"][0]["justification"] == "Move. (owner Ada, ends 2026-12-01)"
    assert by_place["MON-01@vault"]["kind"] == "open"
    assert log["runs"][0]["invocations"][0]["executionSuccessful"] is False
    assert log["runs"][0]["properties"]["head"]["programs"][0]["kind"] == "stand-in"


def test_sarif_says_something_of_a_bare_result() -> None:
    made = report()
    made["results"] = [{**made["results"][0], "reason": "", "expected": "", "found": ""}]
    log = json.loads(outputs.to_sarif(made))
    assert log["runs"][0]["results"][0]["message"]["text"] == "jump: pass"
