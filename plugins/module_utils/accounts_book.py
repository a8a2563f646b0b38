# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of a host as its files have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIRST_PERSON = 1000
LAST_PERSON = 59999
# Written into the comment of an account that we made: others' accounts keep their shell and home.
OURS = "quorum.hardening"
LOCKED_SINCE = "1"
NOBODY = 65534


@dataclass(frozen=True)
class Account:
    """A line of passwd with what shadow adds: ``password`` is its hash field, ``expires`` days since 1970 or empty.

    ``lives``: days after which a password must be changed, or empty.
    """

    name: str
    uid: int
    comment: str
    shell: str
    password: str
    expires: str = ""
    lives: str = ""

    @property
    def ours(self) -> bool:
        return self.comment.startswith(OURS)

    @property
    def locked_by_us(self) -> bool:
        return self.expires == LOCKED_SINCE

    @property
    def person(self) -> bool:
        return FIRST_PERSON <= self.uid <= LAST_PERSON

    @property
    def system(self) -> bool:
        return 0 < self.uid < FIRST_PERSON or self.uid == NOBODY


@dataclass(frozen=True)
class Book:
    """All accounts and the members of all groups of a host."""

    accounts: Mapping[str, Account]
    groups: Mapping[str, Sequence[str]]

    def groups_of(self, name: str) -> list[str]:
        """Supplementary groups of a name."""
        return [group for group, members in self.groups.items() if name in members]


def parse(passwd: str, group: str, shadow: str) -> Book:
    """The host's account files, as text."""
    secrets = {row[0]: row for row in (line.split(":") for line in shadow.splitlines()) if len(row) >= 8}
    accounts = {}
    for row in (line.split(":") for line in passwd.splitlines()):
        if len(row) == 7 and row[2].isdigit():
            hidden = secrets.get(row[0])
            password, expires, lives = (hidden[1], hidden[7], hidden[4]) if hidden else (row[1], "", "")
            accounts[row[0]] = Account(row[0], int(row[2]), row[4], row[6], password, expires, lives)
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
