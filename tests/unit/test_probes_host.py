# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of any host, on a machine made of dictionaries."""

from __future__ import annotations

import json

import pytest
from probe_fakes import FakeSystem, unreadable

from ansible_collections.quorum.hardening.plugins.module_utils import (
    probes_host,
)
from ansible_collections.quorum.hardening.plugins.module_utils.probing import (
    Absent,
    Inapplicable,
    Unreadable,
)
from ansible_collections.quorum.hardening.plugins.module_utils.system import FileStat


def test_file_facts():
    system = FakeSystem(stats={"/key": FileStat(0o600, 998, 0, "file", 64)})
    assert probes_host.file_facts({"path": "/key"}, system).found == {
        "kind": "file",
        "owner": "goquorum",
        "mode": "0600",
    }
    assert probes_host.file_facts({"path": "/no", "needed": False}, system).found["kind"] == "absent"
    with pytest.raises(Absent):
        probes_host.file_facts({"path": "/no"}, system)


def test_unit_state():
    shown = "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
    seen = probes_host.unit_state({"unit": "a.service"}, FakeSystem(commands={"systemctl show": shown}))
    assert seen.found == {"load": "loaded", "active": "active", "file": "enabled"}
    with pytest.raises(Absent):
        probes_host.unit_state({"unit": "a.service"}, FakeSystem(commands={"systemctl": "LoadState=not-found\n"}))
    with pytest.raises(Unreadable):
        probes_host.unit_state({"unit": "a.service"}, FakeSystem())


def test_programs_of_another_duty():
    system = FakeSystem(programs=[(1, ["/sbin/init"]), (2, ["/opt/geth"]), (3, ["postgres"])])
    args = {"duties": ["database"], "programs": {"geth": ["goquorum"], "postgres": ["database"], "bao": ["vault"]}}
    assert probes_host.strange_programs(args, system).found == ["geth"]


SOCKETS = [
    ("tcp", "0.0.0.0", 22, 1),
    ("tcp", "198.18.1.21", 8545, 2),
    ("tcp", "127.0.0.1", 18545, 3),
    ("tcp", "::ffff:127.0.0.1", 99, 8),
    ("udp", "::", 30303, 4),
    ("tcp", "10.0.0.1", 8545, 5),
]


def test_sockets_that_no_duty_explains():
    expected = [{"proto": "tcp", "port": 22}, {"proto": "tcp", "port": 8545, "address": "198.18.1.21"}]
    seen = probes_host.strange_listeners({"expected": expected}, FakeSystem(sockets=SOCKETS))
    assert seen.found == ["tcp 10.0.0.1 8545", "udp :: 30303"]


def test_sockets_of_a_program():
    system = FakeSystem(sockets=SOCKETS, programs=[(7, ["geth"])], held={7: [2, 3, 4]})
    listeners = probes_host.program_listeners
    assert listeners({"programs": ["geth"]}, system).found == ["tcp 198.18.1.21 8545"]
    assert listeners({"programs": ["geth"], "allowed_ports": [8545]}, system).found == []
    assert len(listeners({"programs": ["geth"], "reach": "all"}, system).found) == 2
    assert listeners({"programs": ["geth"], "proto": "udp"}, system).found == ["udp :: 30303"]
    with pytest.raises(Absent, match="no bao or vault runs here"):
        listeners({"programs": ["vault", "bao"]}, system)


def test_addresses_of_a_port():
    system = FakeSystem(sockets=SOCKETS)
    assert probes_host.port_addresses({"port": 8545}, system).found == ["10.0.0.1", "198.18.1.21"]
    assert probes_host.port_addresses({"port": 1, "needed": False}, system).found == []
    with pytest.raises(Absent):
        probes_host.port_addresses({"port": 1}, system)


def test_addresses_of_the_interfaces():
    shown = json.dumps(
        [
            {"addr_info": [{"scope": "host", "local": "127.0.0.1"}]},
            {"addr_info": [{"scope": "global", "local": "198.18.0.11"}, {"scope": "link", "local": "fe80::1"}]},
            {},
        ]
    )
    assert probes_host.interface_addresses({}, FakeSystem(commands={"ip": shown})).found == ["198.18.0.11"]
    with pytest.raises(Unreadable):
        probes_host.interface_addresses({}, FakeSystem())


def test_later_dropins_win_whatever_their_directory():
    files = {
        "/etc/systemd/system.conf": "[Manager]\nDefaultLimitCORE=infinity\n[Other]\nDefaultLimitCORE=7\n",
        "/usr/lib/systemd/system.conf.d/50-x.conf": "[Manager]\nDefaultLimitCORE=5\n",
        "/etc/systemd/system.conf.d/50-x.conf": "[Manager]\n# DefaultLimitCORE=6\nDefaultLimitCORE = 0\nDumpCore=no\n",
        "/etc/systemd/system.conf.d/99-x.bak": "[Manager]\nDefaultLimitCORE=9\n",
    }
    args = {"name": "system.conf", "section": "Manager", "keys": ["DefaultLimitCORE", "LogLevel"]}
    seen = probes_host.config_values(args, FakeSystem(files=files))
    assert seen.found == {"DefaultLimitCORE": "0", "LogLevel": None}
    assert seen.where == "/etc/systemd/system.conf, /etc/systemd/system.conf.d/50-x.conf"


def test_what_the_collector_keeps():
    handler = "/usr/lib/systemd/systemd-coredump"
    assert probes_host.coredump_storage({}, FakeSystem()).found == "not installed"
    system = FakeSystem(files={handler: ""})
    assert probes_host.coredump_storage({}, system).found == "Storage=external ProcessSizeMax=default"
    system.files["/etc/systemd/coredump.conf.d/a.conf"] = "[Coredump]\nStorage=none\nProcessSizeMax=0\n"
    assert probes_host.coredump_storage({}, system).found == "Storage=none ProcessSizeMax=0"


def test_hard_limits_last_line_wins_soft_ones_do_not_count():
    files = {
        "/etc/security/limits.conf": "* hard core 1\n* soft core 9\nroot - core 0 # all\nx hard nofile 5\nbad line\n",
        "/etc/security/limits.d/a.conf": "* hard core 0\n",
        "/etc/security/limits.d/a.txt": "* hard core 5\n",
    }
    assert probes_host.hard_core_limits({}, FakeSystem(files=files)).found == {"*": "0", "root": "0"}


def test_limits_of_what_runs():
    limits = "Limit  Soft Limit  Hard Limit  Units\nMax core file size        0         unlimited       bytes\n"
    files = {"/proc/7/limits": limits, "/proc/8/limits": "nothing\n"}
    system = FakeSystem(files=files, programs=[(7, ["geth"]), (8, ["geth"]), (9, ["geth"])])
    found = probes_host.process_core_limits({"programs": ["geth"]}, system).found
    assert found == {"geth 7": "unlimited", "geth 8": "unknown"}


def test_kernel_parameters():
    path = "/proc/sys/fs/suid_dumpable"
    args = {"name": "fs.suid_dumpable"}
    assert probes_host.kernel_parameter(args, FakeSystem(files={path: "0\n"})).found == "0"
    with pytest.raises(Inapplicable, match="read-only"):
        probes_host.kernel_parameter(args, FakeSystem(files={path: "0\n"}, read_only=(path,)))
    with pytest.raises(Inapplicable, match="no fs"):
        probes_host.kernel_parameter(args, FakeSystem())
    own = {**args, "own": False}
    assert probes_host.kernel_parameter(own, FakeSystem(files={path: "1\n"}, read_only=(path,))).found == "1"
    with pytest.raises(Unreadable):
        probes_host.kernel_parameter(args, FakeSystem(files={path: unreadable(path)}))


INSTALLED = "Package: {}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n"


def test_what_is_installed_for_another_duty():
    status = "".join(INSTALLED.format(name) for name in ("postgresql-15", "postgresql-client", "vault", "bash"))
    given = {"packages": {"postgresql(-[0-9]+)?": ["database"], "vault": ["vault"]}}
    given["paths"] = {"/opt/goquorum": ["goquorum"], "/opt/tessera": ["tessera"]}
    system = FakeSystem(files={"/var/lib/dpkg/status": status, "/opt/goquorum/current/geth": ""})
    for duties, found in (
        ([], ["/opt/goquorum", "postgresql-15", "vault"]),
        (["database"], ["/opt/goquorum", "vault"]),
        (["vault"], ["/opt/goquorum", "postgresql-15"]),
        (["goquorum", "vault", "database"], []),
    ):
        assert probes_host.strange_installs({**given, "duties": duties}, system).found == found
    with pytest.raises(Unreadable):
        probes_host.strange_installs({**given, "duties": []}, FakeSystem())
