# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Landing a tree: what differs, all of it at once, and back again when a step fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .commands import HostError
from .ground import Ground, Names, Seen, split
from .tree import Entry, shown

ABSENT = Seen("absent")


@dataclass(frozen=True)
class Change:
    """An entry that is not yet as it should be, and what is there instead."""

    entry: Entry
    seen: Seen


def _differs(entry: Entry, seen: Seen, names: Names) -> bool:
    wanted = "directory" if entry.directory else "file"
    if seen.kind != wanted:
        return True
    facts = (names.user(entry.owner), names.group(entry.group), entry.mode)
    return (seen.uid, seen.gid, seen.mode) != facts or seen.content != entry.content


def compare(ground: Ground, entries: Sequence[Entry], names: Names) -> list[Change]:
    """Entries that differ from what is on the host, in the order given.

    :raises HostError: something stands in the way that is not ours to remove (a directory where a file belongs).
    """
    found = []
    for entry in entries:
        seen = ground.seen(entry.path)
        if entry.directory and seen.kind not in ("absent", "directory"):
            raise HostError(f"{entry.path} is a {seen.kind}, a directory belongs there: remove it by hand")
        if not entry.directory and seen.kind == "directory":
            raise HostError(f"{entry.path} is a directory, a file belongs there: remove it by hand")
        if _differs(entry, seen, names):
            found.append(Change(entry, seen))
    return found


def _head(kind: str, owner: str, mode: int) -> str:
    return f"# {kind} {owner} {mode:04o}\n"


def difference(change: Change, names: Names) -> dict[str, Any]:
    """One change as Ansible shows it with ``--diff``; a secret appears as its fingerprint on either side."""
    entry, seen = change.entry, change.seen
    kind = "directory" if entry.directory else "file"
    before = "" if seen.kind in ("absent", "directory", "other") else shown(seen.content, entry.secret)
    after = "" if entry.directory else shown(entry.content, entry.secret)
    if seen.kind == "link":
        before = f"(symbolic link to {seen.target})\n"
    facts = (names.user(entry.owner), names.group(entry.group), entry.mode)
    if seen.kind != "absent" and (seen.uid, seen.gid, seen.mode) != facts:
        before = _head(seen.kind, names.of(seen.uid, seen.gid), seen.mode) + before
        after = _head(kind, f"{entry.owner}:{entry.group}", entry.mode) + after
    elif seen.kind == "absent" and not after:
        after = _head(kind, f"{entry.owner}:{entry.group}", entry.mode)
    return {"before_header": entry.path, "after_header": entry.path, "before": before, "after": after}


class Landing:
    """One transaction on the ground: use :meth:`land` and :meth:`prune`, and :meth:`back` when anything fails."""

    def __init__(self, ground: Ground, names: Names) -> None:
        self._ground = ground
        self._names = names
        self._made: list[str] = []
        self._before: list[tuple[str, Seen]] = []

    @property
    def made(self) -> list[str]:
        """Directories that did not exist before."""
        return list(self._made)

    def _ids(self, entry: Entry) -> tuple[int, int]:
        uid, gid = self._names.user(entry.owner), self._names.group(entry.group)
        if uid is None or gid is None:
            raise HostError(
                f"{entry.path}: no {'user ' + entry.owner if uid is None else 'group ' + entry.group} on this host"
            )
        return uid, gid

    def land(self, changes: Sequence[Change], step: Callable[[str], None] = lambda path: None) -> None:
        """Write everything aside first, so that a full disk is met before anything is replaced; then swap.

        :param step: called with each path just before it is swapped.
        """
        ground = self._ground
        owners = [self._ids(change.entry) for change in changes]
        for change, (uid, gid) in zip(changes, owners):
            entry = change.entry
            if entry.directory:
                self._before.append((entry.path, change.seen))
                self._made += ground.make_directory(entry.path, uid, gid, entry.mode)
            elif ground.directory(split(entry.path)[0]) is None:
                self._made += ground.make_directory(split(entry.path)[0], os.geteuid(), os.getegid(), 0o755)
        aside: list[tuple[str, Change]] = []
        try:
            for change, (uid, gid) in zip(changes, owners):
                entry = change.entry
                if not entry.directory:
                    aside.append((ground.write_aside(entry.path, entry.content, uid, gid, entry.mode), change))
            for name, _change in aside:
                ground.settle(name)
            while aside:
                name, change = aside[0]
                step(change.entry.path)
                ground.swap(name, change.entry.path)
                self._before.append((change.entry.path, change.seen))
                aside.pop(0)
        finally:
            for name, _change in aside:
                ground.remove(name)
        for folder in sorted({split(change.entry.path)[0] for change in changes}):
            ground.settle(folder)

    def prune(self, paths: Sequence[str], firsts: Mapping[str, Seen]) -> None:
        """Take files away; where something stood first, it comes back."""
        for path in paths:
            seen = self._ground.seen(path)
            self._restore(path, firsts.get(path, ABSENT))
            self._before.append((path, seen))

    def back(self) -> list[str]:
        """Put everything back as it was before.

        :returns: paths that could not be put back, with the reason; empty when all is as it was.
        """
        lost: list[str] = []
        for path, seen in reversed(self._before):
            try:
                self._restore(path, seen)
            except HostError as problem:
                lost.append(str(problem))
        for path in reversed(self._made):
            self._ground.remove_directory(path)
        self._before.clear()
        self._made.clear()
        return lost

    def _restore(self, path: str, seen: Seen) -> None:
        ground = self._ground
        if seen.kind == "file":
            ground.swap(ground.write_aside(path, seen.content, seen.uid, seen.gid, seen.mode), path)
        elif seen.kind == "link":
            ground.link(path, seen.target)
        elif seen.kind == "directory":
            ground.make_directory(path, seen.uid, seen.gid, seen.mode)
        elif not path.endswith("/"):
            ground.remove(path)
