# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed anywhere is brought to its end by the next one."""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.soak.interrupt import of_lab, soak

# Many are for the soak; a few in each run of the tests, every time at other moments.
TRIALS = int(os.environ.get("INTERRUPT_TRIALS", "3"))
SEED = int(os.environ.get("INTERRUPT_SEED", str(int(time.time()))))


@pytest.mark.parametrize("host", ["monitoring"])
def test_the_next_run_converges(host: str) -> None:
    print(f"seed {SEED}")
    outcomes = soak(of_lab(host), TRIALS, random.Random(SEED))
    assert any(outcome.running for outcome in outcomes), "no run was still going when it was to be killed"
    assert [outcome.problem for outcome in outcomes] == [""] * TRIALS, (SEED, outcomes)
