# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue's files and the choice of probes."""

from __future__ import annotations

import json
import pathlib
import re

import jsonschema
import pytest
import yaml

from ansible_collections.quorum.hardening.plugins.module_utils import catalog
from ansible_collections.quorum.hardening.plugins.module_utils.judge import RULES
from ansible_collections.quorum.hardening.plugins.module_utils.probes_all import probes_for
from ansible_collections.quorum.hardening.plugins.module_utils.probing import OPERATORS

FOLDER = pathlib.Path(__file__).parents[2] / "catalog"
RECORDS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))}
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
SKELETON = {
    "HOST-01", "HOST-02", "HOST-03", "HOST-04", "HOST-05", "HOST-06", "HOST-07", "NODE-01", "NODE-04", "NODE-05",
    "NODE-06", "NODE-09", "CONS-03", "PTM-01", "PTM-06", "PTM-09", "PTM-10", "PTM-11", "PTM-13",
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_file_meets_the_schema(name):
    jsonschema.Draft202012Validator(SCHEMA).validate(RECORDS[name])


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_id_of_the_checklist_and_no_other():
    assert set(RECORDS) == set(catalog.IDS)
    assert len(catalog.IDS) == 53


def test_the_catalogue_is_consistent():
    assert catalog.problems(RECORDS, probes_for(), OPERATORS) == []


def test_operators_of_schema_and_code_are_the_same():
    assert set(SCHEMA["$defs"]["expect"]["properties"]) == set(OPERATORS)


def test_every_probe_function_is_used():
    used = {probe["probe"] for record in RECORDS.values() for probe in record.get("probes", [])}
    assert used == set(probes_for())


def test_guards_are_rules_of_the_preflight_that_serve_the_control():
    rules = {rule.name: rule.controls for rule in RULES}
    for name, record in RECORDS.items():
        for guard in record.get("guards", []):
            assert guard in rules, f"{name}: {guard}"


def test_what_is_implemented():
    assert {name for name, record in RECORDS.items() if record["implemented"]} == SKELETON


def test_sources_name_what_the_checklist_says():
    for name, record in RECORDS.items():
        numbers = {source[:3] for source in record["sources"]}
        if name.startswith(("HOST", "USER")):
            assert numbers == {"000", "001"}
        elif name.startswith(("CONS", "MON")):
            assert numbers == {"001"}
        elif name.startswith("PTM"):
            assert numbers == {"001", "002"}
        else:
            assert numbers in ({"000", "001"}, {"000"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "HOST-99"}, "its id is"),
        ({"probes": [{"id": "a", "probe": "nothing", "expect": {"equals": 1}}]}, "there is no probe"),
        (
            {"probes": [{"id": "a", "probe": "file_facts", "expect": {"fields": {"x": {"is": 1}}}}]},
            "unknown operator is",
        ),
        ({"probes": [{"id": "a", "probe": "file_facts", "expect": {"each": {"was": 1}}}]}, "unknown operator was"),
        ({"probes": [{"id": "ptm-13-limits", "probe": "file_facts", "expect": {"equals": 1}}] * 2}, "is in"),
        ({"sabotage": [{"id": "s", "breaks": ["HOST-99", "HOST-01"]}]}, "breaks unknown HOST-99"),
        ({"sabotage": [{"id": "s", "breaks": ["HOST-02"]}]}, "does not break HOST-01 itself"),
        ({"implemented": True, "probes": [], "guards": []}, "nothing looks at it"),
    ],
)
def test_problems_are_named(change, said):
    bare = {**RECORDS["HOST-01"], "implemented": False, "probes": [], "guards": [], "sabotage": []}
    records = {**RECORDS, "HOST-01": {**bare, **change}}
    assert any(said in line for line in catalog.problems(records, probes_for(), OPERATORS))


def test_missing_and_strange_files_are_named():
    records = {name: record for name, record in RECORDS.items() if name != "PTM-14"}
    records["ZZZ-01"] = {"id": "ZZZ-01"}
    lines = catalog.problems(records, probes_for(), OPERATORS)
    assert "PTM-14: no file" in lines
    assert "ZZZ-01: not an id of the checklist" in lines


def test_order_is_the_checklist_s():
    mixed = [{"id": "ZZ"}, *reversed(list(RECORDS.values()))]
    assert [record["id"] for record in catalog.in_order(mixed)] == [*catalog.IDS, "ZZ"]


@pytest.mark.parametrize(
    ("tags", "ids"),
    [
        (["host-04"], ["HOST-04"]),
        (["all"], []),
        (["PTM-06", "always", "Host-02"], ["HOST-02", "PTM-06"]),
        (["cons-04a"], ["CONS-04a"]),
        (["mon-02"], [f"MON-02{letter}" for letter in "abcdef"]),
    ],
)
def test_tags_name_controls(tags, ids):
    assert catalog.controls_of(tags) == ids


CONTEXT = {"duties": ["vault"], "port": 8200, "names": ["a", "b"], "pair": ("x", "y"), "legs": {"m": ["1"], "s": "2"}}


@pytest.mark.parametrize(
    ("value", "solved"),
    [
        ("$port", 8200),
        (["$port", "$names", "c"], [8200, "a", "b", "c"]),
        ({"a": {"b": "$names"}}, {"a": {"b": ["a", "b"]}}),
        ("$legs.s", "2"),
        ("$legs.*", ["1", "2"]),
        ("$pair", ["x", "y"]),
        (":22$", ":22$"),
        ("costs $port", "costs $port"),
        (None, None),
        ([["$names"]], [["a", "b"]]),
    ],
)
def test_references_are_resolved(value, solved):
    missing = set()
    assert catalog.resolve(value, CONTEXT, missing) == solved
    assert not missing


@pytest.mark.parametrize("value", ["$nothing", "$legs.x", "$port.more", ["$nothing"]])
def test_what_the_inventory_lacks_is_named(value):
    missing = set()
    catalog.resolve(value, CONTEXT, missing)
    assert missing


def test_probes_of_a_host_follow_its_duty_and_the_controls_asked_for():
    records = list(RECORDS.values())
    everything = catalog.probes_for(records, {"duties": ["goquorum"]})
    assert {row["control"] for row in everything} == SKELETON - {"PTM-01", "PTM-06", "PTM-09", "PTM-10", "PTM-11"}
    chosen = catalog.probes_for(records, {"duties": ["vault"]}, ["HOST-02", "NODE-01"])
    assert {row["control"] for row in chosen} == {"HOST-02"}
    assert "host-02-onward" not in {row["id"] for row in chosen}


def test_a_probe_without_its_values_says_so():
    rows = {row["id"]: row for row in catalog.probes_for(RECORDS.values(), {"duties": ["database"]})}
    assert rows["host-04-rules"]["unresolved"] == ["$ruleset"]
    assert "unresolved" not in rows["host-04-policies"]


def test_every_name_is_one_that_the_model_gives():
    source = (FOLDER.parent / "plugins" / "module_utils" / "audit_context.py").read_text(encoding="utf-8")
    # The playbook adds the keys, which only the audit wants to know.
    given = set(re.findall(r'^        "([a-z0-9_]+)":', source, re.MULTILINE))
    for name, record in RECORDS.items():
        used = set(re.findall(r"'\$([a-z_][a-z0-9_]*)", repr(record.get("probes", []))))
        assert used <= given, name


def test_not_limited_means_everywhere():
    assert catalog.serves([], ["vault"])
    assert catalog.serves(None, [])
    assert catalog.serves(["all", "consortium"], ["vault"])
    assert not catalog.serves(["consortium"], ["vault"])
