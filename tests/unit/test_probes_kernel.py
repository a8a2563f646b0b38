# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of the kernel."""

from __future__ import annotations

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_kernel as probes
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Inapplicable

SYS = "/proc/sys/net/ipv4/conf"


def test_kernel_parameters():
    files = {
        f"{SYS}/all/rp_filter": "1\n",
        f"{SYS}/eth0/rp_filter": "0\n",
        "/proc/sys/kernel/x": "4\t3\n",
        "/proc/sys/vm/y": "1\n",
    }
    args = {
        "parameters": {"net.ipv4.conf.*.rp_filter": "1", "kernel.x": "4 3", "vm.y": "2", "kernel.gone": "1", "a.*.b": 1}
    }
    seen = probes.kernel_parameters(args, FakeSystem(files=files, read_only=("/proc/sys/vm/y",)))
    assert seen.found == ["net.ipv4.conf.eth0.rp_filter is 0 instead of 1"]
    assert seen.where == "/proc/sys (3 looked at, 1 read-only)"
    with pytest.raises(Inapplicable):
        probes.kernel_parameters({"parameters": {"vm.y": "1"}}, FakeSystem(files=files, read_only=("/proc/sys/vm/y",)))


def test_kernel_modules():
    files = {
        "/proc/sys/kernel/osrelease": "6.1\n",
        "/lib/modules/6.1/modules.dep": "",
        "/proc/modules": "udf 1 0 - Live 0x0\n",
        "/usr/lib/modprobe.d/a.conf": "install sctp /bin/true\n",
        "/etc/modprobe.d/a.conf": "# the one above\ninstall usb-storage /bin/false\ninstall dccp /bin/dccp\n",
        "/etc/modprobe.d/b.conf": "install udf /bin/false\nblacklist rds\n",
        "/etc/modprobe.d/notes": "install rds /bin/false\n",
    }
    args = {"modules": ["udf", "usb_storage", "dccp", "rds", "sctp"]}
    found = probes.kernel_modules(args, FakeSystem(files=files)).found
    assert found == ["dccp can be loaded", "rds can be loaded", "sctp can be loaded", "udf is loaded"]
    with pytest.raises(Inapplicable):
        probes.kernel_modules(args, FakeSystem(files={"/proc/sys/kernel/osrelease": "6.18\n"}))


def test_apparmor():
    base = "/sys/module/apparmor/parameters/enabled"
    profiles = {"/sys/kernel/security/apparmor/profiles": "chronyd (enforce)\n"}
    assert probes.apparmor({}, FakeSystem(files={base: "Y\n", **profiles})).found == {"enabled": "Y", "profiles": True}
    assert probes.apparmor({}, FakeSystem(files={base: "N\n"})).found == {"enabled": "N", "profiles": False}
    with pytest.raises(Inapplicable):
        probes.apparmor({}, FakeSystem())


def test_boot_words():
    path = "/boot/grub/grub.cfg"
    text = "menuentry x {\n  linux /vmlinuz root=/dev/sda1 audit=1 a\n}\nsubmenu {\n linux /vmlinuz.old audit=1\n}\n"
    assert probes.boot_words({"words": ["audit=1", "a", "b"]}, FakeSystem(files={path: text})).found == ["a", "b"]
    with pytest.raises(Absent):
        probes.boot_words({"words": ["a"]}, FakeSystem(files={path: "# empty\n"}))
    with pytest.raises(Inapplicable):
        probes.boot_words({"words": ["a"]}, FakeSystem())


def test_swap():
    files = {
        "/proc/swaps": "Filename Type Size Used Priority\n/dev/sda2 partition 9 0 -2\n/dev/zram0 partition 9 0 5\n"
    }
    assert probes.swap({"policy": "off"}, FakeSystem(files=files)).found == ["/dev/sda2"]
    assert probes.swap({"policy": "encrypted"}, FakeSystem(files=files)).found == ["/dev/sda2"]
    with pytest.raises(Inapplicable):
        probes.swap({"policy": "off"}, FakeSystem(files=files, read_only=("/proc/sys/kernel/core_pattern",)))


def test_clock_servers():
    path = "/etc/chrony/chrony.conf"
    text = (
        "# server 192.0.2.1\nserver 198.18.0.3 iburst # ours\npool pool.example\nsourcedir /run/chrony-dhcp\nport 0\n\n"
    )
    found = probes.clock_servers({}, FakeSystem(files={path: text})).found
    assert found == ["198.18.0.3", "pool.example", "sourcedir /run/chrony-dhcp"]
    with pytest.raises(Absent):
        probes.clock_servers({}, FakeSystem())


def test_clock_daemon():
    may = {"/proc/1/status": "Name: x\nCapEff:\t000001ffffffffff\n"}
    system = FakeSystem(files=may, programs=[(1, ["/usr/sbin/chronyd"]), (2, ["/usr/sbin/sshd"])])
    assert probes.clock_daemon({}, system).found == ["chronyd goquorum"]
    assert probes.clock_daemon({}, FakeSystem(files=may)).found == []
    for text in ("CapEff:\t00000000a80425fb\n", ""):
        with pytest.raises(Inapplicable):
            probes.clock_daemon({}, FakeSystem(files={"/proc/1/status": text}))
