# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account leaves beside its line in passwd: found, ended and taken away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from landing_fakes import Script

from ansible_collections.quorum.hardening.plugins.module_utils import accounts_host
from ansible_collections.quorum.hardening.plugins.module_utils.accounts import Plan
from ansible_collections.quorum.hardening.plugins.module_utils.accounts_book import parse
from ansible_collections.quorum.hardening.plugins.module_utils.accounts_host import (
    carry_out,
    end_sessions,
    processes_of,
    strange_keys,
    take_away,
    traces,
    user_of_session,
)
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome


def test_sessions_end(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    assert child.pid in processes_of({os.geteuid()})
    assert processes_of(set()) == []
    runner, killed = Script(), []
    rounds = [[7, 8, 9], [9], []]

    def kill(pid: int, signal: int) -> None:
        killed.append((pid, signal))
        if pid == 8:
            raise ProcessLookupError

    def find(uids: Collection[int]) -> list[int]:
        assert uids == {4711}
        return rounds.pop(0)

    end_sessions(runner, {"alice": 4711}, kill, find, str(tmp_path))
    assert killed == [(7, 9), (8, 9), (9, 9), (9, 9)]
    assert runner.calls == []
    (tmp_path / "4711").touch()
    end_sessions(runner, {"alice": 4711}, kill, lambda uids: [], str(tmp_path))
    assert runner.calls == [["loginctl", "terminate-user", "alice"]]
    child.kill()
    child.wait()


def test_what_will_not_die_does_not_hold_up_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts_host.time, "sleep", lambda seconds: None)
    killed: list[int] = []
    end_sessions(Script(), {"alice": 1}, lambda pid, signal: killed.append(pid), lambda uids: [7], str(tmp_path))
    assert len(killed) == accounts_host.ROUNDS


def test_processes_that_end_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "12").mkdir()
    (tmp_path / "self").mkdir()
    monkeypatch.setattr(accounts_host.os, "listdir", lambda path: ["12", "13", "self"])
    assert processes_of({os.geteuid()}, str(tmp_path)) == [12]


def test_traces_are_found_and_taken_away(tmp_path: Path) -> None:
    own = os.geteuid()
    for path in ("spool/cron/crontabs/alice", "spool/cron/atjobs/a1", "lib/systemd/linger/alice"):
        (tmp_path / "var" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "var" / path).touch()
    (tmp_path / "run/sudo/ts").mkdir(parents=True)
    (tmp_path / f"run/sudo/ts/{own}").touch()
    found = traces({"alice": own}, str(tmp_path))
    assert found == [
        f"/run/sudo/ts/{own}",
        "/var/lib/systemd/linger/alice",
        "/var/spool/cron/atjobs/a1",
        "/var/spool/cron/crontabs/alice",
    ]
    assert traces({"bob": own + 1}, str(tmp_path)) == []
    take_away([*found, "/var/gone"], str(tmp_path))
    assert traces({"alice": own}, str(tmp_path)) == []


def test_keys_of_nobody_listed(tmp_path: Path) -> None:
    for name in ("ops", "mallory"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert strange_keys("", {"ops"}, str(tmp_path)) == ["/mallory"]
    assert strange_keys("/absent", {"ops"}, str(tmp_path)) == []


def test_a_failing_command_is_an_error() -> None:
    with pytest.raises(HostError, match="useradd: full"):
        carry_out(Script(lambda argv: Outcome(1, "", "useradd: full")), Plan([["useradd", "carol"]]))


@pytest.mark.parametrize(
    ("environment", "login_uid", "expected"),
    [({"SUDO_USER": "ops"}, "0", "ops"), ({}, "1001\n", "alice"), ({}, "4294967295", None), ({}, "", None)],
)
def test_the_user_of_the_session(environment: dict[str, Any], login_uid: str, expected: str) -> None:
    book = parse("ops:x:1000:1000:::\nalice:x:1001:1001:::\n", "", "")
    assert user_of_session(environment, login_uid, book) == expected
