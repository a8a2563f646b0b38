# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: evidence for the controls (see ``evidence.py``), and no skip in silence."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

# The tests are run from anywhere (Molecule starts them in its own folder), so they find each other by this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import evidence as _evidence

evidence = _evidence.evidence

#: Files of testinfra that touch accounts, load the packet filter anew or read its counters, or log in to the store's
#: host, whose codes are good for one login each.
LOGINS = ("access", "firewall", "host", "host_credentials", "host_session", "host_ssh_audit", "system")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    _evidence.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make our marks known."""
    _evidence.configure(config)


def allowed_skips() -> dict[str, str]:
    """Test id (file and name, no folder) -> reason, from ``tests/allowed-skips``."""
    lines = (Path(__file__).parent / "allowed-skips").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if line and not line.startswith("#"))


class Streams(LoadScopeScheduling):
    """Two streams for the tests of a hardened host, one for each host of the undo's drill, one for all other tests.

    Most of the former wait, for a refusal, a login or an undo, and use no processor meanwhile.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        if path.parent.name == "undo":
            return nodeid.rpartition("-")[2]
        if path.parent.name != "testinfra":
            return "one"
        return "logins" if path.stem.removeprefix("test_") in LOGINS else "wire"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """With ``-n 2 --dist loadscope``, as Molecule asks for it: the streams."""
    return Streams(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_ALL=1 a skip that is not on the list is a failure: what was not tried is not proven."""
    report = yield
    name = f"{item.path.name}::{item.name.split('[')[0]}"
    if os.environ.get("REQUIRE_ALL") == "1" and report.skipped and name not in allowed_skips():
        report.outcome = "failed"
        report.longrepr = f"{name} was skipped, and tests/allowed-skips does not name it: {report.longrepr}"
    return report
