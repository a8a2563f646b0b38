# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: evidence for the controls (see ``evidence.py``)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The tests are run from anywhere (Molecule starts them in its own folder), so they find each other by this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests import evidence as _evidence

evidence = _evidence.evidence


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    _evidence.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make our marks known."""
    _evidence.configure(config)
