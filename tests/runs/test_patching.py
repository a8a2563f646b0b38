# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates: what is published arrives by itself, what the ledger stands on waits, and bad weather is survived."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.driver import INVENTORY, MANAGED, ROOT, Done, ctl, play, sh, statuses
from tests.shop import KEPT, PLACE, Shop

STATE = "/var/lib/quorum-patch/state.json"
#: A host of each release with a package that it leaves to the patch playbook.
HELD = (("database", "postgresql-quorum-dummy"), ("validator2", "nginx-quorum-dummy"))
FREE = "quorum-dummy"
BAD_WEATHER = ("database", "monitoring")


def packages(host: str, **arguments: object) -> Done:
    """Call the module as a role does, through the jump host."""
    words = ("-b", "-m", "quorum.hardening.packages", "-a", json.dumps(arguments))
    return ctl(str(ROOT / ".venv/bin/ansible"), "-i", str(INVENTORY), host, *words, timeout=300)


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


# --- bad weather ---


@pytest.fixture(scope="module", params=BAD_WEATHER)
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    with Shop(request.param) as found:
        found.offer("quorum-dummy-new", "1.0")
        yield found


@pytest.fixture
def removed(shop: Shop) -> Iterator[Shop]:
    """The shop, with none of its packages on the host before and after."""
    clean = "dpkg -P --force-all $(dpkg-query -W -f '${Package}\\n' 'quorum-dummy-*' 2>/dev/null) 2>/dev/null || true"
    sh(shop.host, clean)
    yield shop
    sh(shop.host, clean)


def test_a_package_comes_and_goes_and_twice_is_once(removed: Shop) -> None:
    seen = packages(removed.host, present=["quorum-dummy-new"])
    assert seen.ok, seen.out + seen.err
    assert "CHANGED" in seen.out
    assert removed.version("quorum-dummy-new") == "1.0"
    again = packages(removed.host, present=["quorum-dummy-new"], absent=["quorum-dummy-never"])
    assert "SUCCESS" in again.out, again.out
    assert packages(removed.host, absent=["quorum-dummy-new"]).ok
    assert removed.version("quorum-dummy-new") == ""


def test_who_holds_dpkg_is_said_and_the_end_is_awaited(removed: Shop) -> None:
    hold = "import fcntl,time; h=open('/var/lib/dpkg/lock-frontend','w'); fcntl.lockf(h,fcntl.LOCK_EX); time.sleep(900)"
    removed.must(f'systemd-run -q --unit=probe-lock python3 -c "{hold}"; sleep 1')
    try:
        pid = removed.must("systemctl show -p MainPID --value probe-lock").out.strip()
        seen = packages(removed.host, present=["quorum-dummy-new"], lock_seconds=2)
        assert not seen.ok
        assert f"locked by process {pid}" in seen.out
        assert "time.sleep(900)" in seen.out
        assert removed.version("quorum-dummy-new") == ""
        removed.must("systemd-run -q --on-active=4 systemctl stop probe-lock")
        seen = packages(removed.host, present=["quorum-dummy-new"], lock_seconds=60)
        assert seen.ok, seen.out
    finally:
        sh(removed.host, "systemctl stop probe-lock")


@pytest.mark.parametrize(("moment", "left"), [("preinst", "half-installed"), ("postinst", "half-configured")])
def test_a_run_that_was_killed_is_finished_by_the_next(removed: Shop, moment: str, left: str) -> None:
    host, name = removed.host, f"quorum-dummy-{moment}"
    # It hangs the first time alone.
    script = f"[ -e /run/{name} ] && exit 0; touch /run/{name}; sleep 600"
    removed.offer(name, "1.0", **{moment: script})
    sh(host, f"rm -f /run/{name}; systemctl reset-failed probe-cut")
    removed.must(
        f"systemd-run -q --unit=probe-cut env DEBIAN_FRONTEND=noninteractive apt-get -y install "
        f"{PLACE}/pool/{name}_1.0.deb"
    )
    until = time.monotonic() + 60
    while not sh(host, f"test -e /run/{name}").ok and time.monotonic() < until:
        time.sleep(0.3)
    removed.must("sleep 0.5; systemctl kill -s KILL probe-cut; sleep 1")
    assert removed.state(name) == left
    audit_row = sh(host, "dpkg --audit").out
    assert name in audit_row
    seen = packages(host, present=["quorum-dummy-new"])
    assert seen.ok, seen.out
    assert "finished what an earlier run of dpkg had left halfway" in seen.out + seen.err
    assert removed.state(name) == "installed"
    assert removed.version("quorum-dummy-new") == "1.0"
    assert sh(host, "dpkg --audit").out == ""


def test_a_full_disk_is_said_and_the_next_run_converges(removed: Shop) -> None:
    name = "quorum-dummy-big"
    removed.offer(name, "1.0", size=4_000_000)
    removed.must(f"mkdir -p /usr/share/{name} && mount -t tmpfs -o size=1m tmpfs /usr/share/{name}")
    try:
        seen = packages(removed.host, present=[name])
        assert not seen.ok
        assert "the disk is full" in seen.out, seen.out
        assert "MiB free" in seen.out
        assert removed.state(name) != "installed"
    finally:
        sh(removed.host, f"umount /usr/share/{name}")
    seen = packages(removed.host, present=[name])
    assert seen.ok, seen.out
    assert removed.state(name) == "installed"


def test_a_mirror_that_does_not_answer_is_named(removed: Shop) -> None:
    listing = "/etc/apt/sources.list.d/quorum-shop.list"
    removed.must(
        f"cp {listing} {KEPT}/list && echo 'deb [trusted=yes] http://127.0.0.1:9/debian stable main' > {listing}"
    )
    proxy = "/etc/apt/apt.conf.d/99quorum-dummy"
    removed.must(f"echo 'Acquire::http::Proxy::127.0.0.1 \"DIRECT\";' > {proxy}")
    try:
        seen = packages(removed.host, present=["quorum-dummy-new"])
        assert not seen.ok
        assert "the mirror 127.0.0.1:9 does not answer" in seen.out, seen.out
        assert "host_package_mirrors" in seen.out
    finally:
        sh(removed.host, f"mv {KEPT}/list {listing}; rm -f {proxy}")
    assert packages(removed.host, present=["quorum-dummy-new"]).ok


def test_a_read_only_system_is_said(removed: Shop) -> None:
    place = "/usr/share/quorum-dummy-new"
    # Read-only from the start: sessions have mounts of their own, and would not hear of options that change later.
    removed.must(f"mkdir -p {place} && mount -t tmpfs -o ro tmpfs {place}")
    try:
        seen = packages(removed.host, present=["quorum-dummy-new"])
        assert not seen.ok
        assert "mounted read-only" in seen.out, seen.out
    finally:
        sh(removed.host, f"umount {place}")
    assert packages(removed.host, present=["quorum-dummy-new"]).ok
    assert removed.state("quorum-dummy-new") == "installed"


def test_a_preview_changes_nothing(removed: Shop) -> None:
    before = sh(removed.host, "sha256sum /var/lib/dpkg/status").out
    command = [str(ROOT / ".venv/bin/ansible"), "-i", str(INVENTORY), removed.host, "-b", "--check", "--diff"]
    seen = ctl(*command, "-m", "quorum.hardening.packages", "-a", json.dumps({"present": ["quorum-dummy-new"]}))
    assert "CHANGED" in seen.out, seen.out
    assert "+quorum-dummy-new 1.0" in seen.out
    assert sh(removed.host, "sha256sum /var/lib/dpkg/status").out == before
