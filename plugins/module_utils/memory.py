# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host remembers between runs: the files of each role, and units that still have to follow a change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .commands import HostError, Runner
from .ground import Ground, split
from .systemd import show
from .tree import WANTS, Entry, gather_wants

STATE = "/var/lib/quorum.hardening"
OVERLAYS = STATE + "/overlay"
OUTSTANDING = STATE + "/wants.json"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_id(path: str = BOOT_ID) -> str:
    """Id of the present boot; empty where the kernel has none."""
    try:
        with open(path, encoding="ascii") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def read_json(ground: Ground, path: str) -> dict[str, Any]:
    """A JSON object of ours; empty when the file is not there.

    :raises HostError: it is there and is not a JSON object.
    """
    seen = ground.seen(path)
    if seen.kind == "absent":
        return {}
    try:
        found = json.loads(seen.content)
    except ValueError as problem:
        raise HostError(f"{path}: not readable as JSON ({problem}): remove it and run again") from problem
    if not isinstance(found, dict):
        raise HostError(f"{path}: a JSON object was expected: remove it and run again")
    return found


def write_json(ground: Ground, path: str, value: Mapping[str, Any]) -> bool:
    """Write a JSON object of ours, readable by root alone; says whether it differs from what was there."""
    content = (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
    if ground.seen(path).content == content:
        return False
    if ground.directory(STATE) is None:
        ground.make_directory(STATE, os.geteuid(), os.getegid(), 0o700)
    if ground.directory(split(path)[0]) is None:
        ground.make_directory(split(path)[0], os.geteuid(), os.getegid(), 0o700)
    aside = ground.write_aside(path, content, os.geteuid(), os.getegid(), 0o600)
    ground.settle(aside)
    ground.swap(aside, path)
    return True


@dataclass
class Memory:
    """Files of one role: path to what we know of it, and the directories that we made for them."""

    role: str
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{OVERLAYS}/{self.role}.json"

    @classmethod
    def load(cls, ground: Ground, role: str) -> Memory:
        """What the host remembers of a role; empty on a host that never saw it."""
        return cls._of(role, read_json(ground, f"{OVERLAYS}/{role}.json"))

    @classmethod
    def parse(cls, role: str, content: bytes) -> Memory:
        """The same from the text of its file."""
        return cls._of(role, json.loads(content))

    @classmethod
    def _of(cls, role: str, found: Mapping[str, Any]) -> Memory:
        return cls(role, dict(found.get("files", {})), list(found.get("directories", ())))

    def save(self, ground: Ground) -> bool:
        """Write it; says whether anything changed."""
        return write_json(ground, self.path, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        return {
            "version": 1,
            "role": self.role,
            "files": dict(self.files),
            "directories": sorted(set(self.directories)),
        }

    def learn(self, entries: Iterable[Entry], firsts: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Remember entries as they are now wanted.

        :param firsts: what stood at a path before it was ours, for paths that are new; an older memory of it stays.
        """
        for entry in entries:
            if entry.directory:
                continue
            first = self.files[entry.path].get("first") if entry.path in self.files else (firsts or {}).get(entry.path)
            self.files[entry.path] = {
                "sha256": entry.sha256,
                "secret": entry.secret,
                "undo": entry.undo,
                "validate": entry.validate,
                "wants": {kind: list(units) for kind, units in entry.wants.items()},
                **({"first": dict(first)} if first else {}),
            }

    def forget(self, paths: Iterable[str], armed: Sequence[str] = ()) -> None:
        """Strike out files that are gone. Those that an armed undo would bring back stay known, as leaving."""
        for path in paths:
            if self.files[path].get("undo") in armed:
                self.files[path] = {**self.files[path], "leaving": True}
            else:
                del self.files[path]


@dataclass(frozen=True)
class Leftovers:
    """Files of ours that have left the tree. ``gone`` only needs forgetting; ``kept`` are no longer as we left them."""

    removable: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def leftovers(ground: Ground, memory: Memory, entries: Iterable[Entry]) -> Leftovers:
    """Sort what we once landed and no longer want: only what is still ours may be removed."""
    wanted = {entry.path for entry in entries}
    others = remembered_by_others(ground, memory)
    removable, gone, kept = [], [], []
    for path in sorted(set(memory.files) - wanted):
        seen = ground.seen(path)
        ours = seen.kind == "file" and Entry(path, seen.content).sha256 == memory.files[path]["sha256"]
        if memory.files[path].get("leaving") and not ours:
            continue
        if seen.kind == "absent" or path in others:
            gone.append(path)
        elif ours:
            removable.append(path)
        else:
            kept.append(path)
    return Leftovers(tuple(removable), tuple(gone), tuple(kept))


def remembered_by_others(ground: Ground, memory: Memory) -> dict[str, dict[str, Any]]:
    """Files of all other roles, as :class:`Memory` holds them."""
    found: dict[str, dict[str, Any]] = {}
    for name in ground.names(OVERLAYS):
        if name.endswith(".json") and not name.startswith(".") and name != f"{memory.role}.json":
            files = read_json(ground, f"{OVERLAYS}/{name}").get("files", {})
            found.update({path: known for path, known in files.items() if not known.get("leaving")})
    return found


def outstanding(ground: Ground, role: str, runner: Runner, boot: str) -> dict[str, list[str]]:
    """Units that a landing of this role still waits for: a run that was cut short left them.

    A unit that has followed since by whatever hand, or that does not run, is owed nothing any more.

    :param boot: id of the present boot; after another one every unit has read its files anew.
    """
    debt = read_json(ground, OUTSTANDING).get(role, {})
    wants = gather_wants([debt])
    if debt.get("boot") != boot:
        return gather_wants([])
    try:
        units = show(runner, sorted({unit for kind in WANTS for unit in wants[kind]}))
    except HostError:
        # Without an answer the debt stands: one reload too many does no harm, one too few does.
        return wants
    stamps = {"restart": "ActiveEnterTimestampMonotonic", "reload": "StateChangeTimestampMonotonic"}
    return {
        kind: [u for u in wants[kind] if units[u].running and int(units[u][stamps[kind]] or 0) < debt["at"]]
        for kind in WANTS
    }


def owe(ground: Ground, role: str, wants: Mapping[str, Sequence[str]], boot: str, now: int) -> None:
    """Remember, before anything lands, which units will have to follow.

    :param now: the monotonic clock in microseconds, as systemd has it.
    """
    book = read_json(ground, OUTSTANDING)
    book[role] = {**gather_wants([book.get(role, {}), wants]), "boot": boot, "at": now}
    write_json(ground, OUTSTANDING, _without_empty(book))


def settle_wants(ground: Ground, restarted: Iterable[str], reloaded: Iterable[str]) -> bool:
    """Strike out units that have followed; a restart settles a reload, too. Says whether there was anything."""
    if ground.seen(OUTSTANDING, content=False).kind == "absent":
        return False
    book = read_json(ground, OUTSTANDING)
    done = {"restart": set(restarted), "reload": set(reloaded) | set(restarted)}
    for role, wants in book.items():
        rest = {kind: [unit for unit in wants.get(kind, ()) if unit not in done[kind]] for kind in WANTS}
        book[role] = {**wants, **rest}
    return write_json(ground, OUTSTANDING, _without_empty(book))


def _without_empty(book: Mapping[str, Any]) -> dict[str, Any]:
    return {role: wants for role, wants in book.items() if any(wants.get(kind) for kind in WANTS)}
