# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of updates, on a machine made of dictionaries."""

from __future__ import annotations

import json
import time

import pytest
from probe_fakes import FakeSystem, unreadable

from ansible_collections.quorum.hardening.plugins.module_utils import probes_patch
from ansible_collections.quorum.hardening.plugins.module_utils.patch_run import STATE, TIME
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Inapplicable, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed, FileStat

STATUS = "/var/lib/dpkg/status"


def ago(days):
    return time.strftime(TIME, time.gmtime(time.time() - days * 86400))


def host(**state):
    given = {"result": "done", "problem": "", "started": ago(0), "updated": ago(0.5), "security_sources": ["x"]}
    return FakeSystem(files={STATE: json.dumps({**given, **state})})


def test_a_run_that_went_well():
    found = probes_patch.patch_run({}, host()).found
    assert found == {"result": "done", "problem": "", "list_age_days": 0.5, "security_source": "yes"}


def test_lists_that_are_stale_or_lack_the_security_updates():
    found = probes_patch.patch_run({}, host(updated=ago(9), security_sources=[], result="failed", problem="E: x")).found
    assert found == {"result": "failed", "problem": "E: x", "list_age_days": 9.0, "security_source": "no"}
    assert probes_patch.patch_run({}, host(updated="never")).found["list_age_days"] > 10000


def test_a_run_that_goes_on_and_one_that_is_stuck():
    assert probes_patch.patch_run({}, host(result="running")).found["result"] == "running"
    assert probes_patch.patch_run({}, host(result="running", started=ago(1))).found["result"] == "stuck"
    first = probes_patch.patch_run({}, host(result="running", updated="", security_sources=None)).found
    assert first["list_age_days"] == 0
    assert first["security_source"] == "not known yet"


def test_before_the_first_run():
    with pytest.raises(Absent, match="nothing on this host fetches updates"):
        probes_patch.patch_run({}, FakeSystem())
    landed = FileStat(0o644, 0, 0, "file", 9, time.time() - 5 * 86400)
    system = FakeSystem(stats={probes_patch.TIMER: landed})
    assert probes_patch.patch_run({}, system).found["result"] == "waiting"
    assert probes_patch.patch_run({}, system).found["list_age_days"] == 5.0
    assert probes_patch.patch_overdue({"max_age_days": 7}, system).found == []


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_state_that_cannot_be_understood_is_never_a_pass(text):
    with pytest.raises(Unreadable):
        probes_patch.patch_run({}, FakeSystem(files={STATE: text}))


def package(name, version, status="install ok installed"):
    return f"Package: {name}\nStatus: {status}\nArchitecture: amd64\nVersion: {version}\n\n"


def test_updates_that_are_overdue():
    pending = [
        {"package": "openssl", "installed": "1", "offered": "2", "since": ago(8), "blocked": ""},
        {"package": "nginx", "installed": "1", "offered": "2", "since": ago(20), "blocked": "on hold"},
        {"package": "curl", "installed": "1", "offered": "2", "since": ago(20), "blocked": ""},
        {"package": "sudo", "installed": "1", "offered": "2", "since": ago(6), "blocked": ""},
        {"package": "gone", "installed": "1", "offered": "2", "since": ago(20), "blocked": ""},
    ]
    system = host(pending=pending)
    system.files[STATUS] = "".join(package(name, "1") for name in ("openssl", "nginx", "sudo")) + package("curl", "2")
    assert probes_patch.patch_overdue({"max_age_days": 7}, system).found == [
        "nginx 1 -> 2, known for 20 days, on hold",
        "openssl 1 -> 2, known for 8 days",
    ]
    assert len(probes_patch.patch_overdue({"max_age_days": 5}, system).found) == 3


def test_marks():
    status = package("a", "1", "hold ok installed") + package("nginx", "1", "hold ok installed")
    status += package("b", "1", "install ok half-configured")
    system = FakeSystem(files={STATUS: status})
    found = probes_patch.package_marks({"held": ["^nginx"]}, system).found
    assert found == {"held": ["a"], "halfway": ["b"]}
    assert probes_patch.package_marks({}, system).found["held"] == ["a", "nginx"]
    with pytest.raises(Inapplicable):
        probes_patch.package_marks({}, FakeSystem())


DUMP = """Unattended-Upgrade "";
Unattended-Upgrade::Origins-Pattern "";
Unattended-Upgrade::Origins-Pattern:: "origin=B";
Unattended-Upgrade::Origins-Pattern:: "origin=A";
Unattended-Upgrade::Allowed-Origins:: "x:y";
Unattended-Upgrade::Package-Blacklist:: "^nginx";
Unattended-Upgrade::Automatic-Reboot "true";
"""


def test_what_unattended_upgrades_would_do():
    program = {"/usr/bin/unattended-upgrade": FileStat(0o755, 0, 0, "file", 9)}
    system = FakeSystem(stats=program, commands={"apt-config dump": DUMP})
    assert probes_patch.patch_configuration({}, system).found == {
        "origins": ["origin=A", "origin=B", "x:y"],
        "held": ["^nginx"],
        "reboot": "true",
    }
    system = FakeSystem(stats=program, commands={"apt-config dump": "\n"})
    assert probes_patch.patch_configuration({}, system).found == {"origins": [], "held": [], "reboot": "false"}
    with pytest.raises(Absent):
        probes_patch.patch_configuration({}, FakeSystem(commands={"apt-config dump": DUMP}))
    with pytest.raises(Unreadable):
        probes_patch.patch_configuration({}, FakeSystem(commands={"apt-config": Completed(100, "", "E: syntax")}))


RUNNING = "Linux version 6.1.0-28-amd64 (gcc) #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)\n"


@pytest.mark.parametrize(
    ("version", "packages", "reasons"),
    [
        (RUNNING, {"linux-image-6.1.0-28-amd64": "6.1.119-1", "linux-image-amd64": "6.1.119-1"}, []),
        (RUNNING, {"linux-image-6.1.0-9-amd64": "6.1.27-1", "linux-image-6.1.0-28-amd64": "6.1.119-1"}, []),
        (RUNNING, {"linux-image-6.1.0-29-amd64": "6.1.123-1"}, ["kernel 6.1.123-1 is installed, 6.1.119-1 runs"]),
        (RUNNING, {"linux-image-6.1.0-28-amd64": "6.1.120-1"}, ["kernel 6.1.120-1 is installed, 6.1.119-1 runs"]),
        ("Linux version 6.18.44 #1 SMP\n", {"linux-image-6.1.0-28-amd64": "6.1.120-1"}, []),
        (RUNNING, {}, []),
    ],
)
def test_a_kernel_that_does_not_run_yet(version, packages, reasons):
    status = "".join(package(name, number) for name, number in packages.items())
    system = FakeSystem(files={STATUS: status, "/proc/version": version})
    assert probes_patch.reboot_pending({}, system).found == reasons


def test_packages_that_ask_for_a_reboot():
    files = {STATUS: "", "/run/reboot-required": "*** System restart required ***\n"}
    assert probes_patch.reboot_pending({}, FakeSystem(files=files)).found == ["asked for by a package"]
    files["/run/reboot-required.pkgs"] = "libc6\ndbus\nlibc6\n"
    assert probes_patch.reboot_pending({}, FakeSystem(files=files)).found == ["asked for by dbus, libc6"]


MAPS = """55d0-55d1 r-xp 00000000 fe:00 131 /usr/sbin/nginx
7f00-7f01 r-xp 00001000 fe:00 132        /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
7f01-7f02 r--p 00001000 fe:00 132        /usr/lib/x86_64-linux-gnu/libother.so.3 (deleted)
7f02-7f03 r-xp 00001000 fe:00 133        /usr/lib/x86_64-linux-gnu/libc.so.6 (deleted)
7f03-7f04 rwxp 00000000 00:01 134        /memfd:jit (deleted)
7f04-7f05 r-xp 00000000 00:01 134        /tmp/x (deleted)
"""


def test_programs_that_run_what_was_replaced():
    files = {"/proc/7/maps": MAPS, "/proc/8/maps": "55-56 r-xp 0 fe:00 1 /usr/bin/geth\n"}
    files["/proc/9/maps"] = unreadable("/proc/9/maps")
    programs = [(7, ["nginx"]), (8, ["geth"]), (9, ["quick"]), (10, ["gone"])]
    assert probes_patch.stale_programs({}, FakeSystem(files=files, programs=programs)).found == [
        "nginx 7: /usr/lib/x86_64-linux-gnu/libc.so.6 and 1 more"
    ]
