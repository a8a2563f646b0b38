# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages in bad weather: a held lock, a killed run, a full disk, a mirror that is away are said, and survived."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.driver import INVENTORY, ROOT, Done, ctl, sh
from tests.shop import KEPT, PLACE, Shop

#: A host of each release.
HOSTS = ("validator1", "validator2")


def packages(host: str, **arguments: object) -> Done:
    """Call the module as a role does, through the jump host."""
    words = ("-b", "-m", "quorum.hardening.packages", "-a", json.dumps(arguments))
    return ctl(str(ROOT / ".venv/bin/ansible"), "-i", str(INVENTORY), host, *words, timeout=300)


@pytest.fixture(scope="module", params=HOSTS)
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
        removed.must("systemd-run -q --on-active=4 --timer-property=AccuracySec=100ms systemctl stop probe-lock")
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
