# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as small as Debian can be: begun as root, hardened without preparation, continued as the administrator."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.driver import INVENTORY, ROOT, Run, play, sh, ssh, sudo

#: Hosts that were delivered with root alone, and without most of what a server usually has.
MINIMAL = ("database", "tessera")
#: The store that signs their certificates comes to life in the same run, and its holders come through the jump host.
LIMIT = ("--limit", ",".join((*MINIMAL, "jump", "vault")))


@pytest.fixture(scope="module")
def first_run() -> Run:
    """The first run of all."""
    return play("site", *LIMIT)


@pytest.mark.parametrize("host", MINIMAL)
def test_a_minimal_host_was_begun_as_root_and_lets_in_its_administrator_alone(host: str, first_run: Run) -> None:
    assert first_run.rc == 0, first_run.out[-4000:]
    brought = sh(host, "cat /var/log/apt/history.log").out
    assert all(f" {package}:" in brought for package in ("dbus", "libpam-systemd", "nftables", "sudo")), brought
    assert not ssh(host, "true", "-l", "root").ok
    assert ssh(host, "sudo -n id -u").out.strip() == "0"
    assert sh(host, "systemctl --failed --plain --no-legend").out == ""


def test_later_runs_log_in_as_the_administrator_who_has_a_password_then() -> None:
    for host in MINIMAL:
        (INVENTORY / "host_vars" / host / "way_in.yml").unlink()
    refused = play("site", *LIMIT)
    assert refused.rc != 0
    assert refused.out.count("has no password there that sudo could ask for") >= len(MINIMAL)
    subprocess.run([sys.executable, str(ROOT / "lab/credentials.py")], check=True)
    done = play("site", *LIMIT)
    assert done.rc == 0, done.out[-4000:]
    for host in MINIMAL:
        assert not ssh(host, "sudo -n true").ok
        assert sudo(host, "id -u").out.strip() == "0"
