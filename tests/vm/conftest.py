# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test of the virtual machine sees it after a boot that nobody helped, and so does its report."""

from __future__ import annotations

import pytest

from tests.vm.machine import KEY, ansible, reboot, root


@pytest.fixture(scope="session", autouse=True)
def rebooted() -> float:
    """Gives the seconds that it took. The machine has no store, so a key is laid there first: rules name its path."""
    folder = KEY.rpartition("/")[0]
    assert root(f"install -d -m 0755 {folder} && head -c 32 /dev/urandom | install -m 0400 /dev/stdin {KEY}").ok
    seconds = reboot()
    audit = ansible("ansible-playbook", "quorum.hardening.audit")
    assert audit.ok, audit.out[-4000:]
    return seconds
