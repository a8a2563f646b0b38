# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system may hold, by duty and by the exceptions of an inventory; and what can be purged."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import baseline_lists as lists
from ansible_collections.quorum.hardening.plugins.module_utils.baseline import VARIABLES, baseline, needed, strict
from ansible_collections.quorum.hardening.plugins.module_utils.purging import removable


def test_no_duty_loses_what_its_role_needs() -> None:
    for duty in ("jump", "vault", "database", "tessera", "goquorum", "monitoring"):
        found = baseline([duty], {})
        assert not set(found["packages"]) & needed(lists.NEEDED_PACKAGES, [duty])
        assert not set(found["services"]) & needed(lists.NEEDED_SERVICES, [duty])
    assert "nginx" in baseline(["jump"], {})["packages"]
    assert "nginx" not in baseline(["goquorum"], {})["packages"]


@pytest.mark.parametrize(
    ("variables", "inside", "outside"),
    [
        ({"host_modules": {"usb-storage": True, "nfs": False}}, {"modules": ["nfs"]}, {"modules": ["usb_storage"]}),
        ({"host_packages": {"cron": True, "gcc": False}}, {"packages": ["gcc"]}, {"packages": ["cron"]}),
        (
            {"host_services": {"rsync.service": True, "x.service": False}},
            {"services": ["x.service", "swap.target"]},
            {"services": ["rsync.service"]},
        ),
        ({"host_swap": "encrypted"}, {}, {"services": ["swap.target"]}),
        (
            {"host_setuid_programs": {"/usr/bin/crontab": True, "/usr/bin/ssh-agent": False}},
            {"setuid": ["/usr/bin/crontab", "/usr/bin/sudo"]},
            {"setuid": ["/usr/bin/ssh-agent"]},
        ),
        (
            {"host_mount_options": {"/boot": [], "/srv": ["nodev"]}},
            {"mounts": ["/srv", "/proc"]},
            {"mounts": ["/boot"]},
        ),
        ({"host_mount_options": {"/tmp": None}}, {"mounted": ["/proc"]}, {"mounted": ["/tmp"], "mounts": ["/tmp"]}),
        (
            {
                "host_kernel_parameters": {
                    "kernel.sysrq": None,
                    "net.core.bpf_jit_harden": None,
                    "vm.x": 1,
                    "net.ipv4.y": 2,
                }
            },
            {"kernel": ["vm.x"], "network": ["net.ipv4.y"]},
            {"kernel": ["kernel.sysrq", "net.core.bpf_jit_harden", "net.ipv4.y"]},
        ),
        (dict.fromkeys(VARIABLES), {"modules": ["dccp"], "services": ["swap.target"]}, {}),
        (dict.fromkeys(VARIABLES, "nonsense"), {"modules": ["dccp"]}, {}),
    ],
)
def test_exceptions(variables: dict[str, Any], inside: dict[str, list[str]], outside: dict[str, list[str]]) -> None:
    found = baseline(["database"], variables)
    assert all(name in found[part] for part, names in inside.items() for name in names)
    assert not [name for part, names in outside.items() for name in names if name in found[part]]


@pytest.mark.parametrize(
    ("variables", "judged_by"),
    [
        ({"host_modules": {"usb_storage": True, "nfs": False}}, {"host_modules": {"nfs": False}}),
        ({"host_packages": {"telnet": True}}, {}),
        ({"host_services": {"rsync.service": True}}, {}),
        (
            {"host_setuid_programs": {"/opt/own": True, "/usr/bin/ssh-agent": False}},
            {"host_setuid_programs": {"/usr/bin/ssh-agent": False}},
        ),
        (
            {"host_mount_options": {"/tmp": ["nosuid"], "/boot": [], "/srv": ["nodev"]}},
            {"host_mount_options": {"/srv": ["nodev"]}},
        ),
        (
            {"host_kernel_parameters": {"kernel.sysrq": 1, "net.ipv4.ip_forward": None, "vm.x": 1}},
            {"host_kernel_parameters": {"vm.x": 1}},
        ),
        (
            {"host_kernel_parameters": {"kernel.yama.ptrace_scope": 3, "kernel.perf_event_paranoid": 2}},
            {"host_kernel_parameters": {"kernel.yama.ptrace_scope": 3}},
        ),
        ({"host_swap": "encrypted"}, {"host_swap": "encrypted"}),
    ],
)
def test_the_audit_follows_who_asks_for_more_and_not_who_asks_for_less(
    variables: dict[str, Any], judged_by: dict[str, Any]
) -> None:
    assert baseline(["database"], strict(variables)) == baseline(["database"], judged_by)


def test_values_are_text_and_forwarding_is_set_first() -> None:
    found = baseline([], {"host_kernel_parameters": {"net.ipv4.tcp_syncookies": 2}})
    assert found["network"]["net.ipv4.tcp_syncookies"] == "2"
    assert next(iter(found["network"])) == "net.ipv4.ip_forward"
    assert set(found["paths"][0]) == {"path", "owner", "group", "mode"}


def test_homes_of_administrators_are_theirs_alone() -> None:
    assert baseline([], {}, ["ops"])["paths"][-1] == {"path": "/home/ops", "owner": "ops", "mode": "0750"}
    assert [row for row in baseline([], {})["paths"] if row["path"].startswith("/home")] == []


def package(name: str, status: str = "install ok installed", **fields: str) -> str:
    more = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    return f"Package: {name}\nStatus: {status}\n{more}Description: x\n more\n"


STATUS = "\n".join(
    [
        package("telnet"),
        package("rpcbind"),
        package("zfs-tools", Depends="libc6 (>= 2), rpcbind | portmap, nothing-known"),
        package("exim4-base"),
        package("exim4", Depends="exim4-base (>= 4) | sendmail", Provides="mail-transport-agent (= 4), x"),
        package("reporter", Pre_Depends="default-mta | mail-transport-agent"),
        package("cron", Provides="cron-daemon"),
        package("systemd-cron", Provides="cron-daemon"),
        package("logs", Depends="cron | cron-daemon"),
        package("at", status="deinstall ok config-files"),
        package("bash", Essential="yes"),
        package("held", status="hold ok installed"),
    ]
)


def test_only_what_nobody_else_needs_is_purged() -> None:
    goes, stays = removable(
        ["telnet", "rpcbind", "exim4-base", "exim4", "cron", "at", "bash", "held", "nowhere"], STATUS
    )
    assert goes == ["cron", "held", "telnet"]
    assert stays == {"rpcbind": "zfs-tools", "exim4": "reporter", "exim4-base": "exim4", "bash": "the system"}
    assert removable(["exim4", "exim4-base", "reporter"], STATUS) == (["exim4", "exim4-base", "reporter"], {})
    assert removable(["nowhere"], STATUS) == ([], {})
