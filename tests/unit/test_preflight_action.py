# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action on real inventories, as Ansible itself reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from consortium_sample import LAST, inventory

from ansible_collections.quorum.hardening.plugins.action.preflight import ActionModule
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium


def write(folder: Path, hostvars: dict[str, dict[str, Any]]) -> Path:
    """The sample as an inventory file; one group for each duty below ``quorum``."""
    groups: dict[str, Any] = {}
    for name, values in hostvars.items():
        own = {key: value for key, value in values.items() if key != "group_names"}
        groups.setdefault(values["group_names"][0], {"hosts": {}})["hosts"][name] = own
    path = folder / "hosts.yml"
    path.write_text(yaml.safe_dump({"quorum": {"children": groups}}), encoding="utf-8")
    (folder / "genesis.json").write_text("{}", encoding="utf-8")
    return path


def run(path: Path, facts: dict[str, Any] | None = None, **args: Any) -> dict[str, Any]:
    """What the action answers, on its first host."""
    loader = DataLoader()
    hosts = InventoryManager(loader=loader, sources=[str(path)])
    variables = VariableManager(loader=loader, inventory=hosts)
    for name in hosts.hosts:
        variables.set_nonpersistent_facts(name, facts or {})
    task = Task()
    task.args = args
    play = MagicMock(remote_user="ops", check_mode=True)
    action = ActionModule(task, MagicMock(), play, loader, Templar(loader=loader), MagicMock())
    return action.run(task_vars={"hostvars": HostVars(hosts, variables, loader)})


def sound(**changes: Any) -> dict[str, dict[str, Any]]:
    variables = {
        "consortium_genesis_file": "{{ inventory_dir }}/genesis.json",
        "goquorum_archive": "/archive",
        "vault_archive": "/archive",
        **changes,
    }
    return inventory(tuple(LAST), **variables)


def test_sound_inventory_leaves_the_fact(tmp_path: Path) -> None:
    result = run(write(tmp_path, sound()))
    assert [f"{f['variable']}: {f['problem']}" for f in result["findings"]] == []
    assert not result.get("failed")
    assert result["changed"] is False
    fact = json.loads(json.dumps(result["ansible_facts"]["consortium"]))
    assert Consortium.from_dict(fact).genesis_file == str(tmp_path / "genesis.json")


def test_facts_and_registered_results_are_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, sound())
    found = run(path, facts={"host_look": {"failed": True}, "consortium_consensus": "raft", "goquorum_restart": 1})
    assert found == run(path)


def test_all_findings_at_once_and_no_fact(tmp_path: Path) -> None:
    changes = {
        "consortium_consensus": "raft",
        "goquorum_rpc_port": "many",
        "host_undo_seconds": {"a": 1},
        "host_typo": 1,
        "host_region": "{{ nowhere_defined }}",
    }
    result = run(write(tmp_path, sound(**changes)), looks={"vault": {"unreachable": True, "msg": "no route"}})
    assert result["failed"] is True
    assert "ansible_facts" not in result
    said = {f["variable"]: f for f in result["findings"]}
    for variable in ("consortium_consensus", "goquorum_rpc_port", "host_undo_seconds", "host_typo", "host_region"):
        assert said[variable]["host"] == "consortium", variable
        assert said[variable]["variable"] in result["msg"]
    assert said["ansible_host"]["host"] == "vault"
    assert said["host_undo_seconds"]["rule"] == "argument"
    assert said["host_region"]["value"] == "(a template)"
    assert "nowhere_defined" in said["host_region"]["problem"]
    assert result["msg"].count("\n") == len(result["findings"])


@pytest.mark.parametrize("fail", [True, False])
def test_warn_only(tmp_path: Path, fail: bool) -> None:
    result = run(write(tmp_path, sound(consortium_consensus="raft")), fail=fail)
    assert result["failed"] is fail
    assert ("ansible_facts" in result) is not fail
    assert [f["rule"] for f in result["findings"]] == ["consensus"]


def test_enrol_may_start_from_nothing(tmp_path: Path) -> None:
    empty = sound(consortium_members=[], consortium_certificate_requests={}, consortium_clients=[])
    for values in empty.values():
        del values["goquorum_archive"], values["vault_archive"]
    path = write(tmp_path, empty)
    (tmp_path / "genesis.json").unlink()
    assert [f["variable"] for f in run(path, enrolled=False)["findings"]] == []
    assert run(path)["failed"] is True


@pytest.mark.parametrize("name", ["example"])
def test_inventories_of_the_collection_can_be_enrolled(name: str) -> None:
    path = Path(__file__).resolve().parents[2] / "inventories" / name / "hosts.yml"
    assert run(path, enrolled=False)["findings"] == []


def test_attested_documents_are_read_beside_the_inventory(tmp_path: Path) -> None:
    entry = {"control": "HOST-07", "document": "level.md", "owner": "Ada", "approved": "2026-01-01"}
    path = write(tmp_path, sound(consortium_attestations=[{**entry, "expires": "2099-12-31"}]))
    found = run(path)["findings"]
    assert [(f["rule"], f["controls"]) for f in found] == [("document", ["HOST-07"])]
    assert "No such file" in found[0]["problem"]
    (tmp_path / "level.md").write_text("# Availability\n\nAll five of these words count.\n", encoding="utf-8")
    (found_now,) = run(path)["findings"]
    assert "on response time, load and limits" in found_now["problem"]
    assert "availability" not in found_now["problem"]
