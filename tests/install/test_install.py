# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that came without the roles' packages end up like the others; what they lacked came from the lab's mirror."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.driver import INVENTORY, ROOT, play, sh, ssh, sudo

#: Host -> packages that its image lacks and its duty needs, services that must run.
NEEDS = {
    "vault": (("gpg", "gpg-agent", "openssl"), ("openbao.service",)),
    "validator1": (("openssl", "nginx"), ("goquorum.service", "nginx.service")),
    "validator2": (("openssl", "nginx"), ("goquorum.service", "nginx.service")),
}
#: Hosts that were delivered with root alone, and without most of what a server usually has.
MINIMAL = ("database", "tessera")


@pytest.mark.parametrize("host", NEEDS)
def test_packages_are_there_and_services_run(host: str) -> None:
    packages, services = NEEDS[host]
    found = sh(host, f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}}\\n' {' '.join(packages)}")
    assert found.out.split("\n")[:-1] == [f"ii  {package}" for package in sorted(packages)], found.err
    for service in services:
        assert sh(host, f"systemctl is-active {service}").out.strip() == "active"


@pytest.mark.parametrize("host", NEEDS)
def test_the_mirror_was_reached_through_the_proxy(host: str) -> None:
    log = sh("infra", "cat /var/log/apt-cacher-ng/apt-cacher.log").out
    assert "/n/nginx/" in log
    assert sh(host, "apt-config dump Acquire::http::Proxy").out.strip().endswith('"http://198.18.0.3:3142";')


def test_hosts_with_an_empty_duty_need_nothing_more() -> None:
    for host in ("jump", "tessera"):
        assert not sh(host, "command -v nginx").ok


@pytest.mark.parametrize("host", MINIMAL)
def test_a_minimal_host_was_begun_as_root_and_lets_in_its_administrator_alone(host: str) -> None:
    brought = sh(host, "cat /var/log/apt/history.log").out
    assert all(f" {package}:" in brought for package in ("dbus", "libpam-systemd", "nftables", "sudo")), brought
    assert not ssh(host, "true", "-l", "root").ok
    assert ssh(host, "sudo -n id -u").out.strip() == "0"
    assert sh(host, "systemctl --failed --plain --no-legend").out == ""


def test_later_runs_log_in_as_the_administrator_who_has_a_password_then() -> None:
    limit = ("--limit", ",".join(MINIMAL))
    for host in MINIMAL:
        (INVENTORY / "host_vars" / host / "way_in.yml").unlink()
    refused = play("site", *limit)
    assert refused.rc != 0
    assert refused.out.count("has no password there that sudo could ask for") >= len(MINIMAL)
    subprocess.run([sys.executable, str(ROOT / "lab/credentials.py")], check=True)
    done = play("site", *limit)
    assert done.rc == 0, done.out[-4000:]
    for host in MINIMAL:
        assert not ssh(host, "sudo -n true").ok
        assert sudo(host, "id -u").out.strip() == "0"
