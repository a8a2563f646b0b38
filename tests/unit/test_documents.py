# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attested documents are read: a promise counts when its text is there and says what is asked for."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from consortium_sample import inventory, preflight

from ansible_collections.quorum.hardening.plugins.module_utils import documents, waivers
from ansible_collections.quorum.hardening.plugins.module_utils.documents import Reading, Topic
from ansible_collections.quorum.hardening.plugins.module_utils.entities import to_plain
from ansible_collections.quorum.hardening.plugins.module_utils.score import Result, collect
from ansible_collections.quorum.hardening.plugins.plugin_utils import attested

ROOT = Path(__file__).resolve().parents[2]
RECORDS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "catalog").glob("*.yml"))}
ASKED = {name: documents.topics(record) for name, record in RECORDS.items() if documents.topics(record)}
TEMPLATES = sorted((ROOT / "docs/templates").glob("*.md"))
TOPICS = (Topic("availability", ("availability", "uptime")), Topic("contact", ("contact",)))
WHOLE = """\
# Service level

## Uptime of the nodes
<!-- what is measured,
and how -->
Each node answers at 99.5 percent of all minutes.

### Contacts ###
Whoever is on call answers within one hour.
"""
TODAY = datetime.date(2026, 11, 21)


def promise(**more: Any) -> dict[str, Any]:
    row = {"control": "HOST-07", "document": "level.md", "owner": "Ada", "approved": "2026-01-01"}
    return {**row, "expires": "2027-01-31", **more}


def findings(reading: Reading | None, topics: tuple[Topic, ...] = TOPICS, **more: Any) -> list[Any]:
    read = {} if reading is None else {"level.md": reading}
    known = {"documents": read, "topics": {"HOST-07": topics}, "control_ids": frozenset()}
    return preflight(inventory(consortium_attestations=[promise(**more)]), **known)


def test_a_whole_document_is_no_finding() -> None:
    assert findings(Reading(WHOLE)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no section that says anything on availability, contact"),
        ("availability and contact are good, all of the time, everywhere", "availability, contact"),
        (WHOLE.replace("Contacts", "People"), "says anything on contact"),
        (WHOLE.replace("Whoever is on call answers within one hour.", "See above."), "says anything on contact"),
        (WHOLE.replace("Whoever", "<!-- Whoever").replace("hour.", "hour. -->"), "says anything on contact"),
        (WHOLE.replace("99.5 percent", "<fill in: percent>"), "1 place(s) that nobody has filled in (line 6: <fill"),
        (WHOLE + "TODO TBD FIXME TODO", "4 place(s)"),
    ],
)
def test_what_a_document_lacks_is_said(text: str, problem: str) -> None:
    (found,) = findings(Reading(text))
    assert problem in found.problem
    assert found.variable == "consortium_attestations[0].document"
    assert (found.controls, found.rule) == (("HOST-07",), "document")
    assert "docs/templates/HOST-07.md" in found.advice or "text itself" in found.advice


def test_what_cannot_be_read_is_a_finding() -> None:
    (found,) = findings(Reading(problem="cannot be read (No such file or directory)"))
    assert "No such file" in found.problem
    assert "or a URL" in found.advice


def test_what_nobody_has_looked_at_is_none() -> None:
    assert findings(None) == []


def test_a_control_without_topics_wants_a_text_and_nothing_left_open() -> None:
    assert findings(Reading("Anything."), topics=()) == []
    assert len(findings(Reading("<fill in: all>"), topics=())) == 1


def test_words_of_other_languages_are_no_marks() -> None:
    assert documents.left_open("todo está en orden") == []


@pytest.mark.parametrize(
    ("name", "url"), [("https://example.net/a", True), ("documents/a.md", False), ("C:/a.md", False), ("/a", False)]
)
def test_urls_are_told_from_paths(name: str, url: bool) -> None:
    assert documents.is_url(name) == url


def test_files_are_read_from_the_inventory_s_directory(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Ä text.")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF\xff\x00")
    (tmp_path / "large.md").write_bytes(b" " * (documents.LARGEST + 1))
    os.mkfifo(tmp_path / "pipe")
    names = ["a.md", "scan.pdf", "large.md", "none.md", "pipe", ".", str(tmp_path / "a.md"), "https://a/b", ""]
    found = attested.readings(names, str(tmp_path))
    assert found.pop("a.md") == found.pop(str(tmp_path / "a.md")) == Reading("Ä text.")
    problems = {name: reading.problem for name, reading in found.items()}
    assert problems == {
        "scan.pdf": "is no text in UTF-8",
        "large.md": "is larger than 1024 KiB, and so no text that somebody has signed",
        "none.md": "cannot be read (No such file or directory)",
        "pipe": "is no file",
        ".": problems["."],
    }
    assert problems["."]


def report(reading: Reading | None, **more: Any) -> Result:
    """The row of the report on a control that asks for a document, from preflight to promise."""
    record = {"id": "HOST-07", "kind": ["attested"], "duties": ["consortium"], "implemented": True, "probes": []}
    record["guards"] = ["document"]
    found = [to_plain(finding) for finding in findings(reading, **more)]
    promises, problems = waivers.read_attestations([promise(**more)], ["HOST-07"])
    assert problems == []
    (result,) = waivers.apply(collect([record], {}, {}, found), [record], [], promises, TODAY)
    return result


def test_a_promise_counts_when_its_text_holds() -> None:
    whole = report(Reading(WHOLE))
    assert whole.status == "attested"
    assert "judged by the preflight" in whole.reason
    assert report(Reading("")).status == "fail"
    assert report(Reading(problem="cannot be read")).status == "fail"
    assert report(Reading(WHOLE), expires="2026-11-20").status == "fail"
    assert report(Reading(WHOLE), approved="2026-11-22").status == "fail", "not yet approved"


def test_a_url_is_not_fetched_and_the_report_says_so() -> None:
    result = report(None, document="https://example.net/level")
    assert result.status == "attested"
    assert "not fetched" in result.reason


# --- the templates and the lab's example ---


def test_each_control_that_asks_for_topics_has_a_template() -> None:
    assert {path.stem for path in TEMPLATES} == set(ASKED)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_unfilled_is_refused_and_filled_in_is_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    open_places = documents.left_open(text)
    assert open_places
    for place in open_places:
        text = text.replace(place.partition(": ")[2], "what the member has agreed to do here")
    assert documents.left_open(text) == []
    assert documents.missing(text, ASKED[path.stem]) == []


@pytest.mark.parametrize("where", ["lab", "example"])
def test_documents_of_our_inventories_are_whole(where: str) -> None:
    folder = ROOT / "inventories" / where
    values = yaml.safe_load((folder / "group_vars/all/consortium.yml").read_text(encoding="utf-8"))
    promised = {row["control"]: row["document"] for row in values["consortium_attestations"]}
    assert set(promised) >= (set(ASKED) if where == "lab" else set())
    for control, name in promised.items():
        text = (folder / name).read_text(encoding="utf-8")
        assert documents.missing(text, ASKED[control]) == []
        assert documents.left_open(text) == []
