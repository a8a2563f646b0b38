# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the controls follow the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scripts import control_pages

RECORD = {
    "id": "HOST-02",
    "title": "SSH through jump hosts",
    "statement": "Only through | jump hosts.",
    "why": "Else anybody\ncomes in.",
    "kind": ["enforced"],
    "severity": "critical",
    "sources": ["000 Quorum clients, Host"],
    "duties": ["all"],
    "disruption": "reload",
    "implemented": True,
    "guards": ["jump-missing"],
    "probes": [{"id": "host-02-sshd", "why": "Is root refused?", "probe": "sshd", "expect": {"equals": "no"}}],
    "sabotage": [{"id": "host-02-open", "hosts": "vault", "script": "rm x\n", "breaks": ["HOST-02"], "why": "Haste."}],
}
PLAIN = {**RECORD, "id": "MON-01", "implemented": False, "guards": [], "probes": [], "sabotage": []}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "catalog").mkdir()
    for record in (PLAIN, RECORD):
        (tmp_path / "catalog" / f"{record['id']}.yml").write_text(yaml.safe_dump(record), encoding="utf-8")
    return tmp_path


def test_pages(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert control_pages.main(["--root", str(root), "--check"]) == 1
    assert not (root / "docs").exists()
    assert control_pages.main(["--root", str(root)]) == 0
    assert control_pages.main(["--root", str(root), "--check"]) == 0
    folder = root / "docs" / "controls"
    assert {path.name for path in folder.iterdir()} == {"README.md", "HOST-02.md", "MON-01.md"}
    page = (folder / "HOST-02.md").read_text(encoding="utf-8")
    for part in ("# HOST-02: SSH through jump hosts", "Else anybody comes in.", "| Severity | critical |", "rm x",
                 "- `jump-missing`", "**host-02-sshd** (`sshd`). Is root refused?", "may reload"):  # fmt: skip
        assert part in page
    assert "## " not in (folder / "MON-01.md").read_text(encoding="utf-8")
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert "2 controls, of which 1 are implemented" in index
    assert index.index("## Host") < index.index("## Monitoring")
    (folder / "OLD-01.md").touch()
    (folder / "MON-01.md").write_text("edited", encoding="utf-8")
    capsys.readouterr()
    assert control_pages.main(["--root", str(root), "--check"]) == 1
    assert capsys.readouterr().out.count("is not what the catalogue says") == 2
    control_pages.main(["--root", str(root)])
    assert "3 pages, 1 written, 1 removed" in capsys.readouterr().out
