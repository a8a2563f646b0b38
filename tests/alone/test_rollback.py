# SPDX-License-Identifier: GPL-3.0-or-later
"""A run can be taken back, and the next run brings the wanted state again."""

from __future__ import annotations

import json

import pytest

from tests.driver import play, sh, sudo

FILES = ("/etc/security/limits.d/90-quorum-hardening.conf", "/etc/systemd/coredump.conf.d/90-quorum-hardening.conf")
# What the kernel fills in by itself is nobody's state.
TABLE = "nft -s list table inet quorum_hardening | grep -v 'elements\\|expires'"


def _state(host: str) -> str:
    done = sh(host, f"stat -c '%n %a %U' {' '.join(FILES)}; sha256sum {' '.join(FILES)}; {TABLE}")
    return done.out


def _kept(host: str) -> list[str]:
    done = sh(host, "ls /var/lib/quorum.hardening/runs")
    return done.out.split()


@pytest.mark.parametrize("host", ["monitoring"])
def test_the_last_run_is_taken_back_and_the_next_mends(host: str) -> None:
    hardened = _state(host)
    # Somebody's own state, which a run replaces and a way back brings back.
    assert sh(host, f"echo '# by hand' > {FILES[0]}; chmod 600 {FILES[0]}; rm {FILES[1]}").ok
    assert sh(host, "nft add rule inet quorum_hardening input tcp dport 4242 counter accept").ok
    by_hand = _state(host)
    assert by_hand != hardened
    mended = play("site", "--limit", host)
    assert mended.rc == 0, mended.out[-3000:]
    assert _state(host) == hardened

    listed = play("rollback", "--limit", host, "-e", "rollback_list=true")
    assert listed.rc == 0, listed.out[-3000:]
    assert _kept(host)[0] in listed.out
    look = play("rollback", "--limit", host, "--check", "--diff")
    assert look.rc == 0, look.out[-3000:]
    assert "+# by hand" in look.out
    assert _state(host) == hardened, "a look changed something"

    back = play("rollback", "--limit", host)
    assert back.rc == 0, back.out[-3000:]
    assert _state(host) == by_hand
    assert sudo(host, "id -u").ok
    # Confirmed over a fresh connection: nothing is armed any more.
    armed = sh(host, "ls /var/lib/quorum.hardening/undo/*/armed 2>/dev/null")
    assert armed.out == ""

    again = play("site", "--limit", host)
    assert again.rc == 0, again.out[-3000:]
    assert _state(host) == hardened


@pytest.mark.parametrize("host", ["monitoring"])
def test_what_is_kept_is_for_root_alone_and_bounded(host: str) -> None:
    assert 0 < len(_kept(host)) <= 10
    loose = sh(host, "find /var/lib/quorum.hardening/runs /var/lib/quorum.hardening/originals -perm /077")
    assert loose.ok
    assert loose.out == ""
    for run in _kept(host):
        book = json.loads(sh(host, f"cat /var/lib/quorum.hardening/runs/{run}/run.json").out)
        secret = [path for path, row in book["files"].items() if row["secret"] and "sha256" in row]
        assert secret == []
