# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time, and what becomes of the lock of a run that is no more."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import holding
from ansible_collections.quorum.hardening.plugins.module_utils.holding import (
    Holder,
    Lock,
    controller_identity,
    dead,
    started,
)

ALICE = Holder("alice@laptop", "laptop:1", 10, "boot-1", "2026-01-01T00:00:00Z")
BOB = Holder("bob@desk", "desk:2", 20, "boot-2", "2026-01-02T00:00:00Z")


def test_the_first_holds_and_the_second_waits(tmp_path: Path) -> None:
    lock = Lock(str(tmp_path / "run"))
    assert lock.holder() is None
    assert lock.hold(ALICE) is None
    assert lock.hold(ALICE) is None
    assert lock.hold(BOB) == ALICE
    assert lock.release(BOB) is False
    assert lock.holder() == ALICE
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    assert lock.release(ALICE)
    assert lock.release(ALICE) is False
    assert lock.hold(BOB) is None


@pytest.mark.parametrize("breaking", ["*", ALICE.run])
def test_a_lock_may_be_broken(tmp_path: Path, breaking: str) -> None:
    lock = Lock(str(tmp_path))
    lock.hold(ALICE)
    assert lock.hold(BOB, "someone else") == ALICE
    assert lock.hold(BOB, breaking) is None
    assert lock.holder() == BOB


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"who": 1, "controller": 2, "pid": "x", "start": 1, "since": 1}'])
def test_a_damaged_lock_still_locks(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.json").write_text(text)
    lock = Lock(str(tmp_path))
    held = lock.hold(BOB)
    assert held is not None
    assert held.who == "unknown"
    assert lock.hold(BOB, "*") is None


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    Lock(str(tmp_path)).hold(ALICE)
    row = json.loads((tmp_path / "lock.json").read_text())
    assert row["run"] == ALICE.run
    assert Holder.from_dict(row) == ALICE


def test_life_and_death_of_a_process() -> None:
    child = subprocess.Popen(["sleep", "60"])
    alive = Holder("x", "here", child.pid, started(child.pid), "")
    assert alive.start
    assert not dead(alive, "here")
    assert not dead(alive, "elsewhere")
    child.kill()
    child.wait()
    assert dead(alive, "here")
    assert not dead(alive, "elsewhere")
    assert dead(Holder("x", "here", os.getpid(), "another start", ""), "here")


def test_without_proc_ps_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(os.getpid(), str(tmp_path)) == started(os.getpid(), str(tmp_path)) != ""

    def absent(*_arguments: object, **_options: object) -> None:
        raise FileNotFoundError("ps")

    monkeypatch.setattr(holding.subprocess, "run", absent)
    assert started(os.getpid(), str(tmp_path)) == ""


def test_controllers_of_the_same_name_differ(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("0123456789abcdef\n")
    assert controller_identity("laptop", str(tmp_path / "id")) == "laptop:0123456789ab"
    assert controller_identity("laptop", str(tmp_path / "none")) == "laptop"
