# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program lets an administrator do, and what it refuses."""

from __future__ import annotations

import grp
import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import credentials_tool as tool
from ansible_collections.quorum.hardening.plugins.module_utils.one_time import INVITED, Factor, Refusal, code

NOW = 1_700_000_010.0
STEP = int(NOW) // 30
GOOD = "correct horse battery"


class Script(tool.Talk):
    """Says its lines; an answer may be worked out from what was shown."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.shown = list(answers), []  # type: tuple[list[Any], list[str]]

    def say(self, *lines: str) -> None:
        self.shown += lines

    def ask(self, question: str, hidden: bool = False) -> str:
        self.shown.append(question)
        answer = self.answers.pop(0)
        return str(answer(self.shown) if callable(answer) else answer)


def its_code(shown: list[str]) -> str:
    secret = next(line for line in shown if line.startswith("secret: "))
    return code(secret.split()[1], STEP)


def recovery(shown: list[str]) -> list[str]:
    return [line.split()[1] for line in shown if line.startswith("recovery: ")]


@pytest.fixture(name="store")
def a_store(tmp_path: Path) -> tool.Store:
    shadow = tmp_path / "shadow"
    shadow.write_text("ops:*:1::::::\nalice:$y$j9T$x$y:1::::::\nbob:!$y$x:1::::::\neve::1::::::\n")
    return tool.Store(str(tmp_path / "second_factor.d"), str(shadow))


def enrol(store: tool.Store, name: str = "ops") -> Script:
    talk = Script(its_code)
    tool.second_factor(name, store, talk, lambda: NOW)
    return talk


def test_a_first_second_factor(store: tool.Store) -> None:
    talk = enrol(store)
    factor = store.factor("ops")
    assert factor is not None
    assert list(factor.codes) == recovery(talk.shown)
    # The code that confirmed it opens nothing any more.
    assert factor.values("DISALLOW_REUSE") == [STEP]
    path = Path(store.folder) / "ops"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(store.folder) == ["ops"]
    assert "ops" not in talk.shown[0]


def test_a_second_factor_that_was_not_understood_does_not_land(store: tool.Store) -> None:
    with pytest.raises(Refusal, match="not its code"):
        tool.second_factor("ops", store, Script("000000"), lambda: NOW)
    assert store.factor("ops") is None


@pytest.mark.parametrize("way", ["code", "recovery"])
def test_replacing_takes_the_old_one(store: tool.Store, way: str) -> None:
    shown = enrol(store).shown
    old = store.factor("ops")
    assert old is not None
    given = code(old.secret, STEP + 1) if way == "code" else recovery(shown)[0]
    said = tool.second_factor("ops", store, Script(given, its_code), lambda: NOW)
    assert said == "ops replaced the second factor"
    new = store.factor("ops")
    assert new is not None
    assert new.secret != old.secret


def test_replacing_with_a_wrong_or_used_code_is_refused_and_counted(store: tool.Store) -> None:
    enrol(store)
    old = store.factor("ops")
    assert old is not None
    # The confirmation was the first of three tries.
    for wrong in (code(old.secret, STEP), "000000"):
        with pytest.raises(Refusal, match="no valid code"):
            tool.second_factor("ops", store, Script(wrong), lambda: NOW)
    with pytest.raises(Refusal, match="too many tries"):
        tool.second_factor("ops", store, Script(code(old.secret, STEP + 1)), lambda: NOW)
    after = store.factor("ops")
    assert after is not None
    assert after.secret == old.secret


def test_a_half_written_file_is_replaced(store: tool.Store) -> None:
    os.makedirs(store.folder)
    (Path(store.folder) / ".ops.new").write_text("half")
    enrol(store)
    assert os.listdir(store.folder) == ["ops"]


def test_nobody_without_a_factor_opens_one(store: tool.Store) -> None:
    os.makedirs(store.folder)
    assert not store.opens("ops", "000000", NOW)
    assert os.listdir(store.folder) == []


@pytest.mark.parametrize("name", ["ops", "bob", "eve"])
def test_a_first_password(store: tool.Store, name: str) -> None:
    changed = {}
    assert name in tool.password(name, store, Script(GOOD, GOOD), changed.__setitem__)
    assert changed == {name: GOOD}


@pytest.mark.parametrize(
    ("name", "answers", "words"),
    [
        ("alice", (), "change it with passwd"),
        ("ops", ("short",), "shorter than 14"),
        ("ops", ("aaaaaaaaaaaaaaaaaa",), "few characters"),
        ("ops", ("the word ops is in it",), "your name"),
        ("ops", ("with a tab\tin the middle",), "cannot be typed"),
        ("ops", (GOOD, "another good password"), "not the same"),
    ],
)
def test_no_password(store: tool.Store, name: str, answers: tuple[str, ...], words: str) -> None:
    changed: dict[str, str] = {}
    with pytest.raises(Refusal, match=words):
        tool.password(name, store, Script(*answers), changed.__setitem__)
    assert changed == {}


@pytest.fixture(name="people")
def people_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool.grp, "getgrnam", lambda name: grp.struct_group((name, "x", 1, ["ops", "alice"])))


@pytest.mark.usefixtures("people")
def test_a_lost_phone(store: tool.Store) -> None:
    enrol(store)
    old = store.factor("ops")
    talk = Script()
    assert tool.act(["reset", "ops"], "alice", store, talk) == "alice reset the second factor of ops"
    invited = store.factor("ops")
    assert invited is not None
    assert old is not None
    assert invited.secret != old.secret
    assert INVITED in invited.options
    assert list(invited.codes) == recovery(talk.shown)
    assert len(invited.codes) == 1
    assert invited.secret not in "".join(talk.shown)
    assert tool.status(store) == [
        "alice: password set, second factor none",
        "ops: password none, second factor invited",
    ]
    # Come in with that code, he sets up his own without any other.
    enrol(store)
    assert tool.status(store)[1] == "ops: password none, second factor set, 5 codes left"


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("words", "user", "problem"),
    [
        (["reset", "ops"], "ops", "for another administrator"),
        (["reset", "mallory"], "ops", "no.* administrator"),
        (["second-factor"], "", "for a person"),
        (["password"], "root", "for a person"),
        (["second-factor", "ops"], "ops", "usage"),
        (["reset", "ops", "everything"], "alice", "usage"),
        ([], "ops", "usage"),
    ],
)
def test_refused(store: tool.Store, words: list[str], user: str, problem: str) -> None:
    with pytest.raises(Refusal, match=problem):
        tool.act(words, user, store, Script())


@pytest.mark.usefixtures("people")
def test_a_forgotten_password(store: tool.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(tool.subprocess, "run", lambda command, **_options: ran.append(command))
    assert tool.act(["reset", "ops", "password"], "alice", store, Script()) == "alice reset the password of ops"
    assert ran == [["/usr/sbin/usermod", "--password", "*", "--", "ops"]]


def test_before_the_first_run_all_people_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_name: str) -> None:
        raise KeyError

    monkeypatch.setattr(tool.grp, "getgrnam", nobody)
    assert "root" not in tool.administrators()


def test_a_password_that_pam_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        returncode, stdout, stderr = 1, "", "BAD PASSWORD\n"

    given: dict[str, Any] = {}
    monkeypatch.setattr(
        tool.subprocess, "run", lambda command, **options: given.update(options, command=command) or Done
    )
    with pytest.raises(Refusal, match="BAD PASSWORD"):
        tool.set_password("ops", GOOD)
    assert GOOD not in " ".join(given["command"])
    Done.returncode = 0
    tool.set_password("ops", GOOD)


def test_talk_line_by_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n"))
    talk = tool.Talk()
    talk.say("a", "b")
    assert talk.ask("what", hidden=True) == "one"
    with pytest.raises(Refusal, match="no answer"):
        talk.ask("more")
    assert capsys.readouterr().out == "a\nb\nwhat: \nmore: "


def test_talk_at_a_terminal_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(tool.getpass, "getpass", lambda question: question)
    assert tool.Talk().ask("what", hidden=True) == "what: "


@pytest.mark.usefixtures("people")
def test_the_journal_learns_who_and_no_secret(
    store: tool.Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(tool.os, "geteuid", lambda: 0)
    monkeypatch.setattr(tool.syslog, "syslog", lambda _level, text: logged.append(text))
    monkeypatch.setattr(tool.time, "time", lambda: NOW)
    assert tool.main(["status"], {"SUDO_USER": "ops"}, store, Script()) == 0
    assert logged == []
    assert tool.main(["reset", "ops"], {"SUDO_USER": "alice"}, store, Script()) == 0
    assert tool.main(["reset", "alice"], {"SUDO_USER": "alice"}, store, Script()) == 1
    assert tool.main(["password"], {"SUDO_USER": "ops"}, store, Script("hunter2")) == 1
    assert logged == [
        "alice reset the second factor of ops",
        "alice: reset refused",
        "ops: password refused",
    ]
    assert "shorter" in capsys.readouterr().err
    monkeypatch.setattr(tool.os, "geteuid", lambda: 1000)
    assert tool.main(["status"], {}, store, Script()) == 2
    assert "usage" in capsys.readouterr().err


def test_a_factor_tells_what_it_is() -> None:
    assert not Factor("A").invited
    assert Factor("A", ('" RATE_LIMIT 3 30 17',)).values("RATE_LIMIT") == [3, 30, 17]
