# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may enter: accounts are made, corrected and shown out."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from landing_fakes import Script

from ansible_collections.quorum.hardening.plugins.module_utils import accounts
from ansible_collections.quorum.hardening.plugins.module_utils.accounts import (
    Account,
    Book,
    Wish,
    carry_out,
    end_sessions,
    parse,
    plan,
    problems,
    processes_of,
    read,
    refuse,
    user_of_session,
)
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome

PASSWD = """root:x:0:0:root:/root:/bin/bash
www-data:x:33:33::/var/www:/usr/sbin/nologin
ops:x:1000:1000:Cloud:/home/ops:/bin/bash
alice:x:1001:1001:quorum.hardening administrator:/home/alice:/bin/bash
rubbish
"""
GROUP = "ops:x:1000:\nalice:x:1001:\nquorum-admin:x:990:ops,alice\nrubbish\n"
SHADOW = "root:*:1::::::\nops:!:1:0:99999:7:::\nalice:*:1:0:99999:7:::\nshort:x\n"
BOOK = parse(PASSWD, GROUP, SHADOW)
SETTLED = Wish(administrators=["ops", "alice"])


def test_the_book_is_read(tmp_path: Path) -> None:
    assert BOOK.accounts["alice"] == Account("alice", 1001, "quorum.hardening administrator", "/bin/bash", "*", "")
    assert BOOK.accounts["www-data"].password == ""
    assert BOOK.groups["quorum-admin"] == ["ops", "alice"]
    (tmp_path / "etc").mkdir()
    for name, text in (("passwd", PASSWD), ("group", GROUP), ("shadow", SHADOW)):
        (tmp_path / "etc" / name).write_text(text)
    assert read(str(tmp_path)) == BOOK


def test_nothing_to_do() -> None:
    made = plan(SETTLED, BOOK)
    assert (made.commands, made.created, made.changed, made.removed) == ([], [], {}, [])


def test_new_people() -> None:
    made = plan(Wish(["ops", "alice", "carol"], ["dave"]), replace(BOOK, groups={**BOOK.groups, "dave": []}))
    assert made.created == ["carol", "dave"]
    assert made.commands[0] == ["groupadd", "--system", "--", "quorum-tunnel"]
    carol, dave = (" ".join(c) for c in made.commands[1:])
    assert "--create-home" in carol
    assert "--user-group --shell /bin/bash --password * --groups quorum-admin" in carol
    assert "--no-create-home --home-dir /nonexistent --gid dave --shell /bin/sh" in dave


def test_somebody_elses_account_only_joins() -> None:
    book = parse(
        PASSWD.replace("Cloud:/home/ops:/bin/bash", "Cloud:/home/ops:/bin/zsh"), GROUP.replace("ops,", ""), SHADOW
    )
    assert plan(SETTLED, book).commands == [["gpasswd", "--add", "ops", "quorum-admin"]]


def test_our_own_account_gets_its_shell_back() -> None:
    book = parse(PASSWD.replace("/home/alice:/bin/bash", "/home/alice:/bin/sh"), GROUP, SHADOW)
    assert plan(SETTLED, book).changed == {"alice": ["shell /bin/bash"]}


def test_an_administrator_becomes_a_passer_by() -> None:
    made = plan(Wish(["ops"], ["alice"]), BOOK)
    assert made.changed["alice"] == ["leaves quorum-admin", "joins quorum-tunnel", "shell /bin/sh"]
    assert made.removed == []


def test_in_both_lists_one_is_an_administrator() -> None:
    made = plan(Wish(["ops", "alice"], ["alice"]), BOOK)
    assert made.changed["alice"] == ["joins quorum-tunnel"]


def test_who_left_is_shown_out() -> None:
    made = plan(Wish(["ops"]), BOOK)
    assert made.removed == ["alice"]
    assert made.uids == {"alice": 1001}
    assert made.commands == [
        ["gpasswd", "--delete", "alice", "quorum-admin"],
        ["usermod", "--lock", "--expiredate", "1", "--", "alice"],
    ]


def test_a_member_without_an_account_only_leaves_the_group() -> None:
    made = plan(SETTLED, parse(PASSWD, GROUP.replace("ops,alice", "ops,alice,ghost"), SHADOW))
    assert made.commands == [["gpasswd", "--delete", "ghost", "quorum-admin"]]
    assert problems(SETTLED, parse(PASSWD, GROUP.replace("ops,alice", "ops,alice,ghost"), SHADOW), "ops") == []


@pytest.mark.parametrize(("password", "unlocked"), [("!*", True), ("!$y$hash", True), ("!", False), ("*", False)])
def test_who_comes_back_is_let_in_again(password: str, unlocked: bool) -> None:
    shadow = f"ops:!:1:0:99999:7:::\nalice:{password}:1:0:99999:7::1:\n"
    made = plan(SETTLED, parse(PASSWD, GROUP, shadow))
    assert made.changed == {"alice": ["unlocked"]}
    assert (["usermod", "--unlock", "--", "alice"] in made.commands) is unlocked


def test_somebody_elses_expiry_stays() -> None:
    assert plan(SETTLED, parse(PASSWD, GROUP, "alice:*:1:0:99999:7::20000:\n")).commands == []


def test_what_is_refused() -> None:
    wish = Wish(["root", "www-data", "Bad Name", "ops"])
    book = parse(PASSWD, GROUP.replace("ops,alice", "ops,alice,www-data"), SHADOW)
    found = problems(wish, book, "alice")
    assert [text.split(" ")[0] for text in found] == ["root", "www-data", "'Bad", "alice"]
    assert "the account this run uses" in found[-1]
    left = problems(Wish(["ops", "alice"]), book, "ops")
    assert left == ["www-data left the list and is a system account (uid 33): take it out of the group by hand"]
    with pytest.raises(HostError, match="nothing was changed"):
        refuse(found)
    refuse([])


NAMES = st.lists(st.sampled_from(["ops", "alice", "carol", "dave"]), unique=True)


def replay(book: Book, commands: list[list[str]]) -> Book:
    """What the commands would make of the book."""
    people, groups = dict(book.accounts), {name: list(members) for name, members in book.groups.items()}
    for command in commands:
        if command[0] == "groupadd":
            groups[command[-1]] = []
        elif command[0] == "useradd":
            name, options = command[-1], dict(zip(command, command[1:]))
            people[name] = Account(name, 2000 + len(people), options["--comment"], options["--shell"], "*")
            groups.setdefault(name, [])
            for group in options["--groups"].split(","):
                groups[group].append(name)
        elif command[0] == "gpasswd":
            (groups[command[3]].append if command[1] == "--add" else groups[command[3]].remove)(command[2])
        elif "--expiredate" in command:
            expires = command[command.index("--expiredate") + 1]
            people[command[-1]] = replace(people[command[-1]], expires=expires)
        elif "--shell" in command:
            people[command[-1]] = replace(people[command[-1]], shell=command[2])
    return Book(people, groups)


@given(NAMES, NAMES, NAMES, NAMES)
def test_twice_is_once_whoever_comes_and_goes(a: list[str], b: list[str], c: list[str], d: list[str]) -> None:
    book = BOOK
    for wish in (Wish(a, b), Wish(c, d)):
        book = replay(book, plan(wish, book).commands)
        assert plan(wish, book).commands == []
        assert set(book.groups["quorum-admin"]) == set(wish.administrators)


def test_sessions_end(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"])
    assert child.pid in processes_of(os.geteuid())
    runner, killed = Script(), []

    def kill(pid: int, signal: int) -> None:
        killed.append((pid, signal))
        if pid == 8:
            raise ProcessLookupError

    end_sessions(runner, {"alice": 4711}, kill, lambda uid: [7, 8, 9], str(tmp_path))
    assert killed == [(7, 9), (8, 9), (9, 9)]
    assert runner.calls == []
    (tmp_path / "4711").touch()
    end_sessions(runner, {"alice": 4711}, kill, lambda uid: [], str(tmp_path))
    assert runner.calls == [["loginctl", "terminate-user", "alice"]]
    child.kill()
    child.wait()


def test_processes_that_end_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "12").mkdir()
    (tmp_path / "self").mkdir()
    monkeypatch.setattr(accounts.os, "listdir", lambda path: ["12", "13", "self"])
    assert processes_of(os.geteuid(), str(tmp_path)) == [12]


def test_a_failing_command_is_an_error() -> None:
    with pytest.raises(HostError, match="useradd: full"):
        carry_out(Script(lambda argv: Outcome(1, "", "useradd: full")), plan(Wish(["ops", "alice", "carol"]), BOOK))


@pytest.mark.parametrize(
    ("environment", "login_uid", "expected"),
    [({"SUDO_USER": "ops"}, "0", "ops"), ({}, "1001\n", "alice"), ({}, "4294967295", None), ({}, "", None)],
)
def test_the_user_of_the_session(environment: dict[str, Any], login_uid: str, expected: str) -> None:
    assert user_of_session(environment, login_uid, BOOK) == expected
