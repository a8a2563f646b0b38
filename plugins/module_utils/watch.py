# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thinking of the host's file watch: whose a change is, and which lines of AIDE's database may be renewed.

No import beyond the standard library: together with :mod:`watch_run` it is installed on the host as one program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

ABSENT = "absent"
ANY = "*"
COLUMNS = ("name", "lname", "perm", "uid", "gid", "sha256")
#: What maintainer scripts and triggers of packages write and no package lists.
GENERATED = re.compile(
    r"/etc/ld\.so\.cache|/etc/(alternatives|rc[0-6S]\.d)(/.*)?|/etc/systemd/(system|user)/[^/]+\.(wants|requires)(/.*)?"
    r"|/boot/(initrd\.img-.*|grub/.*)|/usr/lib/modules/[^/]+/modules\..*|/usr/lib/(python3[^/]*/.*)?/?__pycache__(/.*)?"
    r"|/usr/(lib|share)/.*\.(cache|pyc)"
)
MERGED = re.compile(r"/(bin|sbin|lib|lib32|lib64|libx32)/")


@dataclass(frozen=True)
class Database:
    """A database of AIDE: the text before and after its entries, and each entry's line by its (encoded) name."""

    head: str
    lines: Mapping[str, str]
    tail: str

    def state(self, name: str) -> str:
        """What an entry says, in the form of ``own.fingerprint``."""
        line = self.lines.get(name)
        if line is None:
            return ABSENT
        columns = next(row for row in self.head.splitlines() if row.startswith("@@db_spec")).split()[1:]
        values = dict(zip(columns, line.split()))
        return " ".join(values[key] for key in ("perm", "uid", "gid", "sha256")) + " " + decoded(values["lname"])


def decoded(name: str) -> str:
    """A name as the file system has it; AIDE writes odd characters as ``%20``."""
    return unquote(name, errors="surrogateescape")


def parse_database(text: str) -> Database:
    """Read AIDE's own format.

    :raises ValueError: it is cut short, or lacks a column that the watch compares.
    """
    head, _spec, rest = text.partition("@@db_spec")
    spec, _newline, rest = rest.partition("\n")
    body, end, _after = rest.rpartition("@@end_db")
    if not end or not set(COLUMNS) <= set(spec.split()):
        raise ValueError("not a whole database of AIDE")
    lines = {line.split(" ", 1)[0]: line for line in body.splitlines() if line and line[0] != "#"}
    return Database(f"{head}@@db_spec{spec}\n", lines, "@@end_db\n")


def merged(old: Database, new: Database, renewed: Iterable[str]) -> str:
    """Text of the old database with the new lines of some names alone."""
    lines = dict(old.lines)
    for name in renewed:
        if name in new.lines:
            lines[name] = new.lines[name]
        else:
            lines.pop(name, None)
    # AIDE expects no order, people who compare two of them do.
    return new.head + "".join(f"{lines[name]}\n" for name in sorted(lines)) + new.tail


def differing(old: Database, new: Database) -> list[str]:
    """Names whose state differs, sorted."""
    names = set(old.lines) | set(new.lines)
    return sorted(name for name in names if old.state(name) != new.state(name))


def described(old: str, new: str) -> str:
    """A change in words that an alert rule can match: added, removed, or what differs."""
    if ABSENT in (old, new):
        return "added" if old == ABSENT else "removed"
    parts = ("mode", "owner", "group", "content", "target")
    return ",".join(part for part, was, now in zip(parts, old.split(" ", 4), new.split(" ", 4)) if was != now)


def custody(state: str, found: str, notes: Sequence[Mapping[str, Any]]) -> tuple[bool, bool]:
    """Follow the notes about one path from its known state.

    :returns: whether our own last change explains what is found, and whether somebody else was in between.
    """
    gap = False
    for note in notes:
        gap = gap or note["before"] not in (ANY, state)
        state = str(note["after"])
    return bool(notes) and state == found, gap


@dataclass(frozen=True)
class Packages:
    """What the package manager says of its own work.

    ``windows``: times (seconds since the epoch) at which it began and ended. ``sums``: path to MD5. ``paths``: all that
    packages list. ``changed_at`` and ``md5``: of a path as it is now.
    """

    windows: Sequence[tuple[float, float]]
    sums: Mapping[str, str]
    paths: frozenset[str]
    changed_at: Callable[[str], float]
    md5: Callable[[str], str]

    def explain(self, path: str, found: str) -> bool:
        """Whether a package manager's run made the path what it is, as far as the packages' own lists tell."""
        if not self.windows:
            return False
        if found == ABSENT:
            return path not in self.paths
        changed = self.changed_at(path)
        # The clock of the file system lags behind by a tick.
        if not any(begun - 1 <= changed <= ended + 1 for begun, ended in self.windows):
            return False
        if GENERATED.fullmatch(path):
            return True
        regular = found.startswith("100")
        if regular:
            return path in self.sums and self.sums[path] == self.md5(path)
        return path in self.paths or " /etc/alternatives/" in found


def merged_path(path: str) -> str:
    """A path as the file system has it since ``/bin`` and the like are links into ``/usr``."""
    return "/usr" + path if MERGED.match(path) else path


@dataclass(frozen=True)
class Verdict:
    """Of one path: ``name`` as AIDE writes it, ``by`` own, package or stranger, ``what`` changed, ``renew`` or keep."""

    name: str
    by: str
    what: str
    renew: bool


def judge(
    old: Database, new: Database, notes: Mapping[str, Sequence[Mapping[str, Any]]], packages: Packages
) -> list[Verdict]:
    """Whose each change is.

    :param notes: path to the notes about it, oldest first.
    """
    found = []
    changed = differing(old, new)
    for name in changed:
        path, was, now = decoded(name), old.state(name), new.state(name)
        ours, gap = custody(was, now, notes.get(path, ()))
        if ours and gap:
            # Said once: what is there now is known, what was there in between has been written over.
            found.append(Verdict(name, "stranger", described(was, now) + ",before-own-change", True))
        elif ours:
            found.append(Verdict(name, "own", described(was, now), True))
        elif packages.explain(path, now):
            found.append(Verdict(name, "package", described(was, now), True))
        else:
            found.append(Verdict(name, "stranger", described(was, now), False))
    watched = {decoded(name): name for name in (*old.lines, *new.lines) if decoded(name) in notes}
    for path, name in sorted(watched.items()):
        first = notes[path][0]["before"]
        if name not in changed and first not in (ANY, old.state(name)):
            found.append(Verdict(name, "stranger", described(old.state(name), str(first)) + ",put-right", True))
    return found
