# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of administrators and of those who only pass through: what there is, what has to be done."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from .accounts_book import LOCKED_SINCE, OURS, Account, Book
from .commands import HostError

NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
# sshd runs even a forced command through the login shell; what such an account may run is fixed in sshd's file.
SHELLS = {"administrator": "/bin/bash", "tunnel": "/bin/sh"}
NO_SHELLS = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false", "/bin/sync")
# In passwd: see shadow. Where there is no line in shadow, nothing fits.
SHADOWED = "x"
#: Groups that lead to root past sudo and its log; no person belongs there.
POWERFUL = (
    "root",
    "sudo",
    "wheel",
    "admin",
    "staff",
    "disk",
    "shadow",
    "kmem",
    "docker",
    "lxd",
    "incus-admin",
    "libvirt",
)
#: Who may use su with a password: nobody.
SU_GROUP = "quorum-su"
# Days of a password's life that are as good as for ever.
FOR_EVER = 99999


@dataclass(frozen=True)
class Wish:
    """Who belongs to which of the two groups.

    ``expiries``: name to the last day of access (YYYY-MM-DD); ``memberships``: name to further groups.
    """

    administrators: Sequence[str] = ()
    tunnels: Sequence[str] = ()
    expiries: Mapping[str, str] = field(default_factory=dict)
    memberships: Mapping[str, Sequence[str]] = field(default_factory=dict)
    administrator_group: str = "quorum-admin"
    tunnel_group: str = "quorum-tunnel"

    @property
    def people(self) -> list[str]:
        return list(dict.fromkeys([*self.administrators, *self.tunnels]))

    def groups_of(self, name: str) -> list[str]:
        found = [self.administrator_group] if name in self.administrators else []
        found += [self.tunnel_group] if name in self.tunnels else []
        return [*found, *(self.memberships.get(name) or ())]

    def expires(self, name: str) -> str:
        """The first day on which the account is closed, in days since 1970; empty for none.

        :raises ValueError: the day is none of the calendar.
        """
        last = self.expiries.get(name)
        return str((date.fromisoformat(last) - date(1970, 1, 1)).days + 1) if last else ""


@dataclass
class Plan:
    """Commands in their order; who is made, changed, and shown out; ``uids`` of those who must leave nothing behind."""

    commands: list[list[str]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    uids: dict[str, int] = field(default_factory=dict)

    def change(self, name: str, what: str, *commands: list[str]) -> None:
        self.changed.setdefault(name, []).append(what)
        self.commands += commands

    def leave(self, name: str, group: str) -> None:
        self.change(name, f"leaves {group}", ["gpasswd", "--delete", name, group])


def _leavers(wish: Wish, book: Book) -> list[str]:
    """Members of our groups and accounts that we made, without those who are listed."""
    members = {m for group in (wish.administrator_group, wish.tunnel_group) for m in book.groups.get(group, ())}
    made = {account.name for account in book.accounts.values() if account.ours and account.person}
    return sorted((members | made) - set(wish.people))


def problems(wish: Wish, book: Book, session_user: str) -> list[str]:
    """Everything that forbids the plan; nothing is done when there is anything."""
    found = [] if wish.administrators else ["nobody would be left to administer the host: name at least one"]
    for name in wish.people:
        account = book.accounts.get(name)
        if not NAME.match(name):
            found.append(f"{name!r} cannot be the name of an account: lower case letters, digits, - and _, at most 32")
        elif account and not account.person:
            found.append(f"{name} is a system account (uid {account.uid}): choose another name")
        for group in wish.memberships.get(name) or ():
            if group in POWERFUL or group in (SU_GROUP, wish.administrator_group, wish.tunnel_group):
                found.append(f"{name} cannot be put into {group}: it is a way to root, or ours to fill")
            elif group not in book.groups:
                found.append(f"{name} cannot be put into {group}: there is no such group on this host")
        try:
            wish.expires(name)
        except ValueError:
            found.append(f"{name}: {wish.expiries[name]!r} is no day of the calendar, write YYYY-MM-DD")
    for name in _leavers(wish, book):
        account = book.accounts.get(name)
        if account and not account.person:
            found.append(
                f"{name} left the list and is a system account (uid {account.uid}): take it out of the group by hand"
            )
        if name == session_user:
            found.append(f"{name} left the list and is the account this run uses: run as one of those who stay")
    session = book.accounts.get(session_user)
    if session and session.uid == 0 and session_user != "root":
        found.append(f"{session_user} is a second root and the account this run uses: run as an administrator")
    return found


def plan(wish: Wish, book: Book) -> Plan:
    """What has to be done on this host; empty when all is as wished."""
    made = Plan()
    ours = ((wish.administrator_group, True), (wish.tunnel_group, bool(wish.tunnels)), (SU_GROUP, True))
    for group, used in ours:
        if used and group not in book.groups:
            made.change(group, "group made", ["groupadd", "--system", "--", group])
    for name in wish.people:
        account = book.accounts.get(name)
        if account is None:
            _create(made, wish, book, name)
        else:
            _correct(made, wish, book, account)
    leavers = _leavers(wish, book)
    for name in leavers:
        _show_out(made, book, name)
    for account in book.accounts.values():
        if account.name not in leavers:
            _sober(made, book, account, account.name in wish.people)
    for name in book.groups.get(SU_GROUP, ()):
        if name not in leavers:
            made.leave(name, SU_GROUP)
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
    # What ends an access is its last day. An aged password would shut out the key as well, and nobody could say when.
    ages = ["--key", "PASS_MAX_DAYS=-1", "--key", "PASS_MIN_DAYS=0", "--inactive", "-1"]
    ends = ["--expiredate", wish.expires(name)] if wish.expires(name) else []
    # No password fits a star, and unlike a lock it leaves the keys valid.
    rest = ["--shell", SHELLS[kind], "--password", "*", "--groups", ",".join(wish.groups_of(name))]
    made.commands.append(["useradd", *home, *own, *ages, *ends, *rest, "--comment", f"{OURS} {kind}", "--", name])
    made.created.append(name)


def _correct(made: Plan, wish: Wish, book: Book, account: Account) -> None:
    name, kind = account.name, _kind(wish, account.name)
    wanted, present = wish.groups_of(name), book.groups_of(name)
    for group in present:
        # Groups of an account that somebody else made are his business, but for those that let in.
        strange = account.ours or group in (wish.administrator_group, wish.tunnel_group)
        if strange and group not in (*wanted, *POWERFUL, SU_GROUP):
            made.leave(name, group)
    for group in wanted:
        if group not in present:
            made.change(name, f"joins {group}", ["gpasswd", "--add", name, group])
    ends = wish.expires(name)
    if account.expires != ends:
        # One that left once and is back. Only a lock before some hash or star can be taken off.
        locked = account.locked_by_us and re.match(r"!.", account.password)
        unlock = [["usermod", "--unlock", "--", name]] if locked else []
        what = f"closed after {wish.expiries[name]}" if ends else "open without end"
        made.change(name, what, ["usermod", "--expiredate", ends, "--", name], *unlock)
    if account.lives.isdigit() and int(account.lives) < FOR_EVER:
        made.change(name, "password does not age", ["chage", "--maxdays", "-1", "--", name])
    if account.ours and account.shell != SHELLS[kind]:
        made.change(name, f"shell {SHELLS[kind]}", ["usermod", "--shell", SHELLS[kind], "--", name])


def _show_out(made: Plan, book: Book, name: str) -> None:
    before = len(made.commands)
    made.commands += [["gpasswd", "--delete", name, group] for group in book.groups_of(name)]
    account = book.accounts.get(name)
    if account is not None:
        made.uids[name] = account.uid
        if not (account.locked_by_us and account.password.startswith("!")):
            made.commands.append(["usermod", "--lock", "--expiredate", LOCKED_SINCE, "--", name])
    if len(made.commands) > before:
        made.removed.append(name)


def logs_in_nowhere(account: Account) -> bool:
    """Whether no password is to fit: a service's account, or anybody's but root's without a shell."""
    return account.system or (account.uid != 0 and account.shell in NO_SHELLS)


def _sober(made: Plan, book: Book, account: Account, listed: bool) -> None:
    """Nobody has more than the account is for: no second root, no shell for a service, no open door."""
    name = account.name
    if account.uid == 0 and name != "root":
        made.change(name, "removed, a second root", ["userdel", "--force", "--", name])
        return
    if account.system and account.shell not in NO_SHELLS:
        made.change(name, f"shell {NO_SHELLS[0]}", ["usermod", "--shell", NO_SHELLS[0], "--", name])
    open_to_all = not account.password
    if open_to_all or (logs_in_nowhere(account) and account.password != SHADOWED and account.password[0] not in "!*"):
        # Listed people come in by key, which a lock would shut out where PAM is not asked.
        shut = ["usermod", "--password", "*", "--", name] if listed else ["usermod", "--lock", "--", name]
        made.change(name, "no password fits", shut)
    if account.person:
        for group in book.groups_of(name):
            if group in POWERFUL:
                made.leave(name, group)


def refuse(found: Sequence[str]) -> None:
    """:raises HostError: with all problems, if there are any."""
    if found:
        raise HostError("; ".join(found) + "; nothing was changed")
