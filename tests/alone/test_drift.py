# SPDX-License-Identifier: GPL-3.0-or-later
"""A host notices by itself what somebody breaks, says so, and lets only those read it who may."""

from __future__ import annotations

import json

import pytest

from tests.driver import MANAGED, OWN_AUDIT, audited, sh

GAUGES = "/var/lib/quorum.hardening/audit/quorum-audit.prom"
BROKEN = "/etc/security/limits.d/90-quorum-hardening.conf"


def said(host: str, moment: str) -> list[tuple[str, str]]:
    """Priority and text of what the audit has said in the journal since a moment."""
    done = sh(host, f"journalctl --sync; journalctl -t quorum-audit -o json --no-pager --since='@{moment}'")
    return [(row["PRIORITY"], row["MESSAGE"]) for row in map(json.loads, done.out.splitlines())]


def now(host: str) -> str:
    """The host's clock, in seconds with their fraction."""
    return sh(host, "date +%s.%6N").out.strip()


@pytest.mark.parametrize("host", MANAGED)
def test_the_timer_waits_for_its_hour(host: str) -> None:
    assert sh(host, "systemctl is-enabled quorum-audit.timer && systemctl is-active quorum-audit.timer").ok


@pytest.mark.parametrize("host", ["database", "tessera"])
def test_what_is_broken_is_noticed_and_what_is_mended_too(host: str) -> None:
    assert audited(host)["controls"]["PTM-13"] == "pass"
    before = now(host)
    assert sh(host, f"mv {BROKEN} /root/away && systemctl daemon-reload").ok
    try:
        assert audited(host)["controls"]["PTM-13"] == "fail"
        lines = said(host, before)
        assert [line for line in lines if line[1].startswith("PTM-13: fail, was pass")], lines
        assert all(priority == "4" for priority, text in lines if text.startswith("PTM-13: fail"))
        assert 'quorum_control_status{control="PTM-13"} 3' in sh(host, f"cat {GAUGES}").out
        again = now(host)
        audited(host)
        assert not [text for _priority, text in said(host, again) if text.startswith("PTM-13")], "said twice"
    finally:
        assert sh(host, f"mv /root/away {BROKEN}").ok
    before = now(host)
    assert audited(host)["controls"]["PTM-13"] == "pass"
    assert ("5", "PTM-13: pass, was fail") in said(host, before)


@pytest.mark.parametrize("host", MANAGED)
def test_only_root_and_the_metrics_reader_read_the_result(host: str) -> None:
    audited(host)
    stranger = sh(host, f"runuser -u nobody -- cat {OWN_AUDIT}")
    assert not stranger.ok
    assert "Permission denied" in stranger.err
    assert not sh(host, "runuser -u nobody -- ls /var/lib/quorum.hardening").ok
    assert not sh(host, "runuser -u nobody -- cat /etc/quorum.hardening/audit.json").ok
    # A group for one process, without making anybody a member: exactly what a service of that group gets.
    reader = f"setpriv --reuid nobody --regid quorum-metrics --clear-groups cat {OWN_AUDIT} {GAUGES}"
    assert sh(host, reader).ok
    for beyond in ("/var/lib/quorum.hardening/overlay/host.json", "/var/lib/quorum.hardening/runs"):
        assert not sh(host, f"setpriv --reuid nobody --regid quorum-metrics --clear-groups ls {beyond}/. ").ok


@pytest.mark.parametrize("host", MANAGED)
def test_the_audit_can_write_nothing_but_its_result(host: str) -> None:
    probe = (
        "systemd-run --quiet --wait --pipe "
        "$(systemctl show quorum-audit.service -p ProtectSystem -p ReadWritePaths -p NoNewPrivileges | sed 's/^/-p /') "
        "sh -c 'touch /etc/probe /usr/probe /var/lib/probe'"
    )
    done = sh(host, probe)
    assert not done.ok
    assert done.err.count("Read-only file system") == 3, done.err
