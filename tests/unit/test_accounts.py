# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may enter: accounts are made, corrected and shown out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils.accounts import (
    Wish,
    plan,
    problems,
    refuse,
)
from ansible_collections.quorum.hardening.plugins.module_utils.accounts_book import Account, Book, parse, read
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError

PASSWD = """root:x:0:0:root:/root:/bin/bash
www-data:x:33:33::/var/www:/usr/sbin/nologin
ops:x:1000:1000:Cloud:/home/ops:/bin/bash
alice:x:1001:1001:quorum.hardening administrator:/home/alice:/bin/bash
rubbish
"""
GROUP = "ops:x:1000:\nalice:x:1001:\nadm:x:4:\nquorum-admin:x:990:ops,alice\nquorum-su:x:989:\nrubbish\n"
SHADOW = "root:*:1::::::\nwww-data:*:1::::::\nops:!:1:0:99999:7:::\nalice:*:1:0:99999:7:::\nshort:x\n"
BOOK = parse(PASSWD, GROUP, SHADOW)
SETTLED = Wish(administrators=["ops", "alice"])


def test_the_book_is_read(tmp_path: Path) -> None:
    assert BOOK.accounts["alice"] == Account(
        "alice", 1001, "quorum.hardening administrator", "/bin/bash", "*", "", "99999"
    )
    assert parse(PASSWD, GROUP, "").accounts["www-data"].password == "x"
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
    assert "--user-group" in carol
    assert "--key PASS_MAX_DAYS=-1 --key PASS_MIN_DAYS=0 --inactive -1" in carol
    assert "--expiredate" not in carol
    assert "--shell /bin/bash --password * --groups quorum-admin" in carol
    assert "--no-create-home --home-dir /nonexistent --gid dave" in dave
    assert "--shell /bin/sh" in dave


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
    assert made.changed == {"alice": ["open without end"]}
    assert (["usermod", "--unlock", "--", "alice"] in made.commands) is unlocked


def test_the_host_closes_an_account_after_its_last_day() -> None:
    wish = replace(SETTLED, expiries={"ops": "", "alice": "2027-01-31", "carol": "1970-01-02"})
    made = plan(replace(wish, administrators=["ops", "alice", "carol"]), BOOK)
    assert made.changed == {"alice": ["closed after 2027-01-31"]}
    assert made.commands[0] == ["usermod", "--expiredate", "20850", "--", "alice"]
    assert made.commands[1][made.commands[1].index("--expiredate") + 1] == "2"
    settled = parse(PASSWD, GROUP, SHADOW.replace("alice:*:1:0:99999:7:::", "alice:*:1:0:99999:7::20850:"))
    assert plan(wish, settled).commands == []
    assert plan(SETTLED, settled).changed == {"alice": ["open without end"]}
    assert "no day of the calendar" in problems(replace(SETTLED, expiries={"ops": "tomorrow"}), BOOK, "ops")[0]


def test_further_groups() -> None:
    book = parse(PASSWD, GROUP + "games:x:60:alice,ops\ndocker:x:50:ops,alice,www-data\n", SHADOW)
    made = plan(replace(SETTLED, memberships={"alice": ["adm"], "ops": []}), book)
    # What somebody else put his own account into stays, but for a way to root.
    assert made.changed == {"alice": ["leaves games", "joins adm", "leaves docker"], "ops": ["leaves docker"]}
    wish = replace(SETTLED, memberships={"alice": ["docker", "quorum-su", "nowhere"]})
    told = problems(wish, book, "ops")
    assert [text.split(": ")[1] for text in told] == [
        "it is a way to root, or ours to fill",
        "it is a way to root, or ours to fill",
        "there is no such group on this host",
    ]


def test_a_password_that_ages_would_shut_out_the_key() -> None:
    aged = parse(PASSWD, GROUP, SHADOW.replace("ops:!:1:0:99999", "ops:!:1:0:90"))
    assert plan(SETTLED, aged).commands == [["chage", "--maxdays", "-1", "--", "ops"]]


def test_who_has_no_shell_has_no_password() -> None:
    passwd = PASSWD + "carl:x:1009:1009::/home/carl:/usr/sbin/nologin\n"
    made = plan(SETTLED, parse(passwd, GROUP, SHADOW + "carl:$y$hash:1:0:99999:7:::\n"))
    assert made.changed == {"carl": ["no password fits"]}
    assert plan(SETTLED, parse(passwd, GROUP, SHADOW + "carl:!$y$hash:1:0:99999:7:::\n")).changed == {}
    root = SHADOW.replace("root:*", "root:$y$hash")
    assert plan(SETTLED, parse(PASSWD.replace("/root:/bin/bash", "/root:/usr/sbin/nologin"), GROUP, root)).changed == {}


def test_services_have_no_shell_and_no_password_and_there_is_one_root() -> None:
    passwd = (
        PASSWD.replace("/var/www:/usr/sbin/nologin", "/var/www:") + "toor:x:0:0::/root:/bin/bash\nguest::1002:1002:::\n"
    )
    shadow = SHADOW.replace("www-data:*", "www-data:x$y$x").replace("ops:!", "ops:")
    made = plan(SETTLED, parse(passwd, GROUP.replace("quorum-su:x:989:", "quorum-su:x:989:guest"), shadow))
    assert made.changed == {
        "www-data": ["shell /usr/sbin/nologin", "no password fits"],
        "ops": ["no password fits"],
        "toor": ["removed, a second root"],
        "guest": ["no password fits", "leaves quorum-su"],
    }
    assert ["userdel", "--force", "--", "toor"] in made.commands
    assert ["usermod", "--password", "*", "--", "ops"] in made.commands
    assert ["usermod", "--lock", "--", "guest"] in made.commands
    assert problems(SETTLED, parse(passwd, GROUP, shadow), "toor") == [
        "toor is a second root and the account this run uses: run as an administrator"
    ]


def test_who_left_and_was_let_in_by_hand_is_shown_out_again() -> None:
    group = GROUP.replace("ops,alice", "ops")
    gone = parse(PASSWD, group, SHADOW.replace("alice:*:1:0:99999:7:::", "alice:!*:1:0:99999:7::1:"))
    made = plan(Wish(["ops"]), gone)
    assert (made.commands, made.removed, made.uids) == ([], [], {"alice": 1001})
    back = parse(PASSWD, group.replace("adm:x:4:", "adm:x:4:alice"), SHADOW)
    assert plan(Wish(["ops"]), back).commands == [
        ["gpasswd", "--delete", "alice", "adm"],
        ["usermod", "--lock", "--expiredate", "1", "--", "alice"],
    ]


def test_the_last_one_stays() -> None:
    assert problems(Wish([], ["ops", "alice"]), BOOK, "") == [
        "nobody would be left to administer the host: name at least one"
    ]


def test_what_is_refused() -> None:
    wish = Wish(["root", "www-data", "Bad Name", "ops"])
    book = parse(PASSWD, GROUP.replace("ops,alice", "ops,alice,www-data"), SHADOW)
    found = problems(wish, book, "alice")
    assert [text.split(" ", maxsplit=1)[0] for text in found] == ["root", "www-data", "'Bad", "alice"]
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
        elif "--lock" in command:
            name = command[-1]
            people[name] = replace(people[name], password="!" + people[name].password, expires="1")
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
