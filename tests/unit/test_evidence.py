# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence that tests write, and its merger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts import evidence as merger
from tests import evidence

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests import evidence as plugin
plugin.Recorder.__init__.__defaults__ = (Path("out"),)
evidence = plugin.evidence
pytest_addoption = plugin.add_option
pytest_configure = plugin.configure
"""
TESTS = """
import pytest

@pytest.fixture
def host(): return "vault"

@pytest.fixture
def dirty():
    yield
    raise RuntimeError("could not clean up")

@pytest.mark.evidence("HOST-02", "applied|proven")
@pytest.mark.evidence("PTM-11", "proven", hosts=["tessera"])
def test_good(host): pass

@pytest.mark.evidence("HOST-04", "proven")
def test_bad(host): assert 1 == 2

@pytest.mark.evidence("HOST-04", "applied")
def test_skipped(): pytest.skip("no nftables here")

@pytest.mark.evidence("HOST-06", "applied")
def test_unclean(dirty): pass

def test_many(evidence):
    evidence("HOST-02", "audited", host="jump")
    evidence("HOST-06", "audited", ok=False, host="jump")

def test_nothing_to_show(): pass
"""


def session(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the tests above in a session of their own and return what it wrote."""
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "test_it.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments]
    # Only what the session needs: the other plugins of this environment cost seconds each time.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(command, cwd=folder, check=False, capture_output=True, env=environment)
    (path,) = (folder / "out").iterdir()
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_a_session_writes_what_it_saw(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    written = session(tmp_path, "--evidence", "host", *arguments)
    assert written["scenario"] == "host"
    tests = {name.split("::")[1]: test for name, test in written["tests"].items()}
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_skipped": "skipped",
        "test_unclean": "failed",
        "test_many": "passed",
    }
    shown = {(c["control"], c["column"], *c["hosts"]) for c in tests["test_good"]["claims"]}
    assert shown == {("HOST-02", "applied", "vault"), ("HOST-02", "proven", "vault"), ("PTM-11", "proven", "tessera")}
    assert tests["test_skipped"]["reason"] == "no nftables here"
    assert [claim["ok"] for claim in tests["test_many"]["claims"]] == [True, False]


def test_sessions_of_a_scenario_add_up(tmp_path: Path) -> None:
    session(tmp_path, "-k", "test_good")
    written = session(tmp_path, "-k", "test_bad")
    assert (written["scenario"], len(written["tests"])) == ("tests", 2)


def test_a_column_there_is_not() -> None:
    with pytest.raises(ValueError, match="hoped"):
        evidence.claims("HOST-02", "applied|hoped", [])


def test_merge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session(tmp_path, "--evidence", "host")
    root = tmp_path / "root"
    (root / "build" / "report").mkdir(parents=True)
    (tmp_path / "out").rename(root / "build" / "evidence")
    (root / "catalog").mkdir()
    (root / "galaxy.yml").write_text("version: 0.1.0\n", encoding="utf-8")
    for identifier, done in (("HOST-02", True), ("HOST-04", True), ("MON-01", False)):
        text = json.dumps({"id": identifier, "implemented": done})
        (root / "catalog" / f"{identifier}.yml").write_text(text, encoding="utf-8")
    head = {"head": {"run_id": "r", "phase": "after", "programs": [{"name": "OpenBao"}]}}
    (root / "build" / "report" / "report.json").write_text(json.dumps(head), encoding="utf-8")
    assert merger.main(["--root", str(root)]) == 1
    assert "evidence: 0 of 2 controls, 3 of 8 columns" in capsys.readouterr().out
    merged = json.loads((root / "build" / "evidence.json").read_text(encoding="utf-8"))
    assert merged["head"]["programs"] == [{"name": "OpenBao"}]
    good = merged["HOST-02"]["applied"]
    assert good == {"ok": True, "missing": [], "tests": ["host: test_it.py::test_good"], "hosts": ["vault"]}
    assert merged["HOST-02"]["sabotaged"]["missing"] == ["no test claims it"]
    assert merged["HOST-04"]["applied"]["missing"] == ["skipped: host: test_it.py::test_skipped (no nftables here)"]
    assert merged["HOST-06"]["audited"]["missing"] == ["not shown: host: test_it.py::test_many on jump"]
    assert "MON-01" not in merged


def test_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "HOST-02.yml").write_text("{id: HOST-02, implemented: true}", encoding="utf-8")
    (tmp_path / "galaxy.yml").write_text("version: 0.1.0\n", encoding="utf-8")
    (tmp_path / "build" / "evidence").mkdir(parents=True)
    claims = evidence.claims("HOST-02", "applied|audited|proven|sabotaged", ["jump"])
    written = {"scenario": "s", "tests": {"t": {"outcome": "passed", "reason": "", "claims": claims}}}
    (tmp_path / "build" / "evidence" / "s.json").write_text(json.dumps(written), encoding="utf-8")
    assert merger.main(["--root", str(tmp_path)]) == 0
    assert "evidence: 1 of 1 controls, 4 of 4 columns" in capsys.readouterr().out
