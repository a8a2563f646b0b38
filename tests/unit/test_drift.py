# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit that a host does by itself: result, lines for the journal, gauges, and the program it comes as."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import drift
from ansible_collections.quorum.hardening.plugins.module_utils.probing import (
    Absent,
    Args,
    Inapplicable,
    Observation,
    run_probes,
)
from ansible_collections.quorum.hardening.plugins.module_utils.system import System
from ansible_collections.quorum.hardening.plugins.plugin_utils.bundle import PACKAGE, bundle, imported, sources


def _value(args: Args, system: System) -> Observation:
    return Observation((system.read(str(args["path"])) or "").strip(), str(args["path"]))


def _absent(args: Args, system: System) -> Observation:
    raise Absent("nft is\nnot installed")


def _lacking(args: Args, system: System) -> Observation:
    raise Inapplicable("no audit subsystem")


REGISTRY = {"value": _value, "absent": _absent, "lacking": _lacking}


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "state").mkdir()
    (tmp_path / "value").write_text("right\n")
    probes = [
        {"id": "a-1", "control": "HOST-01", "probe": "value", "args": {"path": str(tmp_path / "value")}},
        {"id": "a-2", "control": "HOST-01", "probe": "lacking"},
        {"id": "b-1", "control": "HOST-04", "probe": "absent"},
    ]
    rows = [{**probe, "expect": {"equals": "right"}} for probe in probes]
    (tmp_path / "audit.json").write_text(json.dumps({"probes": rows}))
    return {
        "expectations": str(tmp_path / "audit.json"),
        "state": str(tmp_path / "state"),
        "registry": REGISTRY,
        "system": System(),
    }


def test_what_changes_is_said_once(place: dict[str, Any], tmp_path: Path) -> None:
    assert drift.audit(**place) == ["<4>HOST-04: fail, was unknown: b-1: nft is not installed"]
    assert drift.audit(**place) == []
    (tmp_path / "value").write_text("wrong\n")
    assert drift.audit(**place) == ["<4>HOST-01: fail, was pass: a-1: is 'wrong' instead of 'right'"]
    assert drift.audit(**place) == []
    (tmp_path / "value").write_text("right\n")
    assert drift.audit(**place) == ["<5>HOST-01: pass, was fail"]


def test_the_result_says_what_the_controllers_audit_says(place: dict[str, Any], tmp_path: Path) -> None:
    drift.audit(**place)
    last = tmp_path / "state/last.json"
    kept = json.loads(last.read_text())
    rows = json.loads((tmp_path / "audit.json").read_text())["probes"]
    told = run_probes(rows, REGISTRY, System(), 5)
    assert [(r["probe_id"], r["status"]) for r in kept["results"]] == [(r["probe_id"], r["status"]) for r in told]
    assert kept["controls"] == {"HOST-01": "pass", "HOST-04": "fail"}
    assert last.stat().st_mode & 0o777 == 0o640
    gauges = (tmp_path / "state/quorum-audit.prom").read_text()
    assert 'quorum_control_status{control="HOST-01"} 0\n' in gauges
    assert 'quorum_control_status{control="HOST-04"} 3\n' in gauges
    assert 'quorum_controls{status="fail"} 1\n' in gauges


def test_secrets_do_not_get_into_the_result() -> None:
    result = {"control": "A", "probe_id": "a", "status": "fail", "reason": "password=hunter22", "found": "x"}
    assert "hunter22" not in json.dumps(drift.document([result], "h", "now", 1.0, ""))


def test_controls_that_come_and_go() -> None:
    def document(**controls: str) -> dict[str, Any]:
        return {"controls": controls, "results": []}

    assert drift.changes(document(A="fail", B="error"), document(C="pass")) == [
        "<5>A: no longer judged, was fail",
        "<5>B: no longer judged, was error",
    ]
    assert drift.changes(document(A="pass"), document(A="not_applicable")) == ["<5>A: not_applicable, was pass"]
    assert drift.changes(document(A="fail"), document(A="error")) == ["<5>A: error, was fail"]
    assert drift.changes(document(A="error"), document(A="fail")) == ["<4>A: fail, was error"]


def test_a_broken_last_result_is_written_anew(place: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "state/last.json").write_text("{ cut sho")
    assert len(drift.audit(**place)) == 1
    (tmp_path / "state/last.json").write_text("[]")
    assert len(drift.audit(**place)) == 1


def test_the_program_says_why_it_cannot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def unreadable() -> list[str]:
        raise FileNotFoundError(2, "No such file or directory", "/etc/quorum.hardening/audit.json")

    monkeypatch.setattr(drift, "audit", unreadable)
    assert drift.main() == 1
    assert "<3>the audit cannot be done" in capsys.readouterr().err
    monkeypatch.setattr(drift, "audit", lambda: ["<4>A: fail, was pass"])
    assert drift.main() == 0
    assert capsys.readouterr().out == "<4>A: fail, was pass\n"


def test_without_its_group_the_result_is_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "GROUP", "no-such-group")
    assert drift._group() >= 0
    monkeypatch.setattr(drift, "GROUP", "root")
    assert drift._group() == 0


# --- the program ---


def test_every_build_gives_the_same_bytes_and_not_too_many() -> None:
    one = bundle("drift")
    assert one == bundle("drift")
    assert len(one) < 400_000


def test_imports_in_all_their_forms() -> None:
    text = f"""
from . import one, two as other
from .three import x
from {PACKAGE} import (
    four,
    five,
)
from {PACKAGE}.six import y
import json
from os import path
"""
    assert imported(text) == {"one", "two", "three", "four", "five", "six"}


def test_everything_that_is_needed_is_in() -> None:
    found = sources("drift")
    assert {"drift", "probes_all", "probing", "system", "undo_restore"} <= set(found)
    assert all("import ansible" not in text.replace(PACKAGE, "") for text in found.values())


def test_the_program_runs_alone(tmp_path: Path) -> None:
    program = tmp_path / "audit.pyz"
    program.write_bytes(bundle("drift"))
    code = (
        f"import sys; sys.path.insert(0, {str(program)!r}); from {PACKAGE} import drift; "
        f"drift.audit({str(tmp_path / 'e.json')!r}, {str(tmp_path)!r})"
    )
    (tmp_path / "e.json").write_text('{"probes": []}')
    # -S as well: nothing that is installed beside the standard library may be needed.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "last.json").read_text())["controls"] == {}
