# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system refuses on a machine with a kernel of its own, after a boot: modules, places, others' processes."""

from __future__ import annotations

import pytest

from tests.vm.machine import root, ssh

pytestmark = pytest.mark.evidence("HOST-01", "proven", hosts=["vm"])

#: Modules that a distribution's kernel brings, and that no duty needs.
FORBIDDEN = ("usb_storage", "sctp", "dccp", "cramfs", "udf", "firewire_core")
#: Places that everybody may write to.
OPEN = ("/tmp", "/var/tmp", "/dev/shm")


@pytest.fixture(scope="module")
def at_hand() -> list[str]:
    """Those of the forbidden modules that this machine's kernel has at all."""
    found = [name for name in FORBIDDEN if root(f"modinfo {name}").ok]
    assert found, "the kernel has none of them: nothing would be proven"
    return found


def test_root_loads_no_module_that_no_duty_needs(at_hand: list[str]) -> None:
    assert root("modprobe dummy && rmmod dummy").ok, "no module loads here at all"
    for name in at_hand:
        assert not root(f"modprobe {name}").ok, name
        assert f"{name} " not in root("cat /proc/modules").out


def test_a_socket_loads_no_module_either(at_hand: list[str]) -> None:
    ask = "import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)"
    assert "sctp" in at_hand
    assert not ssh(f'python3 -c "{ask}"').ok
    assert "sctp " not in root("cat /proc/modules").out


@pytest.mark.parametrize("place", OPEN)
def test_what_everybody_writes_to_runs_nothing(place: str) -> None:
    options = root(f"findmnt -n -o OPTIONS --mountpoint {place}").out.strip().split(",")
    assert {"nosuid", "nodev", "noexec"} <= set(options), options
    assert ssh("cp /bin/true ~/own && ~/own && rm ~/own").ok, "no program of one's own runs anywhere"
    refused = ssh(f"cp /bin/true {place}/own && {place}/own; status=$?; rm {place}/own; exit $status")
    assert refused.rc == 126, refused.err


def test_tmp_is_in_memory_since_the_boot() -> None:
    assert root("findmnt -n -o FSTYPE --mountpoint /tmp").out.strip() == "tmpfs"


def test_nobody_sees_another_s_processes_and_the_managers_live_with_it() -> None:
    assert not ssh("test -e /proc/1").ok
    assert {line.split()[0] for line in ssh("ps -eo user=").out.splitlines()} == {"ops"}
    assert root("systemctl is-active systemd-logind dbus systemd-journald").out.split() == ["active"] * 3
    assert ssh("systemctl --user is-system-running --wait; loginctl list-sessions").ok


def test_apparmor_is_on() -> None:
    assert root("cat /sys/module/apparmor/parameters/enabled").out.strip() == "Y"
    assert int(root("grep -c enforce /sys/kernel/security/apparmor/profiles").out) > 0


def test_nothing_of_the_memory_is_swapped_out() -> None:
    assert root("cat /proc/swaps").out.count("\n") == 1


def test_boot_is_closed_to_everybody_but_root() -> None:
    assert not ssh("ls /boot").ok
    assert not ssh("touch /boot/probe").ok
    assert root("ls /boot").ok
