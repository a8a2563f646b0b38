# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as files for machines: ``report.json``, JUnit and SARIF. The page for people is made from the first."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from ansible_collections.quorum.hardening.plugins.module_utils.redaction import safe
from ansible_collections.quorum.hardening.plugins.module_utils.score import Result, score

#: Version of the shape of report.json; docs/report.schema.json describes it.
FORMAT = 1
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://github.com/quorum-hardening/quorum.hardening"

_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
#: SARIF lets only a result of kind "fail" carry a level; "open" is what could not be decided.
_KINDS = {
    "fail": "fail",
    "waived": "fail",
    "error": "open",
    "not_implemented": "open",
    "attested": "informational",
    "pass": "pass",
    "not_applicable": "notApplicable",
}
_RANKS = {"critical": 95.0, "high": 75.0, "medium": 50.0, "low": 25.0}
#: What XML 1.0 cannot carry, not even escaped.
_CONTROL_CHARACTERS = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def controls_of(catalogue: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Return what the report says about each control it has results for: id -> title, statement, why and so on."""
    reported = {result.control for result in results}
    keys = ("title", "statement", "why", "kind", "severity", "sources", "nist", "cis", "implemented")
    return {
        str(record["id"]): {key: record[key] for key in keys if key in record}
        for record in catalogue
        if record["id"] in reported
    }


def document(
    *,
    head: Mapping[str, Any],
    catalogue: Sequence[Mapping[str, Any]],
    hosts: Mapping[str, Sequence[str]],
    results: Sequence[Result],
    findings: Sequence[Mapping[str, Any]],
    waivers: Sequence[Mapping[str, Any]],
    attestations: Sequence[Mapping[str, Any]],
    picture: Mapping[str, Any],
) -> dict[str, Any]:
    """Return one phase of the report as plain JSON data (docs/report.md), every text redacted and cut.

    ``hosts``: name -> duties. ``scores`` holds the score of this phase under its name; the other is None.
    """
    phases: dict[str, Any] = {"before": None, "after": None}
    phases[str(head["phase"])] = score(result.status for result in results).to_dict()
    plain: dict[str, Any] = safe(
        {
            "format": FORMAT,
            "head": head,
            "scores": phases,
            "hosts": [{"name": name, "duties": list(duties)} for name, duties in hosts.items()],
            "controls": controls_of(catalogue, results),
            "results": [result.to_dict() for result in results],
            "findings": findings,
            "waivers": waivers,
            "attestations": attestations,
        }
    )
    # The picture is made of addresses and names of the inventory; cutting those would make it false.
    return {**plain, "picture": dict(picture)}


def compare(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the report to show for the phases kept: the later one, with both scores and each cell's earlier status.

    Each of ``results`` gets ``before``: its status in the phase before, None where there is none.
    Raises ValueError when there is neither.
    """
    latest = after or before
    if latest is None:
        raise ValueError("there is no phase to report on")
    shown = dict(latest)
    earlier: dict[tuple[str, str], str] = {}
    if before is not None and after is not None:
        shown["scores"] = {"before": before["scores"]["before"], "after": after["scores"]["after"]}
        earlier = {(item["control"], item["host"]): item["status"] for item in before["results"]}
    shown["results"] = [{**item, "before": earlier.get((item["control"], item["host"]))} for item in latest["results"]]
    return shown


def to_json(report: Mapping[str, Any]) -> str:
    """Return the text of report.json."""
    return json.dumps(report, indent=2, sort_keys=False, ensure_ascii=False) + "\n"


def _xml(value: object) -> str:
    return _CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _said(item: Mapping[str, Any]) -> str:
    rows = [(name, item.get(name)) for name in ("expected", "found", "where", "reason", "probe", "source")]
    return "\n".join(f"{name}: {value}" for name, value in rows if value)


def to_junit(report: Mapping[str, Any]) -> str:
    """Return the report as JUnit XML: one suite per host, one test case per control.

    Waived and not applicable are skipped; not implemented too, with the words, since no run can mend it.
    """
    head, results = report["head"], report["results"]
    root = ElementTree.Element("testsuites", name="quorum.hardening", time="0")
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for host in dict.fromkeys(item["host"] for item in results):
        cases = [item for item in results if item["host"] == host]
        suite = ElementTree.SubElement(root, "testsuite", name=_xml(host), hostname=_xml(host), time="0")
        suite.set("timestamp", _xml(str(head.get("time", ""))[:19]))
        properties = ElementTree.SubElement(suite, "properties")
        for key in ("run_id", "collection_version", "commit", "phase"):
            ElementTree.SubElement(properties, "property", name=key, value=_xml(head.get(key) or ""))
        for program in head.get("programs", ()):
            said = f"{program['version']} ({program['kind']})".strip()
            ElementTree.SubElement(properties, "property", name=f"program.{_xml(program['name'])}", value=_xml(said))
        counts = dict.fromkeys(totals, 0)
        for item in cases:
            counts["tests"] += 1
            outcome = _case(suite, report, item)
            if outcome:
                counts[outcome] += 1
        for key, number in counts.items():
            suite.set(key, str(number))
            totals[key] += number
    for key, number in totals.items():
        root.set(key, str(number))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, report: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    """Append one test case and return the counter it belongs to, '' for a success."""
    title = report["controls"].get(item["control"], {}).get("title", "")
    name = _xml(f"{item['control']} {title}".strip())
    case = ElementTree.SubElement(suite, "testcase", classname=_xml(item["host"]), name=name, time="0")
    status, detail = item["status"], _xml(_said(item))
    brief = _xml(item["reason"] or f"expected {item['expected']}, found {item['found']}")
    if status == "fail":
        ElementTree.SubElement(case, "failure", type=item["severity"], message=brief).text = detail
        return "failures"
    if status == "error":
        ElementTree.SubElement(case, "error", type="probe", message=brief).text = detail
        return "errors"
    if status in ("waived", "not_applicable", "not_implemented"):
        said = f"{status.replace('_', ' ')}: {item['reason']}".strip(": ")
        ElementTree.SubElement(case, "skipped", message=_xml(said))
        return "skipped"
    ElementTree.SubElement(case, "system-out").text = detail
    return ""


def to_sarif(report: Mapping[str, Any]) -> str:
    """Return the report as SARIF 2.1.0: a rule per control, a result per control and host, waivers as suppressions."""
    head, rules = report["head"], report["controls"]
    order = {identifier: number for number, identifier in enumerate(rules)}
    driver = {
        "name": "quorum.hardening",
        "version": str(head.get("collection_version") or "0"),
        "informationUri": HOME,
        "rules": [_rule(identifier, record) for identifier, record in rules.items()],
    }
    errors = [item for item in report["results"] if item["status"] == "error"]
    notes = [{"level": "error", "message": {"text": f"{e['control']} on {e['host']}: {_brief(e)}"}} for e in errors]
    invocation = {"executionSuccessful": not errors, "toolExecutionNotifications": notes}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"quorum.hardening/{head.get('phase')}/{head.get('run_id')}"},
        "invocations": [invocation],
        "results": [_finding(item, order) for item in report["results"]],
        "properties": {"head": dict(head), "scores": report["scores"]},
    }
    sarif = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(sarif, indent=2, ensure_ascii=False) + "\n"


def _brief(item: Mapping[str, Any]) -> str:
    said = item["reason"]
    if item["expected"] or item["found"]:
        said = f"{said} Expected {item['expected'] or 'nothing'}, found {item['found'] or 'nothing'}.".strip()
    return said or str(item["status"])


def _rule(identifier: str, record: Mapping[str, Any]) -> dict[str, Any]:
    severity = str(record.get("severity") or "medium")
    statement = str(record.get("statement") or record.get("title") or identifier)
    return {
        "id": identifier,
        "shortDescription": {"text": str(record.get("title") or identifier)},
        "fullDescription": {"text": statement},
        "help": {"text": str(record.get("why") or statement)},
        "defaultConfiguration": {"level": _LEVELS.get(severity, "warning"), "rank": _RANKS.get(severity, 50.0)},
        "properties": {"tags": [*record.get("nist", ()), *record.get("cis", ())], "severity": severity},
    }


def _finding(item: Mapping[str, Any], order: Mapping[str, int]) -> dict[str, Any]:
    kind = _KINDS[item["status"]]
    place = {"name": item["host"], "fullyQualifiedName": f"{item['host']}/{item['where']}".rstrip("/"), "kind": "host"}
    result: dict[str, Any] = {
        "ruleId": item["control"],
        "ruleIndex": order.get(item["control"], -1),
        "kind": kind,
        "level": _LEVELS.get(item["severity"], "warning") if kind == "fail" else "none",
        "message": {"text": f"{item['host']}: {_brief(item)}"},
        "locations": [{"logicalLocations": [place]}],
        "partialFingerprints": {"controlOnHost/v1": f"{item['control']}@{item['host']}"},
        "properties": {key: item[key] for key in ("status", "expected", "found", "where", "probe", "source")},
    }
    if item["status"] == "waived" and item["waiver"]:
        waiver = item["waiver"]
        said = f"{waiver['reason']} (owner {waiver['owner']}, ends {waiver['ends']})"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": said}]
    return result
