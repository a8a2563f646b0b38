# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of ceilings and of remote storage, on a machine made of dictionaries."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import pytest
import yaml
from consortium_sample import consortium
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_limits
from ansible_collections.quorum.hardening.plugins.module_utils.audit_context import audit_context
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.ruleset import ruleset
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed

ROOT = pathlib.Path(__file__).parents[2]
TABLE = {"family": "inet", "table": "quorum_hardening"}
DPORT = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 8545}}
RATE = {
    "set": {"op": "update", "set": "@new", "stmt": [{"limit": {"rate": 50, "per": "second", "burst": 9, "inv": True}}]}
}
HELD = {"set": {"op": "add", "set": "@held", "stmt": [{"ct count": {"val": 64, "inv": True}}]}}
TOTAL = {"ct count": {"val": 384, "inv": True}}
GOTO, ACCEPT = {"goto": {"target": "in_flood"}}, {"accept": None}


def filtered(*rules, chain="input"):
    objects = [{"rule": {"chain": chain, "expr": list(rule)}} for rule in rules]
    return FakeSystem(commands={"nft -j": json.dumps({"nftables": objects})})


def test_ceilings_in_words():
    found = probes_limits.flow_limits(TABLE, filtered((DPORT, RATE, GOTO), (DPORT, HELD, GOTO), (DPORT, TOTAL, GOTO)))
    assert found.found == [
        "tcp 8545 held 384 in all",
        "tcp 8545 held 64 by one source",
        "tcp 8545 new 50/second burst 9",
    ]


@pytest.mark.parametrize(
    "system",
    [
        filtered(),
        filtered((DPORT, ACCEPT)),
        filtered((DPORT, HELD, ACCEPT)),
        filtered((DPORT, HELD, GOTO), chain="output"),
        filtered((DPORT, {"ct count": {"val": 3}}, GOTO), (DPORT, {"set": {"stmt": [{"limit": {"rate": 1}}]}}, GOTO)),
    ],
)
def test_what_cuts_nothing_is_no_ceiling(system):
    assert probes_limits.flow_limits(TABLE, system).found == []


@pytest.mark.skipif(
    shutil.which("nft") is None or subprocess.run(["unshare", "-n", "true"], check=False).returncode != 0,
    reason="nft-load: needs root, nft and the right to make a network namespace",
)
@pytest.mark.parametrize("host", ["jump", "vault", "tessera", "database", "validator1"])
def test_the_model_s_words_are_those_of_the_live_table(host, tmp_path):
    c = consortium()
    path = tmp_path / "rules"
    path.write_text(ruleset(c, host))
    script = 'nft -f "$1"; nft -j list table inet quorum_hardening'
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", script, "sh", path], capture_output=True, text=True, check=True
    )
    system = FakeSystem(commands={"nft -j": done.stdout})
    context = audit_context(c, host, {})
    assert probes_limits.flow_limits(TABLE, system).found == context["limits"] != []
    args = {**TABLE, "ports": [53, 123]}
    assert probes_limits.egress_ports(args, system).found == context["name_and_time_servers"] != []


def test_rules_that_leave_the_port_open_count_as_every_port():
    any_port = (
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "10.0.0.1"}},
    )
    objects = [
        {"chain": {"name": "out", "hook": "output", "policy": "drop"}},
        {"rule": {"chain": "out", "expr": [*any_port, ACCEPT]}},
        {"rule": {"chain": "out", "expr": [DPORT, ACCEPT]}},
    ]
    system = FakeSystem(commands={"nft -j": json.dumps({"nftables": objects})})
    assert probes_limits.egress_ports({**TABLE, "ports": [53]}, system).found == ["any 10.0.0.1 any"]


UNITS = {"units": {"a.service": ["MemoryMax", "TasksMax"]}}


@pytest.mark.parametrize(
    ("out", "found"),
    [
        ("LoadState=loaded\nMemoryMax=1048576\nTasksMax=64\n", []),
        ("LoadState=loaded\nMemoryMax=infinity\nTasksMax=64\n", ["a.service MemoryMax"]),
        ("LoadState=loaded\nTasksMax=[not set]\n", ["a.service MemoryMax", "a.service TasksMax"]),
    ],
)
def test_unbounded_properties(out, found):
    system = FakeSystem(commands={"systemctl show": out})
    assert probes_limits.service_ceilings(UNITS, system).found == found


def test_units_that_are_not_there():
    with pytest.raises(Absent):
        probes_limits.service_ceilings(UNITS, FakeSystem(commands={"systemctl show": "LoadState=not-found\n"}))
    with pytest.raises(Unreadable):
        broken = FakeSystem(commands={"systemctl show": Completed(1, "", "no bus")})
        probes_limits.service_ceilings(UNITS, broken)


def test_live_parameters_that_this_host_can_set():
    files = {"/proc/sys/net/a": "1\n", "/proc/sys/net/b": "4\t5\n", "/proc/sys/net/c": "9\n"}
    system = FakeSystem(files=files, read_only=("/proc/sys/net/c",))
    wanted = {"net.a": 1, "net.b": "4 6", "net.c": 1, "net.none": 1}
    seen = probes_limits.flood_parameters({"parameters": wanted}, system)
    assert seen.found == ["net.b is 4 5 instead of 4 6"]
    assert seen.where == "/proc/sys (2 looked at)"


def test_the_role_sets_what_the_catalogue_expects():
    record = yaml.safe_load((ROOT / "catalog/HOST-07.yml").read_text())
    (asked,) = (probe["args"]["parameters"] for probe in record["probes"] if probe["probe"] == "flood_parameters")
    assert yaml.safe_load((ROOT / "roles/host/vars/main.yml").read_text())["__host_flood_parameters"] == asked


def test_data_on_other_machines():
    mounts = "/dev/sda1 / ext4 rw 0 0\nnas:/a /srv nfs4 rw 0 0\nx /y fuse.sshfs rw 0 0\nz /z fuse.lxcfs rw 0 0\n"
    table = "# nas:/b /old nfs\nnas:/c /later cifs defaults 0 0\n/dev/sda2\n"
    seen = probes_limits.remote_storage({}, FakeSystem(files={"/proc/1/mounts": mounts, "/etc/fstab": table}))
    assert seen.found == ["/later cifs", "/srv nfs4", "/y fuse.sshfs"]
    assert probes_limits.remote_storage({}, FakeSystem(files={"/proc/1/mounts": ""})).found == []
    with pytest.raises(Unreadable):
        probes_limits.remote_storage({}, FakeSystem())


def test_the_text_of_a_file():
    system = FakeSystem(files={"/a": "CH\n"})
    assert probes_limits.file_text({"path": "/a"}, system).found == "CH"
    with pytest.raises(Absent):
        probes_limits.file_text({"path": "/b"}, system)
