# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report for people: one self-contained HTML page made from report.json."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ansible_collections.quorum.hardening.plugins.module_utils.picture import flow_rows, svg
from ansible_collections.quorum.hardening.plugins.module_utils.score import STATUSES, severity_rank
from ansible_collections.quorum.hardening.plugins.module_utils.scorecard import WORDS, percent
from ansible_collections.quorum.hardening.plugins.plugin_utils.provenance import ROOT

#: A sign for each status, so that colour is never the only difference.
SIGNS = {
    "fail": "\N{MULTIPLICATION SIGN}",
    "error": "!",
    "waived": "W",
    "not_implemented": "\N{WHITE CIRCLE}",
    "attested": "A",
    "pass": "\N{CHECK MARK}",
    "not_applicable": "\N{EN DASH}",
}


#: The families of the checklist, as headings of the matrix.
FAMILIES = {
    "HOST": "Host",
    "NODE": "GoQuorum client",
    "USER": "Users",
    "CONS": "Consortium",
    "MON": "Monitoring",
    "PTM": "Transaction manager and secret storage",
}


def _matrix(report: Mapping[str, Any]) -> tuple[list[str], dict[str, dict[str, Mapping[str, Any]]]]:
    """Return the columns of the matrix and its rows: control -> host -> result."""
    rows: dict[str, dict[str, Mapping[str, Any]]] = {}
    for item in report["results"]:
        seen = [{**said, "rank": STATUSES.index(said["status"])} for said in item["observations"]]
        ranked = {**item, "observations": seen, "rank": STATUSES.index(item["status"])}
        rows.setdefault(item["control"], {})[item["host"]] = ranked
    named = [host["name"] for host in report["hosts"]]
    others = sorted({host for row in rows.values() for host in row}.difference(named))
    return [*named, *others], rows


def _rank(items: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Return a key that puts the worst control first; equal ones keep the order of the checklist."""
    worst = min(items, key=lambda item: STATUSES.index(item["status"]))
    return STATUSES.index(worst["status"]), severity_rank(worst["severity"])


def _families(rows: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Return the rows of the matrix under the headings of the checklist."""
    grouped: dict[str, list[tuple[str, Any]]] = {}
    for control, row in rows.items():
        grouped.setdefault(control.split("-", 1)[0], []).append((control, row))
    return [(FAMILIES.get(family, family), members) for family, members in grouped.items()]


def _hosts_said(report: Mapping[str, Any]) -> str:
    return ", ".join(f"{host['name']} ({', '.join(host['duties'])})" for host in report["hosts"])


def render(report: Mapping[str, Any], root: str = ROOT) -> str:
    """Return the page. Raises jinja2.TemplateError when the report lacks something the page shows."""
    folder = os.path.join(root, "playbooks", "templates", "report")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, words=lambda status: WORDS.get(status, status))
    hosts, rows = _matrix(report)
    ranked = sorted(rows.items(), key=lambda pair: _rank(pair[1].values()))
    return environment.get_template("report.html.j2").render(
        report=report,
        head=report["head"],
        hosts=hosts,
        families=_families(rows),
        ranked_rows=ranked,
        hosts_said=_hosts_said(report),
        statuses=STATUSES,
        signs=SIGNS,
        picture=svg(report["picture"]),
        flows=flow_rows(report["picture"]),
        style=_part(folder, "style.css"),
        script=_part(folder, "script.js"),
    )


def _part(folder: str, name: str) -> str:
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()
