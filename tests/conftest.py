# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: evidence for the controls (see ``evidence.py``), and no skip in silence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

# The tests are run from anywhere (Molecule starts them in its own folder), so they find each other by this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import evidence as _evidence
from tests.driver import MANAGED

evidence = _evidence.evidence

#: What stands first in the brackets of a test's id.
PARAMETER = re.compile(r"\[([^\]-]+)")


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


def stream(nodeid: str) -> str:
    """Which tests are run one after the other: those of a stream, in their order.

    Most tests of a hardened host wait, for a refusal, a login or an undo, and use no processor meanwhile.
    """
    path, found = Path(nodeid.partition("::")[0]), PARAMETER.search(nodeid)
    kind, about, host = path.parent.name, path.stem.removeprefix("test_"), found[1] if found else ""
    if kind in ("undo", "alone"):  # one stream for each host that goes through it
        words = nodeid.partition("[")[2].rstrip("]").split("-")
        return next(word for word in words if word in MANAGED)
    if kind != "testinfra":
        return "one"
    if about in ("segments", "vault"):
        return "wire"
    # A code of the store's host is good for one login, and who counts what a filter drops is alone in flooding.
    if about in ("host_credentials", "firewall") or host == "vault" or (about == "host" and not host):
        return "store"
    # A node that is stopped is no node whose processes can be looked at.
    return "ledger" if about == "goquorum" or host.startswith("validator") else "hosts"


class Streams(LoadScopeScheduling):
    """xdist's scheduler for whole scopes, with :func:`stream` for a scope."""

    def _split_scope(self, nodeid: str) -> str:
        return stream(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """With ``-n 4 --dist loadscope``, as Molecule asks for it: the streams."""
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
