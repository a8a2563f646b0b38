# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service takes from itself: each gap is named, and a process that is older than its unit's words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_sessions
from ansible_collections.quorum.hardening.plugins.module_utils.probes_sessions import service_bounds
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed, FileStat

CATALOG = Path(__file__).resolve().parents[2] / "catalog"
FOLDER = "/etc/systemd/system/ssh.service.d"
ARGS = {
    "unit": "ssh.service",
    "properties": {"PrivateMounts": "yes", "RestrictAddressFamilies": "AF_INET AF_UNIX"},
    "calls": ["bpf", "mount"],
    "capabilities": ["cap_sys_boot", "cap_sys_module"],
    "live": [f"{FOLDER}/quorum-hardening-ceilings.conf"],
}
SHOWN = {
    "LoadState": "loaded",
    "MainPID": "7",
    "PrivateMounts": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET",
    "IPAddressDeny": "::/0 0.0.0.0/0",
    "IPAddressAllow": "127.0.0.0/8 ::1/128 192.0.2.1/32",
    "DeviceAllow": "char-rtc r",
    "ExecMainStartTimestampMonotonic": "1000000000",
    "FragmentPath": "/lib/systemd/system/ssh.service",
    "DropInPaths": f"{FOLDER}/quorum-hardening.conf",
    "NeedDaemonReload": "no",
    "SystemCallFilter": "~bpf mount reboot",
    "CapabilityBoundingSet": "cap_chown cap_sys_admin",
}
STATUS = "Name:\tsshd\nCapBnd:\t0000000000200001\nSeccomp:\t2\n"
MOUNTINFO = "30 29 0:5 /sys /proc/sys ro,nosuid - proc proc rw\n"


#: Second of the wall clock at which the process began, by the clock below.
BEGUN = 6000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(time=lambda: 10000.0, monotonic=lambda: 5000.0)
    monkeypatch.setattr(probes_sessions, "time", now)


def system(status: str = STATUS, mountinfo: str = MOUNTINFO, later: float = -10.0, **changed: str) -> FakeSystem:
    """``later``: seconds from the process' beginning to the change of all of the unit's files."""
    shown = {**SHOWN, **changed}
    text = "".join(f"{name}={line}\n" for name, value in shown.items() for line in value.split("\n"))
    files = {"/proc/7/status": status, "/proc/7/mountinfo": mountinfo}
    paths = [shown["FragmentPath"], *shown["DropInPaths"].split()]
    stats = {path: FileStat(0o644, 0, 0, "file", 1, BEGUN + later) for path in paths if "gone" not in path}
    return FakeSystem(commands={"systemctl show": text}, files=files, stats=stats)


def test_a_service_that_holds_itself_back() -> None:
    assert service_bounds(ARGS, system()).found == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"PrivateMounts": "no"}, "PrivateMounts is no"),
        ({"IPAddressAllow": "0.0.0.0/0 ::/0"}, "IPAddressAllow takes back what IPAddressDeny says"),
        ({"IPAddressAllow": "::1/128 0.0.0.0/1 128.0.0.0/1"}, "IPAddressAllow takes back what IPAddressDeny says"),
        ({"IPAddressAllow": "::/0"}, "IPAddressAllow takes back what IPAddressDeny says"),
        ({"DeviceAllow": "char-rtc r\n/dev/sda rw"}, "the device /dev/sda rw is let in"),
        ({"DeviceAllow": "char-rtc rw"}, "the device char-rtc rw is let in"),
        ({"NeedDaemonReload": "yes"}, "the files of ssh.service changed after systemd read them"),
        ({"later": 5.0}, f"ssh.service runs since before {FOLDER}/quorum-hardening.conf changed"),
        ({"SystemCallFilter": "~mount"}, "the system call bpf is not refused"),
        ({"CapabilityBoundingSet": "cap_sys_boot"}, "cap_sys_boot can be had"),
        ({"status": STATUS.replace("2\n", "0\n")}, "ssh.service runs without what its files say"),
        ({"status": STATUS.replace("200001", "600001")}, "ssh.service runs without what its files say"),
        ({"status": "Seccomp:\t2\n"}, "ssh.service runs without what its files say"),
        ({"mountinfo": ""}, "ssh.service runs without what its files say"),
        ({"mountinfo": MOUNTINFO.replace("ro,", "rw,")}, "ssh.service runs without what its files say"),
    ],
)
def test_each_gap_is_named(given: dict[str, Any], found: str) -> None:
    assert service_bounds(ARGS, system(**given)).found == [found]


@pytest.mark.parametrize(
    "given",
    [
        {"IPAddressDeny": "", "IPAddressAllow": "0.0.0.0/0"},
        {"IPAddressDeny": "", "IPAddressAllow": ""},
        {"DeviceAllow": ""},
        {"later": 0.5},
        {"later": 5.0, "DropInPaths": ""},
        {"later": 5.0, "DropInPaths": f"{FOLDER}/quorum-hardening-ceilings.conf"},
        {"later": 5.0, "DropInPaths": "/run/systemd/system/service.d/zzz-lxc-service.conf"},
        {"later": 5.0, "DropInPaths": "/run/systemd/generator/ssh.service.d/a.conf /usr/lib/systemd/system/b.conf"},
        {"later": 5.0, "DropInPaths": "/etc/systemd/system.control/ssh.service.d/50-MemoryMax.conf"},
        {"later": 5.0, "DropInPaths": f"{FOLDER}/gone.conf"},
    ],
)
def test_what_is_no_gap(given: dict[str, Any]) -> None:
    assert service_bounds(ARGS, system(**given)).found == []


@pytest.mark.parametrize(
    "path",
    ["/run/systemd/system/ssh.service.d/a.conf", "/etc/systemd/system/service.d/a.conf", f"{FOLDER}/override.conf"],
)
def test_anybodys_file_counts(path: str) -> None:
    wanted = [f"ssh.service runs since before {path} changed"]
    assert service_bounds(ARGS, system(DropInPaths=path, later=5.0)).found == wanted
    assert service_bounds(ARGS, system(FragmentPath=path, DropInPaths="", later=5.0)).found == wanted


def test_one_question_is_enough() -> None:
    asked = system()
    service_bounds(ARGS, asked)
    assert len(asked.asked) == 1


def test_every_capability_of_the_catalogue_has_its_number() -> None:
    record = yaml.safe_load((CATALOG / "HOST-02.yml").read_text(encoding="utf-8"))
    args = next(probe["args"] for probe in record["probes"] if probe["id"] == "host-02-sessions")
    assert set(args["capabilities"]) == set(probes_sessions.CAPABILITIES)


def test_a_list_of_what_is_allowed_refuses_nothing_by_name() -> None:
    assert len(service_bounds(ARGS, system(SystemCallFilter="bpf mount")).found) == 2


def test_a_service_that_is_not_there_or_cannot_be_asked() -> None:
    with pytest.raises(Absent, match="no unit"):
        service_bounds(ARGS, system(LoadState="not-found"))
    with pytest.raises(Absent, match="does not run"):
        service_bounds(ARGS, system(MainPID="0"))
    with pytest.raises(Unreadable, match="no bus"):
        service_bounds(ARGS, FakeSystem(commands={"systemctl show": Completed(1, "", "no bus")}))
    with pytest.raises(Unreadable, match="when the process began"):
        service_bounds(ARGS, system(ExecMainStartTimestampMonotonic=""))
