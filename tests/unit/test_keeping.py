# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a run, and for how long."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import keeping
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground, Seen
from ansible_collections.quorum.hardening.plugins.module_utils.holding import Holder, Lock, alone
from ansible_collections.quorum.hardening.plugins.module_utils.keeping import Keeper, kept_runs, recall, row, thin

OLD = Seen("file", b"old", 0, 0, 0o640)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    (tmp_path / "var/lib").mkdir(parents=True)
    with Ground(str(tmp_path)) as found:
        yield found


def keeper(ground: Ground, number: int) -> Keeper:
    return Keeper(ground, f"{number:010x}", "alice@laptop", "2026-11-21T13:22:52Z")


def test_everything_that_can_be_kept_comes_back(ground: Ground, tmp_path: Path) -> None:
    seen = {
        "/etc/a": OLD,
        "/etc/b": Seen("absent"),
        "/etc/c": Seen("link", b"", 1, 2, 0o777, target="a"),
        "/etc/d/": Seen("directory", b"", 1, 2, 0o750),
    }
    keeper(ground, 1).files([(path, state, False) for path, state in seen.items()])
    (run,) = kept_runs(ground)
    assert {path: recall(ground, run.folder, kept) for path, kept in run.files.items()} == seen
    state = tmp_path / "var/lib/quorum.hardening"
    for path in state.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert run.summary()["files"] == sorted(seen)


def test_of_a_secret_nothing_is_kept(ground: Ground, tmp_path: Path) -> None:
    keeper(ground, 1).files([("/etc/key", Seen("file", b"hush hush", 0, 0, 0o600), True)])
    (run,) = kept_runs(ground)
    assert run.files["/etc/key"]["kind"] == "withheld"
    files = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["run.json"]
    assert "sha256" not in files[0].read_text()
    assert row(Seen("file", b"x" * (keeping.LARGEST + 1), 0, 0, 0))["kind"] == "withheld"


def test_the_first_state_of_a_run_counts(ground: Ground) -> None:
    one = keeper(ground, 1)
    one.files([("/etc/a", OLD, False)])
    one.files([("/etc/a", Seen("absent"), False)])
    one.units({"a.service": {"boot": "enabled", "there": True, "running": True}})
    one.units({"a.service": {"boot": "masked", "there": True, "running": False}})
    one.ruleset("first")
    one.ruleset("second")
    one.takes_back("f" * 10)
    (run,) = kept_runs(ground)
    assert run.files["/etc/a"]["kind"] == "file"
    assert run.units["a.service"]["boot"] == "enabled"
    assert recall(ground, run.folder, {**row(OLD), "sha256": run.ruleset}).content == b"first"
    assert run.takes_back == "f" * 10


def test_a_lost_content_is_said(ground: Ground, tmp_path: Path) -> None:
    keeper(ground, 1).files([("/etc/a", OLD, False)])
    (run,) = kept_runs(ground)
    (tmp_path / run.folder.lstrip("/") / run.files["/etc/a"]["sha256"]).write_text("forged")
    with pytest.raises(HostError, match="not there any more"):
        recall(ground, run.folder, run.files["/etc/a"])


def test_the_oldest_go_first_and_the_present_one_never(ground: Ground, tmp_path: Path) -> None:
    for number in range(1, keeping.KEPT_RUNS + 4):
        keeper(ground, number).files([("/etc/a", OLD, False)])
    runs = kept_runs(ground)
    assert [run.number for run in runs] == list(range(4, keeping.KEPT_RUNS + 4))
    assert thin(ground, runs[0].run, runs=1, size=0) == [run.run for run in runs[1:]]
    assert [run.run for run in kept_runs(ground)] == [runs[0].run]
    (tmp_path / "var/lib/quorum.hardening/runs/stranger").mkdir()
    (tmp_path / "var/lib/quorum.hardening/runs/0123456789").mkdir()
    assert len(kept_runs(ground)) == 1


def test_a_run_is_called_by_its_lock(ground: Ground, tmp_path: Path) -> None:
    lock = Lock(str(tmp_path / "run"))
    holder = Holder("alice@laptop", "laptop:1", 7, "x", "2026-11-21T13:22:52Z")
    alone_one = keeping.keeper(ground, lock)
    assert lock.hold(holder) is None
    named = keeping.keeper(ground, lock)
    assert named.run == keeping.run_id(holder) != alone_one.run
    assert keeping.RUN_ID.match(named.run)
    named.units({})
    assert kept_runs(ground)[0].who == "alice@laptop"


def _at_work(directory: str, seconds: float) -> None:
    with alone(directory=directory):
        Path(directory, "begun").touch()
        time.sleep(seconds)


def test_one_changing_call_at_a_time(tmp_path: Path) -> None:
    directory = str(tmp_path / "run")
    other = multiprocessing.get_context("fork").Process(target=_at_work, args=(directory, 1.5))
    other.start()
    while not (tmp_path / "run/begun").exists():
        time.sleep(0.01)
    with pytest.raises(OSError, match="another call is still at work"), alone(directory=directory, patience=0.3):
        pass
    begun = time.monotonic()
    with alone(directory=directory):
        assert time.monotonic() - begun > 0.3
    other.join()
    with alone(False, str(tmp_path / "never")):
        assert not (tmp_path / "never").exists()


def test_run_files_are_plain_json(ground: Ground, tmp_path: Path) -> None:
    keeper(ground, 1).files([("/etc/a", OLD, False)])
    (run,) = kept_runs(ground)
    assert json.loads((tmp_path / run.path.lstrip("/")).read_text())["began"] == "2026-11-21T13:22:52Z"
