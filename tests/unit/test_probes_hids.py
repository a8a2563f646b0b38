# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of the file watch, the kernel's audit and the way out, on a machine made of dictionaries."""

from __future__ import annotations

import json
import time

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_hids
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Inapplicable, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed, FileStat

CONFIG = "/etc/quorum.hardening/aide.conf"
DATABASE = probes_hids.STATE + "/aide.db"
ROOTS = {
    probes_hids.STATE: FileStat(0o700, 0, 0, "directory", 0),
    DATABASE: FileStat(0o600, 0, 0, "file", 5),
}


def test_what_aide_leaves_out_is_named():
    check = f"aide --config {CONFIG} --path-check=f:"
    system = FakeSystem(
        files={CONFIG: "x"},
        commands={check + "/a": Completed(0, "", ""), check + "/b": Completed(1, "", "")},
    )
    assert probes_hids.aide_unwatched({"config": CONFIG, "paths": ["/b", "/a"]}, system).found == ["/b"]


@pytest.mark.parametrize(
    ("files", "code", "expected"),
    [({}, 0, Absent), ({CONFIG: "x"}, 127, Absent), ({CONFIG: "x"}, 17, Unreadable)],
)
def test_a_watch_that_cannot_be_asked_is_no_pass(files, code, expected):
    system = FakeSystem(files=files, commands={"aide": Completed(code, "", "bad")})
    with pytest.raises(expected):
        probes_hids.aide_unwatched({"config": CONFIG, "paths": ["/a"]}, system)


@pytest.mark.parametrize(("seal", "said"), [("abc  x", "sealed"), ("abd  x", "replaced"), ("", "replaced")])
def test_the_seal_of_the_database(seal, said):
    system = FakeSystem(files={DATABASE + ".sha256": seal}, stats=ROOTS, commands={"sha256sum": f"abc  {DATABASE}\n"})
    found = probes_hids.watch_database({}, system).found
    assert found == {"seal": said, "file": "root 0600", "folder": "root 0700"}


def test_a_database_that_is_not_there():
    folder = {probes_hids.STATE: ROOTS[probes_hids.STATE]}
    with pytest.raises(Absent):
        probes_hids.watch_database({}, FakeSystem())
    with pytest.raises(Absent):
        probes_hids.watch_database({}, FakeSystem(stats=folder, commands={"systemctl": "inactive\n"}))
    with pytest.raises(Absent):
        probes_hids.watch_database({}, FakeSystem(stats=ROOTS, commands={"systemctl": "active\n"}))
    made = probes_hids.watch_database({}, FakeSystem(stats=folder, commands={"systemctl": "active\n"}))
    assert made.found["seal"] == "in the making"


def test_a_database_that_cannot_be_read_is_no_pass():
    system = FakeSystem(
        files={DATABASE + ".sha256": "abc"}, stats=ROOTS, commands={"sha256sum": Completed(1, "", "denied")}
    )
    with pytest.raises(Unreadable):
        probes_hids.watch_database({}, system)


def test_the_age_of_the_last_check():
    last = probes_hids.STATE + "/last.json"
    system = FakeSystem(files={last: json.dumps({"at": time.time() - 7200})})
    assert probes_hids.watch_age({}, system).found == 2.0
    assert probes_hids.watch_age({}, FakeSystem(commands={"systemctl": "activating\n"})).found == 0
    with pytest.raises(Absent):
        probes_hids.watch_age({}, FakeSystem(commands={"systemctl": "failed\n"}))


@pytest.fixture
def audited(monkeypatch):
    monkeypatch.setattr(probes_hids, "audit_answers", lambda: True)


def test_no_audit_subsystem_is_not_applicable(monkeypatch):
    monkeypatch.setattr(probes_hids, "audit_answers", lambda: False)
    with pytest.raises(Inapplicable):
        probes_hids.audit_status({}, FakeSystem())
    with pytest.raises(Inapplicable):
        probes_hids.audit_settings({"files": [], "keys": []}, FakeSystem())


@pytest.mark.usefixtures("audited")
def test_the_audit_daemon_s_settings():
    system = FakeSystem(files={"/etc/audit/auditd.conf": "# c\nlog_group = root\nmax_log_file = 16\n"})
    args = {"files": ["/etc/audit/auditd.conf"], "keys": ["log_group", "max_log_file", "freq"]}
    found = probes_hids.audit_settings(args, system).found
    assert found == {"log_group": "root", "max_log_file": "16", "freq": None}


@pytest.mark.usefixtures("audited")
def test_the_kernel_s_audit():
    shown = "enabled 2\nfailure 1\npid 411\nrate_limit 0\nbacklog_limit 8192\nloginuid_immutable 0 unlocked\n"
    found = probes_hids.audit_status({}, FakeSystem(commands={"auditctl -s": shown})).found
    assert (found["enabled"], found["pid"]) == (2, 411)
    with pytest.raises(Absent):
        probes_hids.audit_status({}, FakeSystem())
    with pytest.raises(Unreadable):
        probes_hids.audit_status({}, FakeSystem(commands={"auditctl": Completed(255, "", "no")}))


WRITTEN = """-D
-a always,exit -F arch=b64 -F path=/etc/passwd -F perm=wa -F key=identity
-a always,exit -F arch=b64 -S rename,unlink -F auid>=1000 -F auid!=unset -F key=delete
-a always,exit -F arch=b64 -F dir=/not/there -F perm=wa -F key=later
-a always,exit -F arch=b64 -F path=/not/there/either -F perm=wa -F key=later
-e 2
"""
LOADED = """-a always,exit -F arch=b64 -S all -F path=/etc/passwd -F perm=wa -F key=identity
-a always,exit -F arch=b64 -S unlink,rename -F auid>=1000 -F auid!=-1 -F key=delete
"""


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize(
    ("loaded", "missing", "strange"),
    [
        (LOADED, [], []),
        ("No rules\n", ["delete", "identity"], []),
        (LOADED + "-a never,exit -F uid=0\n", [], ["-F uid=0 -a never,exit"]),
        (LOADED.replace("unlink,rename", "unlink"), ["delete"], ["delete"]),
    ],
)
def test_rules_in_the_kernel_against_their_file(loaded, missing, strange):
    system = FakeSystem(files={"/r": WRITTEN, "/etc/passwd": "x"}, commands={"auditctl -l": loaded})
    found = probes_hids.audit_rules({"path": "/r"}, system).found
    assert [name for rule in found["missing"] for name in ("delete", "identity", "later") if name in rule] == missing
    assert [rule if "key" not in rule else "delete" for rule in found["strange"]] == strange


@pytest.mark.usefixtures("audited")
def test_rules_without_a_file():
    with pytest.raises(Absent):
        probes_hids.audit_rules({"path": "/r"}, FakeSystem(commands={"auditctl -l": LOADED}))


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   0: 0B0012C6:A000 030012C6:1972 {state} 0:0 0:0 0 0 0 {inode} 1\n"


@pytest.mark.parametrize(
    ("state", "inode", "said"), [("01", 77, "connected"), ("02", 77, "not connected"), ("01", 78, "not connected")]
)
def test_alerts_leave_over_a_connection_of_the_forwarder(state, inode, said):
    system = FakeSystem(
        files={"/proc/net/tcp": HEAD + ROW.format(state=state, inode=inode)},
        programs=[(9, ["/usr/sbin/rsyslogd"])],
        held={9: [77]},
    )
    seen = probes_hids.alert_targets({"targets": ["198.18.0.3 6514"]}, system)
    assert seen.found == {"198.18.0.3 6514": said}


def test_no_target_and_no_forwarder():
    assert probes_hids.alert_targets({"targets": []}, FakeSystem()).found == {}
    with pytest.raises(Absent):
        probes_hids.alert_targets({"targets": ["198.18.0.3 6514"]}, FakeSystem())
