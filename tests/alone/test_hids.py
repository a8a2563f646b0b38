# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file watch must notice and what it must not, and that it is known elsewhere: by the lab's collector."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest

from tests.driver import MANAGED, address, play, sh

WATCHED = ("vault", "validator1")
#: The daily unit itself, as its timer would start it: nothing of the watch is called directly.
CHECK = "systemctl start quorum-aide.service"


def settled(host: str) -> None:
    """Wait until no check is under way: one may still look at what the last run changed."""
    waiting = "for i in $(seq 240); do systemctl is-active -q quorum-aide.service || exit 0; sleep 1; done; exit 1"
    assert sh(host, waiting, timeout=300).ok, f"{host}: the watch does not come to an end"


def said(host: str, since: str) -> str:
    """What the watch wrote to the journal since a cursor."""
    return sh(host, f"journalctl -q -o cat -t quorum-aide --after-cursor='{since}'").out


def cursor(host: str) -> str:
    """The watch's last line: with another one, Debian 12's journalctl would skip the first that follows."""
    return sh(host, "journalctl -q -t quorum-aide -n 1 --show-cursor | sed -n 's/^-- cursor: //p'").out.strip()


def check(host: str) -> str:
    """Run the daily check to its end and return what it said."""
    settled(host)
    since = cursor(host)
    assert sh(host, CHECK).ok
    settled(host)
    return said(host, since)


@pytest.fixture(params=WATCHED)
def clean(request: pytest.FixtureRequest) -> Iterator[str]:
    """A host on which no stranger's change is open; what other tests left there is accepted first."""
    host: str = request.param
    settled(host)
    assert sh(host, "quorum-aide accept", timeout=300).ok
    yield host


@pytest.mark.evidence("HOST-03", "proven")
def test_a_stranger_s_work_is_named_path_by_path(clean: str) -> None:
    made = sh(
        clean,
        "printf '#!/bin/sh\\n' > /usr/local/sbin/helper && chmod 4755 /usr/local/sbin/helper"
        " && cp -p /etc/passwd /run/kept && echo 'back:x:0:0::/root:/bin/sh' >> /etc/passwd "
        "&& install -d -m 700 /root/.ssh && touch /root/.ssh/rc",
    )
    assert made.ok, made.err
    try:
        words = check(clean)
        for line in (
            "event=change by=stranger what=added path=/usr/local/sbin/helper",
            "event=change by=stranger what=content path=/etc/passwd",
            "event=change by=stranger what=added path=/root/.ssh/rc",
        ):
            assert line in words, words
        priorities = sh(clean, "journalctl -q -t quorum-aide -p warning -n 20 -o cat").out
        assert "path=/usr/local/sbin/helper" in priorities, "an alert rule that asks for warnings would not see it"
        assert "by=stranger what=added path=/usr/local/sbin/helper" in check(clean), "said once and then forgotten"
    finally:
        sh(clean, "rm -f /usr/local/sbin/helper /root/.ssh/rc; cat /run/kept > /etc/passwd")
    assert "stranger=0" in check(clean)


@pytest.mark.evidence("HOST-03", "proven")
def test_the_alert_has_left_the_host(clean: str) -> None:
    name = f"/opt/{uuid.uuid4().hex}"
    assert sh(clean, f"touch {name}").ok
    try:
        check(clean)
        for _attempt in range(40):
            kept = sh("infra", f"grep -F 'path={name}' /var/log/collected").out
            if kept:
                break
            time.sleep(0.5)
        assert address(clean) in kept
        assert f"event=change by=stranger what=added path={name}" in kept
    finally:
        sh(clean, f"rm -f {name}")


@pytest.mark.evidence("HOST-03", "proven")
def test_a_replaced_database_is_noticed_and_the_sealed_one_put_back(clean: str) -> None:
    database = "/var/lib/quorum.hardening/aide/aide.db"
    before = sh(clean, f"sha256sum < {database}").out
    planted = f"touch /opt/planted && sed -i 's,^/etc/hostname .*,/opt/planted 0 100644 0 0 1 1 0,' {database}"
    assert sh(clean, planted).ok
    try:
        words = check(clean)
        assert "event=database-replaced" in words
        assert "by=stranger what=added path=/opt/planted" in words
        assert sh(clean, f"sha256sum < {database}").out == before
    finally:
        sh(clean, "rm -f /opt/planted")


@pytest.mark.evidence("HOST-03", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_nobody_but_root_sees_or_changes_what_the_watch_knows(host: str) -> None:
    for path in (
        "/etc/quorum.hardening/aide.conf",
        "/var/lib/quorum.hardening/aide/aide.db",
        "/var/backups/quorum.hardening",
    ):
        read = f"if [ -d {path} ]; then ls {path}; else head -c 1 {path}; fi"
        assert not sh(host, read, user="nobody").ok, path
        assert not sh(host, f"touch {path}", user="nobody").ok, path


@pytest.mark.evidence("HOST-03", "applied")
@pytest.mark.parametrize("host", WATCHED[:1])
def test_our_own_changes_renew_and_a_run_without_any_wakes_nobody(host: str) -> None:
    check(host)
    since = cursor(host)
    # A file of ours that a person has spoilt: the run puts it right, and the watch says who was there before it.
    assert sh(host, "echo '# mine' >> /etc/systemd/coredump.conf.d/90-quorum-hardening.conf").ok
    healing = play("site", "--limit", host, "--tags", "ptm-13")
    assert healing.rc == 0, healing.out[-3000:]
    settled(host)
    words = said(host, since)
    assert "by=stranger what=content,put-right path=/etc/systemd/coredump.conf.d/90-quorum-hardening.conf" in words
    since = cursor(host)
    assert play("site", "--limit", host).rc == 0
    assert "event=checked" not in said(host, since), "a run without a change started the watch"
    assert "by=own" not in check(host)


@pytest.mark.evidence("HOST-03", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_the_watch_stays_within_its_bounds(host: str) -> None:
    shown = sh(host, "systemctl show -p Nice,IOSchedulingClass,MemoryMax,RuntimeMaxUSec quorum-aide.service").out
    assert "Nice=19" in shown
    assert "IOSchedulingClass=3" in shown or "IOSchedulingClass=idle" in shown
    assert "MemoryMax=402653184" in shown
    assert "RuntimeMaxUSec=2h" in shown
    assert sh(host, "systemctl is-enabled quorum-aide.timer rsyslog.service").ok
