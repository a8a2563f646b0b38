# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a benchmark's recommendations: each number once, and each answer points to what is there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from scripts import benchmark_page

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "catalog" / "benchmarks"
CIS = yaml.safe_load((FOLDER / "cis_debian12.yml").read_text(encoding="utf-8"))
CONTROLS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "catalog").glob("*.yml")}
LANDED = {row["path"] for row in yaml.safe_load((ROOT / "roles/host/overlay.yml").read_text(encoding="utf-8"))}
#: Section -> number of its recommendations in version 1.1.0.
SECTIONS = {"1": 64, "2": 43, "3": 18, "4": 29, "5": 71, "6": 62, "7": 23}
ids = pytest.mark.parametrize("row", CIS["rows"], ids=[row["numbers"][0] for row in CIS["rows"]])


def test_it_meets_its_schema() -> None:
    schema = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(CIS)


def test_every_recommendation_has_one_answer() -> None:
    numbers = [number for row in CIS["rows"] for number in row["numbers"]]
    assert [number for number, count in Counter(numbers).items() if count > 1] == []
    assert dict(Counter(number[0] for number in numbers)) == SECTIONS


@ids
def test_an_answer_points_to_what_is_there(row: dict[str, Any]) -> None:
    if "left_out" in row:
        return
    control = CONTROLS[row.get("control") or row["planned"]]
    if "planned" in row:
        return
    assert control["implemented"], "carried by a control that is not there yet: say planned"
    known = {probe["id"] for probe in control["probes"]}
    assert set(row.get("probes", ())) <= known
    assert set(row.get("overlay", ())) <= LANDED


@pytest.mark.parametrize("name", CONTROLS)
def test_no_control_claims_what_is_left_out(name: str) -> None:
    left_out = {number for row in CIS["rows"] if "left_out" in row for number in row["numbers"]}
    claimed = {one.partition(":")[2] for one in CONTROLS[name].get("cis", ()) if one.startswith("debian12:")}
    assert not claimed & left_out


def test_the_page_says_what_is_not_done() -> None:
    rows = [
        {
            "numbers": ["1.1.1"],
            "about": "A",
            "control": "HOST-01",
            "probes": ["p"],
            "reason": "R.",
            "disruption": "reload",
        },
        {"numbers": ["1.1.2", "1.1.3"], "about": "B", "planned": "HOST-03"},
        {"numbers": ["1.1.4"], "about": "C", "left_out": "Because."},
    ]
    text = benchmark_page.page({"benchmark": "Bench", "rows": rows}, "bench.yml")
    assert "1 carried, 2 planned, not there yet, 1 left out" in text
    assert "| 1.1.1 | A | [HOST-01](HOST-01.md) by `p`. R. May reload a service. |" in text
    assert "| 1.1.4 | C | **Left out.** Because. |" in text
