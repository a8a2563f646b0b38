# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that shuts the controller out is back by itself, and the next look says what happened."""

from __future__ import annotations

import os

import pytest

from tests.undo.drill import drill, lines

# The full length is for the soak; the short cut proves the same mechanism.
SECONDS = int(os.environ.get("UNDO_DRILL_SECONDS", "15"))


@pytest.mark.parametrize(("change", "controller", "host"), lines(["database", "tessera"]))
def test_the_host_is_back_by_itself(change: str, controller: str, host: str) -> None:
    outcome = drill(change, controller, host, SECONDS)
    assert not outcome.problem, outcome
