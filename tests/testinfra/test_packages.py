# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that came without the roles' packages end up like the others; what they lacked came from the lab's mirror."""

from __future__ import annotations

import pytest

from tests.driver import sh

#: Host -> packages that its image lacks and its duty needs, services that must run.
NEEDS = {
    "vault": (("gpg", "gpg-agent", "openssl"), ("openbao.service",)),
    "validator1": (("openssl", "nginx"), ("goquorum.service", "nginx.service")),
    "validator2": (("openssl", "nginx"), ("goquorum.service", "nginx.service")),
}


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
