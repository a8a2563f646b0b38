# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of administrators and of those who only pass through: what there is, what has to be done."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .commands import HostError, Runner, must

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
FIRST_PERSON = 1000
LAST_PERSON = 59999
# Written into the comment of an account that we made: others' accounts keep their shell and home.
OURS = "quorum.hardening"
LOCKED_SINCE = "1"
# sshd runs even a forced command through the login shell; what such an account may run is fixed in sshd's file.
SHELLS = {"administrator": "/bin/bash", "tunnel": "/bin/sh"}


@dataclass(frozen=True)
class Account:
    """A line of passwd with what shadow adds: ``password`` is its hash field, ``expires`` days since 1970 or empty."""

    name: str
    uid: int
    comment: str
    shell: str
    password: str = ""
    expires: str = ""

    @property
    def ours(self) -> bool:
        return self.comment.startswith(OURS)

    @property
    def locked_by_us(self) -> bool:
        return self.expires == LOCKED_SINCE


@dataclass(frozen=True)
class Book:
    """All accounts and the members of all groups of a host."""

    accounts: Mapping[str, Account]
    groups: Mapping[str, Sequence[str]]


def parse(passwd: str, group: str, shadow: str) -> Book:
    """The host's account files, as text."""
    secrets = {row[0]: row for row in (line.split(":") for line in shadow.splitlines()) if len(row) >= 8}
    accounts = {}
    for row in (line.split(":") for line in passwd.splitlines()):
        if len(row) == 7 and row[2].isdigit():
            hidden = secrets.get(row[0])
            password, expires = (hidden[1], hidden[7]) if hidden else ("", "")
            accounts[row[0]] = Account(row[0], int(row[2]), row[4], row[6], password, expires)
    groups = {
        row[0]: [name for name in row[3].split(",") if name]
        for row in (line.split(":") for line in group.splitlines())
        if len(row) == 4
    }
    return Book(accounts, groups)


def read(root: str = "") -> Book:
    """The book of this host."""
    texts = []
    for name in ("passwd", "group", "shadow"):
        with open(f"{root}/etc/{name}", encoding="utf-8", errors="replace") as handle:
            texts.append(handle.read())
    return parse(*texts)


@dataclass(frozen=True)
class Wish:
    """Who belongs to which of the two groups."""

    administrators: Sequence[str] = ()
    tunnels: Sequence[str] = ()
    administrator_group: str = "quorum-admin"
    tunnel_group: str = "quorum-tunnel"

    @property
    def people(self) -> list[str]:
        return list(dict.fromkeys([*self.administrators, *self.tunnels]))

    def groups_of(self, name: str) -> list[str]:
        found = [self.administrator_group] if name in self.administrators else []
        return found + ([self.tunnel_group] if name in self.tunnels else [])


@dataclass
class Plan:
    """Commands in their order; who is made, changed, and shown out; ``uids`` of those whose sessions end."""

    commands: list[list[str]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    uids: dict[str, int] = field(default_factory=dict)

    def change(self, name: str, what: str, *commands: list[str]) -> None:
        self.changed.setdefault(name, []).append(what)
        self.commands += commands


def _leavers(wish: Wish, book: Book) -> list[str]:
    members = {m for group in (wish.administrator_group, wish.tunnel_group) for m in book.groups.get(group, ())}
    return sorted(members - set(wish.people))


def problems(wish: Wish, book: Book, session_user: str) -> list[str]:
    """Everything that forbids the plan; nothing is done when there is anything."""
    found = []
    for name in wish.people:
        account = book.accounts.get(name)
        if not NAME.match(name):
            found.append(f"{name!r} cannot be the name of an account: lower case letters, digits, - and _, at most 32")
        elif account and not FIRST_PERSON <= account.uid <= LAST_PERSON:
            found.append(f"{name} is a system account (uid {account.uid}): choose another name")
    for name in _leavers(wish, book):
        account = book.accounts.get(name)
        if account and not FIRST_PERSON <= account.uid <= LAST_PERSON:
            found.append(
                f"{name} left the list and is a system account (uid {account.uid}): take it out of the group by hand"
            )
        if name == session_user:
            found.append(f"{name} left the list and is the account this run uses: run as one of those who stay")
    return found


def plan(wish: Wish, book: Book) -> Plan:
    """What has to be done on this host; empty when all is as wished."""
    made = Plan()
    for group, used in ((wish.administrator_group, True), (wish.tunnel_group, bool(wish.tunnels))):
        if used and group not in book.groups:
            made.commands.append(["groupadd", "--system", "--", group])
            made.changed.setdefault(group, []).append("group made")
    for name in wish.people:
        account = book.accounts.get(name)
        if account is None:
            _create(made, wish, book, name)
        else:
            _correct(made, wish, book, account)
    for name in _leavers(wish, book):
        _show_out(made, wish, book, name)
    return made


def _kind(wish: Wish, name: str) -> str:
    return "administrator" if name in wish.administrators else "tunnel"


def _create(made: Plan, wish: Wish, book: Book, name: str) -> None:
    kind = _kind(wish, name)
    home = (
        ["--create-home", "--key", "HOME_MODE=0700"]
        if kind == "administrator"
        else ["--no-create-home", "--home-dir", "/nonexistent"]
    )
    own = ["--gid", name] if name in book.groups else ["--user-group"]
    made.commands.append(
        [
            # No password fits a star, and unlike a lock it leaves the keys valid.
            "useradd",
            *home,
            *own,
            "--shell",
            SHELLS[kind],
            "--password",
            "*",
            "--groups",
            ",".join(wish.groups_of(name)),
            "--comment",
            f"{OURS} {kind}",
            "--",
            name,
        ]
    )
    made.created.append(name)


def _correct(made: Plan, wish: Wish, book: Book, account: Account) -> None:
    name, kind = account.name, _kind(wish, account.name)
    wanted = wish.groups_of(name)
    for group in (wish.administrator_group, wish.tunnel_group):
        member = name in book.groups.get(group, ())
        if group in wanted and not member:
            made.change(name, f"joins {group}", ["gpasswd", "--add", name, group])
        elif member and group not in wanted:
            made.change(name, f"leaves {group}", ["gpasswd", "--delete", name, group])
    if account.locked_by_us:
        # It left once and is back. Only a lock before some hash or star can be taken off.
        unlock = [["usermod", "--unlock", "--", name]] if re.match(r"!.", account.password) else []
        made.change(name, "unlocked", ["usermod", "--expiredate", "", "--", name], *unlock)
    if account.ours and account.shell != SHELLS[kind]:
        made.change(name, f"shell {SHELLS[kind]}", ["usermod", "--shell", SHELLS[kind], "--", name])


def _show_out(made: Plan, wish: Wish, book: Book, name: str) -> None:
    for group in (wish.administrator_group, wish.tunnel_group):
        if name in book.groups.get(group, ()):
            made.commands.append(["gpasswd", "--delete", name, group])
    account = book.accounts.get(name)
    if account is not None:
        made.commands.append(["usermod", "--lock", "--expiredate", LOCKED_SINCE, "--", name])
        made.uids[name] = account.uid
    made.removed.append(name)


def processes_of(uid: int, proc: str = "/proc") -> list[int]:
    """Process ids that belong to a user."""
    found = []
    for entry in os.listdir(proc):
        if entry.isdigit():
            try:
                if os.stat(f"{proc}/{entry}").st_uid == uid:
                    found.append(int(entry))
            except OSError:
                continue  # it ended meanwhile
    return found


def end_sessions(
    runner: Runner,
    uids: Mapping[str, int],
    kill: Callable[[int, int], None] = os.kill,
    find: Callable[[int], Iterable[int]] = processes_of,
    logins: str = "/run/systemd/users",
) -> None:
    """End everything that runs as these users; what logind does not know of is killed."""
    for name, uid in uids.items():
        if os.path.exists(f"{logins}/{uid}"):
            runner(["loginctl", "terminate-user", name], timeout=30)
        for pid in find(uid):
            try:
                kill(pid, 9)
            except ProcessLookupError:
                continue


def carry_out(runner: Runner, made: Plan) -> None:
    """Do what the plan says.

    :raises HostError: a command failed; what came before it stays done, and the next run goes on from there.
    """
    for command in made.commands:
        must(runner, command, timeout=60)


def refuse(found: Sequence[str]) -> None:
    """:raises HostError: with all problems, if there are any."""
    if found:
        raise HostError("; ".join(found) + "; nothing was changed")


def user_of_session(environment: Mapping[str, str], login_uid: str, book: Book) -> str | None:
    """The account through which a run came in: sudo says so, else the kernel's login id does."""
    if environment.get("SUDO_USER"):
        return environment["SUDO_USER"]
    return next((a.name for a in book.accounts.values() if str(a.uid) == login_uid.strip()), None)
