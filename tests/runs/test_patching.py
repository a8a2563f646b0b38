# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates: what is published arrives by itself, and what the ledger stands on waits."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.driver import MANAGED, play, sh, statuses
from tests.shop import Shop

STATE = "/var/lib/quorum-patch/state.json"
#: A host of each release with a package that it leaves to the patch playbook.
HELD = (("database", "postgresql-quorum-dummy"), ("validator2", "nginx-quorum-dummy"))
FREE = "quorum-dummy"


def running(host: str) -> str:
    """Main processes of what the ledger stands on; none where it does not run."""
    return sh(host, "systemctl show -p Id,MainPID,ActiveEnterTimestamp goquorum nginx openbao").out


@pytest.fixture(scope="module", params=HELD, ids=[host for host, _name in HELD])
def patched(request: pytest.FixtureRequest) -> Iterator[tuple[Shop, str, str, str]]:
    """A host on which a security update of two packages came out, after its timer's service has run once."""
    host, held = request.param
    with Shop(host) as shop:
        for name in (FREE, held):
            shop.offer(name, "1.0")
            shop.install(name, "1.0")
            shop.offer(name, "1.0+deb1u1")
        before = running(host)
        shop.must("systemctl start quorum-patch.service", timeout=600)
        yield shop, host, held, before


@pytest.mark.evidence("HOST-05", "applied|proven")
def test_a_security_update_arrives_by_itself(patched: tuple[Shop, str, str, str]) -> None:
    shop, _host, _held, _before = patched
    assert shop.version(FREE) == "1.0+deb1u1"


@pytest.mark.evidence("HOST-05", "proven")
def test_what_the_ledger_stands_on_waits_and_nothing_is_restarted(patched: tuple[Shop, str, str, str]) -> None:
    shop, host, held, before = patched
    assert shop.version(held) == "1.0"
    assert running(host) == before
    rows = json.loads(shop.must(f"cat {STATE}").out)["pending"]
    assert [(row["package"], row["offered"]) for row in rows] == [(held, "1.0+deb1u1")]
    assert sh(host, f"cat {STATE}", user="ops").rc != 0, "the state is open to everybody"


@pytest.mark.evidence("HOST-05", "audited|proven")
def test_an_update_that_waits_too_long_fails_the_audit(patched: tuple[Shop, str, str, str]) -> None:
    shop, host, held, _before = patched
    judge = ("--limit", host, "--tags", "host-05")
    assert play("audit", *judge).rc == 0
    assert statuses()[host, "HOST-05"] == "pass"
    shop.must(f'sed -i -E \'s/("since": ")[^"]*/\\12020-01-01T00:00:00Z/\' {STATE}')
    run = play("audit", *judge)
    assert statuses()[host, "HOST-05"] == "fail", run.out[-2000:]
    # The clock does not begin anew when a still newer version comes out.
    shop.offer(held, "1.0+deb1u2")
    shop.must("systemctl start quorum-patch.service", timeout=600)
    (row,) = json.loads(shop.must(f"cat {STATE}").out)["pending"]
    assert (row["offered"], row["since"]) == ("1.0+deb1u2", "2020-01-01T00:00:00Z")


@pytest.mark.evidence("HOST-05", "proven")
def test_a_program_that_runs_replaced_code_fails_the_audit(patched: tuple[Shop, str, str, str]) -> None:
    shop, host, _held, _before = patched
    shop.must(f'sed -i -E \'s/("since": ")[^"]*/\\12099-01-01T00:00:00Z/\' {STATE}')
    shop.must("cp /bin/sleep /usr/local/bin/old && systemd-run -q --unit=probe-old /usr/local/bin/old 600; sleep 1")
    try:
        play("audit", "--limit", host, "--tags", "host-05")
        assert statuses()[host, "HOST-05"] == "pass"
        shop.must("rm /usr/local/bin/old")
        play("audit", "--limit", host, "--tags", "host-05")
        assert statuses()[host, "HOST-05"] == "fail"
    finally:
        sh(host, "systemctl stop probe-old; rm -f /usr/local/bin/old")


@pytest.mark.evidence("HOST-05", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_the_timer_runs_at_a_time_of_its_own_and_the_distributions_does_not(host: str) -> None:
    assert sh(host, "systemctl is-active quorum-patch.timer").out.strip() == "active"
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        assert sh(host, f"systemctl is-enabled {timer}").out.strip() == "masked"
        assert sh(host, f"systemctl is-active {timer}").out.strip() != "active"


@pytest.mark.evidence("HOST-05", "proven")
def test_no_two_hosts_take_their_updates_at_once() -> None:
    lines = [sh(host, "grep ^OnCalendar /etc/systemd/system/quorum-patch.timer").out.strip() for host in MANAGED]
    assert all(lines)
    assert len(set(lines)) == len(MANAGED), lines
