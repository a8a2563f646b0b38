# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service takes from itself: each gap is named, and a process that is older than its unit's words."""

from __future__ import annotations

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils.probes_sessions import service_bounds
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed

ARGS = {
    "unit": "ssh.service",
    "properties": {"PrivateMounts": "yes", "IPAddressDeny": "0.0.0.0/0 ::/0"},
    "calls": ["bpf", "mount"],
    "capabilities": ["cap_sys_boot", "cap_sys_module"],
}
SHOWN = {
    "LoadState": "loaded",
    "MainPID": "7",
    "PrivateMounts": "yes",
    "IPAddressDeny": "::/0 0.0.0.0/0",
    "SystemCallFilter": "~bpf mount reboot",
    "CapabilityBoundingSet": "cap_chown cap_sys_admin",
}
STATUS = "Name:\tsshd\nSeccomp:\t2\n"
MOUNTINFO = "30 29 0:5 /sys /proc/sys ro,nosuid - proc proc rw\n"


def system(status: str = STATUS, mountinfo: str = MOUNTINFO, **changed: str) -> FakeSystem:
    text = "".join(f"{name}={value}\n" for name, value in {**SHOWN, **changed}.items())
    files = {"/proc/7/status": status, "/proc/7/mountinfo": mountinfo}
    return FakeSystem(commands={"systemctl show": text}, files=files)


def test_a_service_that_holds_itself_back() -> None:
    assert service_bounds(ARGS, system()).found == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"PrivateMounts": "no"}, "PrivateMounts is no"),
        ({"IPAddressDeny": ""}, "IPAddressDeny is not set"),
        ({"SystemCallFilter": "~mount"}, "the system call bpf is not refused"),
        ({"CapabilityBoundingSet": "cap_sys_boot"}, "cap_sys_boot can be had"),
        ({"status": "Seccomp:\t0\n"}, "ssh.service runs without what its files say"),
        ({"mountinfo": ""}, "ssh.service runs without what its files say"),
        ({"mountinfo": MOUNTINFO.replace("ro,", "rw,")}, "ssh.service runs without what its files say"),
    ],
)
def test_each_gap_is_named(given: dict[str, str], found: str) -> None:
    assert service_bounds(ARGS, system(**given)).found == [found]


def test_a_list_of_what_is_allowed_refuses_nothing_by_name() -> None:
    assert len(service_bounds(ARGS, system(SystemCallFilter="bpf mount")).found) == 2


def test_a_service_that_is_not_there_or_cannot_be_asked() -> None:
    with pytest.raises(Absent, match="no unit"):
        service_bounds(ARGS, system(LoadState="not-found"))
    with pytest.raises(Absent, match="does not run"):
        service_bounds(ARGS, system(MainPID="0"))
    with pytest.raises(Unreadable, match="no bus"):
        service_bounds(ARGS, FakeSystem(commands={"systemctl show": Completed(1, "", "no bus")}))
