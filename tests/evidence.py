# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence: what the tests showed about each control, written by the tests themselves.

A test says what it is evidence for by a mark (several are allowed) or, where one test looks at many controls, by the
fixture of the same name::

    @pytest.mark.evidence("HOST-02", "proven")
    def test_root_is_refused(host): ...

    def test_audit_agrees(evidence):
        for item in results:
            evidence(item["control"], "audited", ok=item["status"] == "pass", host=item["host"])

Columns: applied, audited, proven, sabotaged; several may be given as "applied|audited". What a session saw goes to
build/evidence/<scenario>.json, test by test, so that several sessions of one scenario add up; the scenario is
``--evidence``, or the one that Molecule names, or else the folder of the test. ``scripts/evidence.py`` merges.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

COLUMNS = ("applied", "audited", "proven", "sabotaged")
FOLDER = Path(__file__).resolve().parents[1] / "build" / "evidence"
#: Worst last: a test that passed but failed to clean up has failed.
OUTCOMES = ("passed", "skipped", "failed")


def claims(control: str, columns: str, hosts: list[str], ok: bool = True) -> list[dict[str, Any]]:
    """Return one claim per column. Raises ValueError for a column there is not."""
    wanted = columns.split("|")
    unknown = [column for column in wanted if column not in COLUMNS]
    if unknown:
        raise ValueError(f"no such column of evidence: {', '.join(unknown)}; there are {', '.join(COLUMNS)}")
    return [{"control": control, "column": column, "hosts": sorted(hosts), "ok": ok} for column in wanted]


def host_of(item: pytest.Item) -> list[str]:
    """Return the host a Testinfra test looks at, none for a test without one."""
    host = getattr(item, "funcargs", {}).get("host")
    if isinstance(host, str):
        return [host]
    backend = getattr(host, "backend", None)
    if backend is None:
        return []
    return [str(getattr(backend, "host", None) or backend.get_hostname()).rpartition("://")[2]]


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function ``(control, columns, ok=True, host="")`` that adds evidence from inside a test."""

    def add(control: str, columns: str, ok: bool = True, host: str = "") -> None:
        hosts = [host] if host else host_of(request.node)
        for claim in claims(control, columns, hosts, ok):
            request.node.user_properties.append(("evidence", claim))

    return add


class Recorder:
    """Collects the claims of a session with the outcomes of their tests; works under xdist too."""

    def __init__(self, scenario: str | None, folder: Path = FOLDER) -> None:
        self.scenario = scenario
        self.folder = folder
        self.tests: dict[str, dict[str, Any]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Hand the marks of a test over with its last report, when its fixtures are still known."""
        if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
            for mark in item.iter_markers("evidence"):
                hosts = list(mark.kwargs.get("hosts", ())) or host_of(item)
                item.user_properties += [("evidence", claim) for claim in claims(*mark.args, hosts)]
        report = yield
        report.user_properties = list(item.user_properties)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's phases, and its claims."""
        found = [value for name, value in report.user_properties if name == "evidence" and isinstance(value, dict)]
        if not found:
            return
        entry = self.tests.setdefault(report.nodeid, {"outcome": "passed", "reason": "", "claims": []})
        entry["claims"] = found
        if OUTCOMES.index(report.outcome) > OUTCOMES.index(entry["outcome"]):
            entry.update(outcome=report.outcome, reason=_reason(report))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was seen; a worker of xdist leaves that to the session it reports to."""
        if not self.tests or hasattr(session.config, "workerinput"):
            return
        scenarios: dict[str, dict[str, Any]] = {}
        for name, test in self.tests.items():
            scenario = self.scenario or Path(name.split("::")[0]).parent.name or "tests"
            scenarios.setdefault(scenario, {})[name] = test
        for scenario, tests in scenarios.items():
            self._write(scenario, tests)

    def _write(self, scenario: str, tests: dict[str, Any]) -> None:
        path = self.folder / f"{scenario}.json"
        kept: dict[str, Any] = {}
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))["tests"]
        self.folder.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(".tmp")
        content = {"scenario": scenario, "tests": {**kept, **tests}}
        staged.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        staged.replace(path)


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[-1]).removeprefix("Skipped: ")
    lines = str(report.longrepr).strip().splitlines()
    return lines[-1] if lines else ""


def add_option(parser: pytest.Parser) -> None:
    """Add the option that names the scenario."""
    parser.addoption("--evidence", default=os.environ.get("MOLECULE_SCENARIO_NAME"), metavar="SCENARIO",
                     help="write what the tests show about each control to build/evidence/SCENARIO.json")  # fmt: skip


def configure(config: pytest.Config) -> None:
    """Make the mark known, and record what carries it."""
    line = "evidence(control, columns, hosts=...): what a pass of this test shows, as applied|audited|proven|sabotaged"
    config.addinivalue_line("markers", line)
    config.pluginmanager.register(Recorder(config.getoption("--evidence")), "quorum-evidence")
