# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's audit on a machine that has one, after a boot: what it records, and that it is locked."""

from __future__ import annotations

import time
import uuid

import pytest

from tests.vm.machine import HERE, KEY, root, ssh

pytestmark = pytest.mark.evidence("HOST-03", "proven", hosts=["vm"])

#: Key of the record -> what an administrator does (over SSH, so that a login stands behind it).
DEEDS = {
    "identity": "sudo -n touch /etc/passwd",
    "scope": "sudo -n touch /etc/sudoers.d/quorum-hardening",
    "sshd": "sudo -n touch /etc/ssh/sshd_config",
    "units": "sudo -n touch /etc/systemd/system/audit-probe && sudo -n rm /etc/systemd/system/audit-probe",
    "firewall": "sudo -n touch /etc/quorum.hardening/firewall.nft",
    "kernel": "sudo -n touch /etc/sysctl.d/audit-probe && sudo -n rm /etc/sysctl.d/audit-probe",
    "watch": "sudo -n touch /var/lib/quorum.hardening/aide/busy",
    "privileged": "sudo -n true",
    "delete": "touch /tmp/audit-probe && rm /tmp/audit-probe",
    "access": "cat /etc/shadow 2>/dev/null; true",
}


@pytest.fixture(scope="module", autouse=True)
def recorded() -> str:
    """A moment just before; records of earlier tests do not count."""
    moment = root("LC_ALL=C date '+%m/%d/%y %H:%M:%S'").out.strip()
    for script in DEEDS.values():
        done = ssh(script)
        assert done.ok, done.err
    return moment


@pytest.mark.parametrize("key", DEEDS)
def test_the_deed_is_recorded_under_its_key(key: str, recorded: str) -> None:
    search = f"LC_ALL=C ausearch --input-logs -i -k {key} --start {recorded}"
    found = root(search)
    assert found.ok, found.out + found.err
    assert "auid=unset" not in found.out.splitlines()[-1], "nobody can be held to it"


def test_who_reads_a_key_is_recorded() -> None:
    assert ssh(f"sudo -n cat {KEY} >/dev/null").ok
    assert root(f"ausearch --input-logs -k keys-read -f {KEY}").ok


def test_nobody_changes_the_rules_before_the_next_boot() -> None:
    before = root("auditctl -l").out
    assert len(before.splitlines()) > 50
    for words in ("-D", "-e 0", "-a never,exit -F auid=0", "-b 64"):
        refused = root(f"auditctl {words}")
        # Of a rule to add, auditctl says so and ends well; the list below says whether it was obeyed.
        assert not refused.ok or "immutable" in refused.err, f"auditctl {words} was obeyed"
    assert root("auditctl -l").out == before
    assert "enabled 2" in root("auditctl -s").out


def test_records_reach_the_journal_and_leave_the_machine() -> None:
    name = f"/etc/sudoers.d/.{uuid.uuid4().hex}"
    assert ssh(f"sudo -n touch {name} && sudo -n rm {name}").ok
    # The one is how the program calls itself in Debian 12, the other in Debian 13.
    look = f"journalctl -q -g {name} -t audispd -t audisp-syslog -o cat | grep -q ."
    assert root(f"for i in $(seq 30); do {look} && exit 0; sleep 1; done; exit 1").ok
    deadline = time.monotonic() + 30
    while name not in (HERE / "collected").read_text(errors="replace"):
        assert time.monotonic() < deadline, "the record is in the journal and has not left"
        time.sleep(1)


def test_changed_rules_ask_for_a_reboot_and_do_not_fail() -> None:
    rules = "/etc/audit/rules.d/50-quorum-hardening.rules"
    assert root(
        f"cp -p {rules} /run/kept && sed -i '/key=delete$/d' {rules} && systemctl restart quorum-audit-rules"
    ).ok
    try:
        assert "quorum.hardening audit rules" in root("cat /run/reboot-required.pkgs").out
        assert root("journalctl -q -t quorum-audit-rules -g event=reboot-due -o cat").out.strip()
    finally:
        root(f"cp -p /run/kept {rules}; sed -i '/^quorum.hardening audit rules$/d' /run/reboot-required.pkgs")


def test_a_full_disk_does_not_halt_the_machine() -> None:
    text = root("cat /etc/audit/auditd.conf").out.lower()
    for name in ("disk_full_action", "disk_error_action", "admin_space_left_action", "space_left_action"):
        value = next(row.split("=")[1].strip() for row in text.splitlines() if row.startswith(f"{name} "))
        assert value in ("syslog", "suspend"), f"{name} = {value}"
