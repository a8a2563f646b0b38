# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report action from its arguments to its files, and the page for people."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.quorum.hardening.plugins.action import report as action
from ansible_collections.quorum.hardening.plugins.modules import report as module
from ansible_collections.quorum.hardening.plugins.plugin_utils import page, provenance
from tests.unit.report_sample import CATALOGUE, PICTURE, WAIVERS, probe, report

FILES = {"index.html", "report.json", "junit.xml", "report.sarif"}
SECRET = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----"


class Page(HTMLParser):
    """What the tests ask of a page: its ids, its links, its tags in balance."""

    VOID = frozenset({"meta", "link", "input", "br", "path", "circle", "rect", "line"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.external: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" and "href" in given else []
        self.external += [v or "" for k, v in attrs if k in ("src", "href") and "//" in (v or "")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def error(self, message: str) -> None:
        raise AssertionError(message)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "catalogue", lambda: CATALOGUE)
    monkeypatch.setattr(provenance, "version", lambda: "0.1.0")
    monkeypatch.setattr(provenance, "commit", lambda: "")


def hostvars(status: str = "pass", found: str = "yes") -> dict[str, dict[str, Any]]:
    def seen(*duties: str, **more: Any) -> dict[str, Any]:
        return {"group_names": [*duties, "quorum"], **more}

    audits = [probe("HOST-02", "sshd-root", status, found)]
    return {
        "jump": seen("jump", quorum_audit={"results": audits}),
        "vault": seen("vault", quorum_audit={"results": audits}, vault_version="2.7.2"),
        "validator1": seen("goquorum", quorum_audit={"msg": "unreachable"}, goquorum_flavour="geth"),
    }


def run(
    directory: Path,
    phase: str = "after",
    variables: dict[str, Any] | None = None,
    check: bool = False,
    tags: list[str] | None = None,
    **args: Any,
) -> dict[str, Any]:
    """Run the action as Ansible would, on made-up hosts."""
    given = {"phase": phase, "directory": str(directory), "findings": [], "today": "2026-11-21", "card": False, **args}
    task = SimpleNamespace(args=given, check_mode=check, diff=False, async_val=0, environment=None, action="report")
    plugin = action.ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)), None, None, None, None)
    variables = hostvars() if variables is None else variables
    task_vars = {
        "hostvars": variables,
        "groups": {"quorum": list(variables)},
        "ansible_run_tags": tags or ["all"],
        "consortium_name": "demo",
    }
    return plugin.run(None, task_vars)


def kept(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    return content


def statuses(directory: Path) -> dict[tuple[str, str], str]:
    return {(item["control"], item["host"]): item["status"] for item in kept(directory)["results"]}


def test_before_and_after(tmp_path: Path) -> None:
    first = run(tmp_path, "before", hostvars("fail"), waivers=WAIVERS)
    assert first["scores"]["after"] is None
    result = run(tmp_path, waivers=WAIVERS, picture=PICTURE)
    assert result["changed"] is False
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"before.json", "after.json"}
    made = kept(tmp_path)
    assert made["scores"]["before"]["strict"] == 0
    assert made["scores"]["after"]["counts"] == result["counts"]
    assert [program["name"] for program in made["head"]["programs"]] == ["go-ethereum", "OpenBao"]
    assert statuses(tmp_path)["HOST-02", "validator1"] == "error"
    assert statuses(tmp_path)["HOST-02", "jump"] == "pass"
    assert len(result["card"]) <= 25


def test_a_new_before_opens_a_new_comparison(tmp_path: Path) -> None:
    run(tmp_path, "before")
    run(tmp_path, "after")
    run(tmp_path, "before")
    assert not (tmp_path / "after.json").exists()
    assert kept(tmp_path)["scores"]["after"] is None


def test_a_report_alone_shows_what_was_kept(tmp_path: Path) -> None:
    run(tmp_path, "after")
    shown = (tmp_path / "report.json").read_text(encoding="utf-8")
    (tmp_path / "index.html").unlink()
    bare = {name: {"group_names": ["quorum"]} for name in hostvars()}
    run(tmp_path, "before", bare)
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == shown
    assert (tmp_path / "index.html").exists()


@pytest.mark.parametrize("content", [None, "{", '{"format": 0}'])
def test_nothing_to_report_on(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "after.json").write_text(content, encoding="utf-8")
    with pytest.raises(AnsibleActionFail, match="run the audit first"):
        run(tmp_path, variables={"jump": {"group_names": ["quorum"]}})


def test_check_mode_shows_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(tmp_path, check=True, card=True)
    assert list(tmp_path.iterdir()) == []
    assert "not written" in result["card"][-1]
    assert "strict" in capsys.readouterr().out


def test_tags_select_controls(tmp_path: Path) -> None:
    run(tmp_path, tags=["host_02", "always"])
    assert {control for control, _host in statuses(tmp_path)} == {"HOST-02"}
    assert kept(tmp_path)["head"]["selected"] == ["HOST-02"]
    run(tmp_path, controls=["NODE-04"])
    assert {control for control, _host in statuses(tmp_path)} == {"NODE-04"}


def test_a_waiver_that_cannot_stand_is_a_finding(tmp_path: Path) -> None:
    run(tmp_path, waivers=[{"control": "HOST-02", "reason": "Move.", "owner": "Ada"}])
    assert statuses(tmp_path)["HOST-02", "consortium"] == "fail"
    run(tmp_path, waivers=[{"control": "HOST-02"}], findings=[{"variable": "consortium_waivers[0]", "controls": []}])
    assert len(kept(tmp_path)["findings"]) == 1


def test_without_a_preflight_guards_are_errors(tmp_path: Path) -> None:
    run(tmp_path, findings=None, hosts=["jump"], programs=[])
    assert kept(tmp_path)["findings"] == []


def test_a_day_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="today"):
        run(tmp_path, today="tomorrow")


def test_no_secret_in_any_file(tmp_path: Path) -> None:
    run(tmp_path, variables=hostvars("fail", SECRET))
    for path in tmp_path.iterdir():
        assert "MIGHAgEAMBMG" not in path.read_text(encoding="utf-8"), path


def test_the_page_stands_alone() -> None:
    made = report()
    text = page.render(made)
    seen = Page(text)
    assert seen.open == []
    assert seen.external == []
    assert len(seen.ids) == len(set(seen.ids))
    inside = [link[1:] for link in seen.links if link.startswith("#")]
    assert set(inside) <= set(seen.ids)
    assert {f"r-{item['control']}-{item['host']}" for item in made["results"]} <= set(seen.ids)
    assert "SSH &lt;only&gt; through jump hosts" in text
    assert "<only>" not in text
    assert "28.5 %" in text


def test_the_page_of_an_empty_report() -> None:
    made = report()
    made.update(results=[], controls={}, hosts=[], waivers=[], attestations=[], picture={})
    made["head"].update(programs=[], selected=["HOST-02"], commit="", consortium="")
    text = page.render(made)
    assert "No control is waived" in text
    assert "No program is named" in text


def test_programs() -> None:
    hosts = [{"group_names": ["goquorum"], "goquorum_version": "24.4.1"}, {"group_names": ["tessera"]}]
    found = provenance.programs(hosts, root="/nonexistent")
    assert [(p["name"], p["version"], p["kind"]) for p in found] == [
        ("GoQuorum", "24.4.1", "real"),
        ("Tessera", "", "not deployed yet"),
    ]


def test_the_module_only_points_at_the_action(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}
    monkeypatch.setattr(module, "AnsibleModule", lambda **_spec: SimpleNamespace(fail_json=said.update))
    module.main()
    assert "action plugin" in said["msg"]


def test_provenance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    (tmp_path / "catalog").mkdir()
    for name in ("PTM-01", "HOST-02", "HOST-01", "ZZZ-01"):
        (tmp_path / "catalog" / f"{name}.yml").write_text(f"id: {name}\n", encoding="utf-8")
    (tmp_path / "catalog" / "schema.json").write_text("{}", encoding="utf-8")
    root = str(tmp_path)
    assert [record["id"] for record in provenance.catalogue(root)] == ["HOST-01", "HOST-02", "PTM-01", "ZZZ-01"]
    (tmp_path / "galaxy.yml").write_text("version: 1.2.3\n", encoding="utf-8")
    assert (provenance.version(root), provenance.commit(root)) == ("1.2.3", "")
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "1.2.4"}}', encoding="utf-8")
    assert provenance.version(root) == "1.2.4"
    (tmp_path / ".git").mkdir()
    assert provenance.commit(root) == ""
    (tmp_path / ".git").rmdir()
    git = ["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    assert len(provenance.commit(root)) == 12
    (tmp_path / "new").touch()
    assert provenance.commit(root).endswith("+")
