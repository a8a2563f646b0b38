# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system below a host's duty must refuse (HOST-01), tried as an ordinary account and as root."""

from __future__ import annotations

import pytest

from tests.driver import MANAGED, VALIDATORS, sh, ssh, sudo

#: Places that everybody may write to.
OPEN = ("/tmp", "/var/tmp", "/dev/shm")
PERSON = "ops"
#: The whole list, written down a second time on purpose: what is not here has no bit.
PRIVILEGED = {
    "/usr/bin/sudo",
    "/usr/bin/passwd",
    "/usr/sbin/unix_chkpwd",
    "/usr/lib/dbus-1.0/dbus-daemon-launch-helper",
    "/usr/bin/ssh-agent",
}


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_a_program_put_where_everybody_writes_does_not_run(host: str) -> None:
    home = sh(host, "cp /bin/true ~/qh-run && ~/qh-run; r=$?; rm -f ~/qh-run; exit $r", user=PERSON)
    assert home.ok, "the account cannot run its own program at all: the test would prove nothing"
    for place in OPEN:
        done = sh(
            host, f"cp /bin/true {place}/qh-run && {place}/qh-run; r=$?; rm -f {place}/qh-run; exit $r", user=PERSON
        )
        assert done.rc == 126, f"a program in {place}: {done.rc} {done.err}"
        assert "ermission denied" in done.err, done.err


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_a_program_that_belongs_to_root_gives_nobody_its_rights(host: str) -> None:
    # Under /opt nothing is in the way, so there it works: the other places refuse it by their mounts.
    made = "cp /usr/bin/id {0}/qh-id && chmod 4755 {0}/qh-id"
    assert sh(host, made.format("/opt")).ok
    try:
        assert sh(host, "/opt/qh-id -u", user=PERSON).out.strip() == "0", "a setuid bit means nothing on this machine"
    finally:
        sh(host, "rm -f /opt/qh-id")
    for place in OPEN:
        assert sh(host, made.format(place)).ok
        try:
            assert sh(host, f"{place}/qh-id -u", user=PERSON).out.strip() != "0", place
        finally:
            sh(host, f"rm -f {place}/qh-id")


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_root_is_reached_by_no_program_but_sudo(host: str) -> None:
    listed = sh(host, "find / -xdev -type f '(' -perm -4000 -o -perm -2000 ')' 2>/dev/null", timeout=120)
    assert set(listed.out.split()) <= PRIVILEGED
    assert "/usr/bin/sudo" in listed.out.split()
    # With the right password, su would say "Authentication failure" too: it may not even read where it stands.
    word = "Brindle-7-otter-quay"
    password = f"printf 'root:{word}\\n' | chpasswd"
    kept = "cp -p /etc/shadow /root/qh-shadow"
    assert sh(host, f"{kept} && {password}").ok
    try:
        done = sh(host, f"echo {word} | su -c 'id -u' root", user=PERSON)
        assert not done.ok
        assert "0" not in done.out.split()
    finally:
        assert sh(host, "cp -p /root/qh-shadow /etc/shadow && rm /root/qh-shadow").ok
    for forbidden in ("mount -t tmpfs none /mnt", "umount /dev/shm", "chage -l root", "echo x | newgrp root"):
        assert not sh(host, forbidden, user=PERSON).ok, forbidden
    assert sudo(host, "id -u").out.strip() == "0"


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_an_account_sees_no_process_of_another(host: str) -> None:
    started = sh(host, "systemd-run -q --unit=qh-hidden sleep 300 && systemctl show -p MainPID --value qh-hidden")
    assert started.ok, started.err
    pid = started.out.strip()
    try:
        assert sh(host, f"cat /proc/{pid}/cmdline").ok, "root does not see it either: the test would prove nothing"
        for what in ("cmdline", "status", "environ", "cgroup"):
            assert not sh(host, f"cat /proc/{pid}/{what}", user=PERSON).ok, what
        assert not sh(host, "test -e /proc/1", user=PERSON).ok
        owners = set(sh(host, "ps -eo user=", user=PERSON).out.split())
        assert owners == {PERSON}, owners
    finally:
        sh(host, "systemctl stop qh-hidden")


@pytest.mark.evidence("HOST-01", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_sessions_services_and_the_bus_live_with_it(host: str) -> None:
    done = ssh(
        host, 'loginctl show-session "$XDG_SESSION_ID" -p Name -p Remote -p State; systemctl --user is-system-running'
    )
    assert "Name=ops" in done.out, done.out + done.err
    assert "State=active" in done.out
    assert done.out.split()[-1] in ("running", "degraded"), done.out + done.err
    assert sh(host, "systemctl is-active systemd-logind dbus systemd-journald ssh").out.split() == ["active"] * 4
    # What other tests broke on purpose in a transient unit of their own says nothing about the host.
    sh(host, "systemctl reset-failed 'probe-*' 'run-*'")
    failed = sh(host, "systemctl --failed --type=service,socket,mount --no-legend --plain")
    assert failed.out.strip() == ""


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_boot_and_the_books_of_accounts_are_closed(host: str) -> None:
    for forbidden in (
        "ls /boot",
        "touch /boot/qh",
        "cat /etc/shadow",
        "cat /etc/gshadow",
        "ls /root",
        "ls /etc/cron.d",
        "ls /etc/audit",
        "ls /var/log/audit",
        "cat /etc/ssh/ssh_host_ed25519_key",
        "cat /var/log/sudo.log",
    ):
        done = sh(host, forbidden, user=PERSON)
        assert not done.ok, forbidden
        # The directory of the timetables may be gone together with their package.
        assert "ermission denied" in done.err or (forbidden.endswith("cron.d") and "No such file" in done.err), done.err


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_nobody_looks_into_the_home_of_another(host: str) -> None:
    done = sh(host, f"ls -A ~{PERSON}", user="nobody")
    assert not done.ok
    assert "ermission denied" in done.err, done.err
    assert sh(host, "ls -A ~", user=PERSON).ok


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_what_no_duty_needs_is_gone(host: str) -> None:
    programs = ["telnet", "ftp", "tftp", "rsh", "talk", "ypbind", "ldapsearch", "at", "crontab", "nc", "rpcbind", "ufw"]
    programs += [] if host in VALIDATORS else ["nginx"]
    for program in programs:
        done = sh(host, f"command -v {program}")
        assert not done.ok, f"{program} is still here: {done.out}"
    if host in VALIDATORS:
        assert sh(host, "systemctl is-active nginx").out.strip() == "active"


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_a_service_that_no_duty_needs_cannot_be_started_by_root(host: str) -> None:
    for unit in (
        "debug-shell.service",
        "rpcbind.socket",
        "rsync.service",
        "ctrl-alt-del.target",
        "sshd-unix-local.socket",
    ):
        done = sh(host, f"systemctl start {unit}")
        assert not done.ok, unit
        assert "masked" in done.err, done.err
    local = "import socket; socket.socket(socket.AF_UNIX).connect('/run/ssh-unix-local/socket')"
    assert not sh(host, f'python3 -c "{local}"').ok, "SSH answers past the packet filter"


@pytest.mark.evidence("HOST-01", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_an_interface_that_comes_later_believes_no_stranger_either(host: str) -> None:
    made = sh(host, "ip link add qh0 type veth peer name qh1")
    assert made.ok, made.err
    try:
        conf = "/proc/sys/net/ipv4/conf/qh0"
        names = ["accept_redirects", "secure_redirects", "send_redirects", "accept_source_route", "rp_filter"]
        found = sh(host, "cat " + " ".join(f"{conf}/{name}" for name in names)).out.split()
        assert found == ["0", "0", "0", "0", "1"], found
    finally:
        sh(host, "ip link del qh0")


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_what_a_person_makes_is_not_for_everybody_and_no_banner_tells_what_runs(host: str) -> None:
    made = sh(host, "sh -lc 'umask; touch ~/qh-made; stat -c %a ~/qh-made; rm ~/qh-made'", user=PERSON)
    assert made.out.split() == ["0027", "640"], made.out + made.err
    told = sh(host, "cat /etc/issue /etc/issue.net /etc/motd", user=PERSON).out
    assert "uthorised use only" in told
    for word in ("Debian", "GNU", "Linux", "\\n", "\\l", "\\r"):
        assert word not in told.replace("\n", " "), word


@pytest.mark.evidence("HOST-01", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_the_journal_is_on_the_disk(host: str) -> None:
    assert (
        sh(host, "logger -t qh-journal kept && journalctl --sync && journalctl -t qh-journal -n 1 -o cat").out.strip()
        == "kept"
    )
    assert sh(host, 'ls /var/log/journal/"$(cat /etc/machine-id)"/system.journal').ok
