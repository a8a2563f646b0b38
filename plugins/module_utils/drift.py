# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit that a host does by itself, from a timer: the probes of the catalogue, without a controller.

Leaves its last result as JSON and as gauges for Prometheus, and says in the journal which control changed its status.
Packed by :mod:`bundle` it is a program of its own, so it uses the standard library alone.
"""

from __future__ import annotations

import datetime
import grp
import json
import os
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .probes_all import probes_for
from .probing import ERROR, FAILED, NOT_APPLICABLE, PASSED, Registry, run_probes
from .redaction import safe
from .score import worst
from .system import System
from .tree import digest
from .undo_restore import read_json, write_durable

EXPECTATIONS = "/etc/quorum.hardening/audit.json"
STATE = "/var/lib/quorum.hardening/audit"
GROUP = "quorum-metrics"
TIMEOUT = 15.0
#: Value of the gauge by status: the larger, the worse.
VALUES = {PASSED: 0, NOT_APPLICABLE: 1, ERROR: 2, FAILED: 3}
#: Priorities of the journal, as a service writes them in front of a line.
NOTICE, WARNING = "<5>", "<4>"


def controls(results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Status of each control: the worst of its probes."""
    seen: dict[str, list[str]] = {}
    for result in results:
        seen.setdefault(str(result["control"]), []).append(str(result["status"]))
    return {control: worst(statuses) for control, statuses in sorted(seen.items())}


def document(
    results: Sequence[Mapping[str, Any]], host: str, finished: str, seconds: float, expectations: str
) -> dict[str, Any]:
    """The result as it is kept: no secret in it, and nothing endless."""
    return {
        "version": 1,
        "host": host,
        "finished": finished,
        "seconds": round(seconds, 1),
        "expectations": expectations,
        "controls": controls(results),
        "results": [safe(result) for result in results],
    }


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    """Lines for the journal, one for each control whose status changed; a worsening is a warning.

    Of a first result, and of a control that is new, only what does not hold is worth a line.
    """
    old = dict((before or {}).get("controls", {}))
    lines = []
    for control, status in after["controls"].items():
        was = str(old.get(control, PASSED))
        if status == was or (control not in old and VALUES[status] <= VALUES[NOT_APPLICABLE]):
            continue
        worse = VALUES[status] > max(VALUES.get(was, 0), VALUES[NOT_APPLICABLE])
        lead = f"{control}: {status}, was {old.get(control, 'unknown')}"
        lines.append(f"{WARNING if worse else NOTICE}{lead}{_why(control, status, after['results'])}")
    gone = [control for control in old if control not in after["controls"]]
    return lines + [f"{NOTICE}{control}: no longer judged, was {old[control]}" for control in sorted(gone)]


def _why(control: str, status: str, results: Iterable[Mapping[str, Any]]) -> str:
    """The first reason for a status, on one line."""
    for result in results:
        if result["control"] == control and result["status"] == status and result["reason"]:
            return f": {result['probe_id']}: {' '.join(str(result['reason']).split())}"
    return ""


def metrics(result: Mapping[str, Any], moment: float) -> str:
    """The result as a text file for Prometheus; ``moment`` in seconds since the epoch."""
    counts = {status: list(result["controls"].values()).count(status) for status in VALUES}
    rows = [
        "# HELP quorum_control_status Status of a control: 0 pass, 1 not applicable, 2 error, 3 fail.",
        "# TYPE quorum_control_status gauge",
        *(f'quorum_control_status{{control="{name}"}} {VALUES[s]}' for name, s in result["controls"].items()),
        "# HELP quorum_controls Number of controls by status.",
        "# TYPE quorum_controls gauge",
        *(f'quorum_controls{{status="{status}"}} {number}' for status, number in counts.items()),
        "# HELP quorum_audit_finished_timestamp_seconds When the last audit ended.",
        "# TYPE quorum_audit_finished_timestamp_seconds gauge",
        f"quorum_audit_finished_timestamp_seconds {moment:.0f}",
        "# HELP quorum_audit_duration_seconds How long the last audit took.",
        "# TYPE quorum_audit_duration_seconds gauge",
        f"quorum_audit_duration_seconds {result['seconds']}",
    ]
    return "\n".join(rows) + "\n"


def audit(
    expectations: str = EXPECTATIONS, state: str = STATE, registry: Registry | None = None, system: System | None = None
) -> list[str]:
    """Look, write the result down, and give the lines for the journal.

    Raises OSError or ValueError where the expectations cannot be read or the result cannot be written.
    """
    with open(expectations, "rb") as handle:
        content = handle.read()
    begun = time.monotonic()
    probes = json.loads(content)["probes"]
    known = registry or probes_for(probe["probe"] for probe in probes)
    results = run_probes(probes, known, system or System(), TIMEOUT)
    now = datetime.datetime.now(datetime.timezone.utc)
    finished = now.isoformat(timespec="seconds")
    result = document(results, socket.gethostname(), finished, time.monotonic() - begun, digest(content))
    last = os.path.join(state, "last.json")
    lines = changes(_previous(last), result)
    owner = (os.geteuid(), _group())
    write_durable(last, (json.dumps(result, indent=1, sort_keys=True) + "\n").encode(), 0o640, owner)
    write_durable(os.path.join(state, "quorum-audit.prom"), metrics(result, now.timestamp()).encode(), 0o640, owner)
    return lines


def _previous(path: str) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except ValueError:
        return None  # cut short or altered: this run writes it anew


def _group() -> int:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return os.getegid()


def main() -> int:
    """Entry point of the program; gives its exit status. A control that does not hold is no failure of the audit."""
    try:
        lines = audit()
    except (OSError, ValueError, KeyError) as problem:
        sys.stderr.write(f"<3>the audit cannot be done: {problem}\n")
        return 1
    sys.stdout.write("".join(line + "\n" for line in lines))
    return 0
