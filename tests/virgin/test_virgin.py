# SPDX-License-Identifier: GPL-3.0-or-later
"""On hosts that were never touched: what is refused, what a dry run shows, and that neither changes a file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.driver import INVENTORY, MANAGED, ROOT, Run, address, play, report, sh, statuses, tree

CATALOG = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "catalog").glob("*.yml"))}
LINE = re.compile(r"^\d+\. (?P<host>\S+): (?P<variable>\S+) = .*?: .+ Write: .+$", re.MULTILINE)


@pytest.fixture(scope="module")
def untouched() -> Iterator[dict[str, str]]:
    """File trees of all hosts before; nothing in this module may change one of them."""
    before = {host: tree(host) for host in MANAGED}
    assert all(len(text.splitlines()) > 1000 for text in before.values())
    yield before


def same(before: dict[str, str]) -> None:
    """Fail with the first differing lines when a host's files are not what they were."""
    for host, text in before.items():
        now = tree(host)
        if now != text:
            odd = sorted(set(now.splitlines()) ^ set(text.splitlines()))
            pytest.fail(f"{host} changed:\n" + "\n".join(odd[:20]))


def patched(folder: Path, everywhere: dict[str, Any], hosts: dict[str, dict[str, Any]] | None = None) -> Path:
    """A copy of the lab's inventory with some variables put over it."""
    copy = folder / "inventory"
    shutil.copytree(INVENTORY, copy)
    (copy / "group_vars/all/zz_patch.yml").write_text(yaml.safe_dump(everywhere))
    shutil.copy(INVENTORY.parent / "ssh_config", folder / "ssh_config")
    (copy / "host_vars").mkdir(exist_ok=True)
    for host, values in (hosts or {}).items():
        (copy / f"host_vars/{host}.yml").write_text(yaml.safe_dump(values))
    return copy


def refused(run: Run) -> set[tuple[str, str]]:
    """(host, variable) of all findings of a run that was refused."""
    assert run.rc != 0
    assert "Traceback" not in run.out
    return {(found["host"], found["variable"].split("[")[0].split(".")[0]) for found in LINE.finditer(run.out)}


def _groups(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of groups in an inventory file, from the outside in."""
    if isinstance(tree, dict):
        yield tree
        for inner in tree.values():
            yield from _groups(inner)


def register() -> dict[str, Any]:
    """The register that `enrol` wrote."""
    found: dict[str, Any] = yaml.safe_load((INVENTORY / "group_vars/all/register.yml").read_text())
    return found


def test_everything_wrong_is_said_at_once(tmp_path: Path, untouched: dict[str, str]) -> None:
    members = register()["consortium_members"]
    nodes = next(member["nodes"] for member in members if member["trust"] == "own")
    nodes[1]["enode"] = nodes[0]["enode"]
    inventory = patched(
        tmp_path,
        {
            "consortium_members": members,
            "host_administrators": [{"name": "ops", "keys": []}],
            "host_administrator_networks": ["198.18.0.300/33"],
            "goquorum_rcp_port": 8545,
            "consortium_waivers": [
                {"control": "HOST-02", "hosts": ["vault"], "reason": "later", "owner": "ops"},
                {"control": "HOST-99", "hosts": ["vault"], "reason": "later", "owner": "ops", "ends": "2099-01-01"},
                {"control": "HOST-04", "hosts": ["vault"], "reason": "later", "owner": "ops", "ends": "2020-01-01"},
            ],
        },
        {
            "validator1": {"goquorum_rpc_port": 70000},
            "tessera": {
                "host_addresses": {"management": [address("database")], "privacy": [address("tessera", "privacy")]}
            },
        },
    )
    (inventory / "zz_twice.yml").write_text("tessera: {hosts: {database: {}}}\n")
    found = refused(play("site", inventory=inventory))
    variables = {variable for _host, variable in found}
    assert variables >= {
        "consortium_members",
        "host_administrators",
        "host_administrator_networks",
        "goquorum_rcp_port",
        "consortium_waivers",
        "goquorum_rpc_port",
        "host_addresses",
    }
    assert ("validator1", "goquorum_rpc_port") in found
    assert any(host == "database" for host, _variable in found), "two duties on one host went unsaid"
    same(untouched)


def test_segments_and_jump_hosts_are_insisted_on(tmp_path: Path, untouched: dict[str, str]) -> None:
    inventory = patched(
        tmp_path,
        {
            "consortium_segments": {
                "management": {"cidrs": ["198.18.0.0/24"]},
                "ledger": {"cidrs": ["198.18.0.0/23"]},
                "privacy": {"cidrs": ["198.18.2.0/24"]},
                "monitoring": {"cidrs": ["198.18.4.0/24"]},
            },
            "host_administrators": [],
        },
    )
    hosts = yaml.safe_load((inventory / "hosts.yml").read_text())
    groups = next(found for found in _groups(hosts) if "jump" in found)
    del groups["jump"]
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    run = play("preflight", inventory=inventory)
    variables = {variable for _host, variable in refused(run)}
    assert variables >= {"consortium_segments", "host_administrators"}
    assert "there is no jump host" in run.out
    same(untouched)


@pytest.mark.parametrize("networks", [[], ["203.0.113.77/32"]])
def test_a_jump_host_that_its_own_rule_would_close(
    networks: list[str], tmp_path: Path, untouched: dict[str, str]
) -> None:
    run = play("preflight", inventory=patched(tmp_path, {"host_administrator_networks": networks}))
    assert "host_administrator_networks" in {variable for _host, variable in refused(run)}
    assert "lock itself out" in run.out
    same(untouched)


def test_a_host_that_does_not_answer_and_one_of_another_kind_are_named(
    tmp_path: Path, untouched: dict[str, str]
) -> None:
    inventory = patched(tmp_path, {})
    # An address of the lab that nobody has: it answers nothing.
    (inventory / "host_vars/monitoring.yml").write_text(yaml.safe_dump({"ansible_host": "198.18.0.99"}))
    release = "/usr/lib/os-release"
    assert sh("database", f"cp -p {release} /run/kept && sed -i 's/^ID=.*/ID=slackware/' {release}").ok
    try:
        run = play("site", inventory=inventory)
    finally:
        assert sh("database", f"cp -p /run/kept {release}").ok
    assert run.rc != 0
    said = {found["host"]: found[0] for found in LINE.finditer(run.out)}
    assert "monitoring" in said
    assert "database" in said
    assert "slackware" in said["database"].lower()
    same(untouched)


def test_a_dry_run_on_virgin_hosts_shows_all_and_changes_nothing(untouched: dict[str, str]) -> None:
    run = play("site", "--check", "--diff", "-vvvv")
    assert run.rc == 0, run.out[-6000:]
    assert set(run.recap) >= set(MANAGED)
    assert all(row["failed"] == row["unreachable"] == 0 for row in run.recap.values()), run.recap
    assert all(run.recap[host]["changed"] > 0 for host in MANAGED), "a dry run that predicts nothing on a virgin host"
    assert "PermitRootLogin no" in run.out, "the preview does not show what would be written"
    secrets = [sh(host, "cat /var/lib/goquorum/geth/nodekey 2>/dev/null").out.strip() for host in MANAGED]
    for host in MANAGED:
        private = sh(
            host, "cat /etc/quorum.hardening/tls/*.key /etc/openbao/tls/*.key /etc/goquorum/tls/*.key 2>/dev/null"
        ).out
        secrets += [line for line in private.splitlines() if not line.startswith("-----")]
    secrets = [secret for secret in secrets if len(secret) >= 40]
    assert len(secrets) >= len(MANAGED)
    assert not any(secret in run.out for secret in secrets)
    assert "PRIVATE KEY" not in run.out
    same(untouched)


def test_the_audit_of_virgin_hosts_reads_and_never_writes(untouched: dict[str, str]) -> None:
    run = play("audit", "-e", "audit_phase=before")
    assert run.rc == 0, run.out[-4000:]
    assert run.total("changed") == 0
    same(untouched)
    found = statuses(report())
    for name, record in CATALOG.items():
        mine = {status for (_host, control), status in found.items() if control == name}
        assert mine, f"nothing in the report about {name}"
        if not record["implemented"]:
            assert mine <= {"not_implemented", "not_applicable"}, (name, mine)
    failed = {control for (_host, control), status in found.items() if status == "fail"}
    assert failed >= {"HOST-01", "HOST-02", "HOST-04", "PTM-06", "PTM-11", "PTM-13", "NODE-01"}
    assert json.loads((ROOT / "build/report/before.json").read_text())
