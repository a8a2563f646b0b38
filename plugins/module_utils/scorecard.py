# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The score card: the report in at most 25 lines of a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.score import STATUSES, severity_rank

#: Never more lines than this, whatever there is to say.
LINES = 25
#: How a status reads aloud.
WORDS = {status: status.replace("_", " ") for status in STATUSES}


def percent(value: object) -> str:
    """Return a score as text: ``83.3 %``, and an em dash where there is none."""
    return f"{float(value):.1f} %" if isinstance(value, (int, float)) else "\N{EM DASH}"


def program(entry: Mapping[str, Any]) -> str:
    """Return a program of the head as text: name, version, and whether it is the real one."""
    version = f" {entry['version']}" if entry.get("version") else ""
    note = f"; {entry['note']}" if entry.get("note") else ""
    return f"{entry['name']}{version} ({entry['kind']}{note})"


def _moves(report: Mapping[str, Any], name: str) -> str:
    before, after = report["scores"].get("before"), report["scores"].get("after")
    if before and after:
        return f"{percent(before[name])} \N{RIGHTWARDS ARROW} {percent(after[name])}"
    return percent((after or before or {}).get(name))


def _clip(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _failing(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    bad = [item for item in report["results"] if item["status"] in ("fail", "error")]
    return sorted(bad, key=lambda item: (severity_rank(item["severity"]), item["status"] != "fail", item["control"]))


def _worst(report: Mapping[str, Any], room: int, width: int) -> list[str]:
    """Return the worst failing controls, one line per host, as many as there is room for."""
    by_host: dict[str, list[Mapping[str, Any]]] = {}
    for item in _failing(report):
        by_host.setdefault(item["host"], []).append(item)
    if not by_host:
        return ["  nothing fails"]
    longest = max(len(host) for host in by_host)
    lines = []
    for host, items in by_host.items():
        ids = ", ".join(item["control"] + ("?" if item["status"] == "error" else "") for item in items)
        title = report["controls"].get(items[0]["control"], {}).get("title", "")
        said = ids if len(items) > 1 else f"{ids} {title}"
        lines.append(_clip(f"  {host:<{longest}}  {said}", width))
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], f"  and {len(lines) - room + 1} more hosts"]


def card(report: Mapping[str, Any], page: str, width: int = 100) -> list[str]:
    """Return the lines of the score card, at most :data:`LINES` of them, none longer than ``width``.

    report: what ``outputs.compare`` returns. page: where the page for people is.
    """
    head = report["head"]
    commit = f" ({head['commit']})" if head.get("commit") else ""
    latest = report["scores"].get("after") or report["scores"].get("before") or {"counts": {}}
    counts = [
        f"{latest['counts'][status]} {WORDS[status]}" for status in reversed(STATUSES) if status in latest["counts"]
    ]
    top = [
        f"quorum.hardening {head.get('collection_version', '')}{commit} {head['phase']}, run {head['run_id']}",
        "\N{BOX DRAWINGS LIGHT HORIZONTAL}" * min(width, 78),
        f"  strict    {_moves(report, 'strict')}",
        f"  accepted  {_moves(report, 'accepted')}",
        f"  {len(report['hosts'])} hosts: {', '.join(count for count in counts if not count.startswith('0 '))}",
    ]
    programs = [f"  {program(entry)}" for entry in head.get("programs", ())][:5]
    ending = [f"  waivers: {len(report['waivers'])}"] if report["waivers"] else []
    soon = [w for w in report["waivers"] if w.get("days_left", 0) <= 14]
    if soon:
        listed = ", ".join(f"{w['control']} {'ended' if w['days_left'] < 0 else 'ends'} {w['ends']}" for w in soon)
        ending = [f"  waivers: {len(report['waivers'])}, of which {listed}"]
    bottom = [*ending, f"  page      {page}"]
    room = LINES - len(top) - len(programs) - len(bottom) - 1
    lines = [*top, *programs, "  failing (? = could not be looked at):", *_worst(report, room, width), *bottom]
    return [_clip(line, width) for line in lines]
