# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlay from end to end: compare, judge, tie the rope, land, follow up, remember."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .commands import HostError, Runner, must
from .ground import Ground, Names, Seen, split
from .keeping import ORIGINALS, Keeper, put, recall, row
from .landing import ABSENT, Change, Landing, compare, difference
from .memory import (
    OUTSTANDING,
    Leftovers,
    Memory,
    boot_id,
    leftovers,
    outstanding,
    owe,
    read_json,
    remembered_by_others,
    write_json,
)
from .staging import Leaving, Stage
from .tree import Entry, gather_wants, shown

SYSUSERS = "/etc/sysusers.d/"
TMPFILES = "/etc/tmpfiles.d/"
UNITS = "/etc/systemd/system/"


class Rope(Protocol):
    """What takes a change back by itself unless somebody comes in anew and confirms it."""

    def arm(self, name: str, paths: list[str], commands: list[list[str]], seconds: int) -> Mapping[str, Any]: ...

    def settle(self, name: str) -> None: ...

    def disarm(self, name: str) -> None: ...


@dataclass
class Result:
    """What the module returns; see its RETURN section for the meaning of each part."""

    changed: bool = False
    paths: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    validated: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    armed: list[str] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)
    wants: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What to do: the entries of this run, and whether what is not among them may be pruned."""

    role: str
    entries: Sequence[Entry]
    prune: bool
    check_mode: bool = False
    undo_seconds: int = 45


class Overlay:
    """One landing on one host.

    ``rope`` is tied before a change that may lock out (None where nothing can undo); ``keeper`` keeps what is replaced
    (None where nothing is kept).
    """

    def __init__(
        self, ground: Ground, runner: Runner, names: Names, rope: Rope | None = None, keeper: Keeper | None = None
    ) -> None:
        self._ground = ground
        self._runner = runner
        self._names = names
        self._rope = rope
        self._keeper = keeper
        self._tied: list[str] = []
        self._firsts: dict[str, Seen] = {}

    def apply(self, order: Order) -> Result:
        """Bring the host to the order.

        :raises HostError: nothing was changed, or everything was put back; the message says why.
        """
        ground = self._ground
        memory = Memory.load(ground, order.role)
        changes = compare(ground, order.entries, self._names)
        old = leftovers(ground, memory, order.entries) if order.prune else leftovers(ground, Memory(order.role), ())
        self._firsts = {
            path: recall(ground, ORIGINALS, memory.files[path].get("first") or row(ABSENT)) for path in old.removable
        }
        leaving = [
            Leaving(path, memory.files[path].get("validate", "none"), first) for path, first in self._firsts.items()
        ]
        result = self._predict(order, memory, changes, old.removable)
        result.kept = list(old.kept)
        result.notes = [f"{path}: left alone, it is not as we landed it" for path in old.kept]

        before = memory.to_dict()
        memory.learn(order.entries, self._first_rows(memory, changes))
        if changes or leaving:
            stage = Stage(self._runner, self._names, ground.root, order.check_mode)
            result.validated = stage.judge(changes, leaving)
            result.notes += stage.notes
            if not order.check_mode:
                book = read_json(ground, OUTSTANDING)
                self._keep(memory, changes, old.removable)
                # Remembered first: a run that is cut short in the middle leaves nothing that nobody knows of.
                memory.save(ground)
                owe(ground, order.role, result.wants, boot_id(), time.monotonic_ns() // 1000)
                try:
                    self._land(order, memory, changes, old.removable, result)
                except HostError:
                    write_json(ground, memory.path, before)
                    write_json(ground, OUTSTANDING, book)
                    raise
        self._tidy(order, result)
        self._remember(order, memory, before, old, result)
        late = outstanding(ground, order.role, self._runner, boot_id())
        result.wants.update(gather_wants([result.wants, late]))
        return result

    def _first_rows(self, memory: Memory, changes: Sequence[Change]) -> dict[str, dict[str, Any]]:
        """What stands where a file of ours lands for the first time; a role that takes over takes this over, too."""
        others = remembered_by_others(self._ground, memory)
        rows = {}
        for change in changes:
            path = change.entry.path
            if path not in memory.files and change.seen.kind in ("file", "link"):
                kept = others[path].get("first") if path in others else row(change.seen, change.entry.secret)
                if kept and kept["kind"] != "withheld":
                    rows[path] = kept
        return rows

    def _keep(self, memory: Memory, changes: Sequence[Change], removable: Sequence[str]) -> None:
        """Keep what is about to be replaced: for good what stood there first, for a while what this run replaces."""
        ground = self._ground
        for change in changes:
            first = memory.files.get(change.entry.path, {}).get("first", {})
            if first.get("kind") == "file" and first["sha256"] == row(change.seen).get("sha256"):
                put(ground, ORIGINALS, first["sha256"], change.seen.content)
        if self._keeper is not None:
            rows = [(change.entry.path, change.seen, change.entry.secret) for change in changes]
            rows += [(path, ground.seen(path), bool(memory.files[path].get("secret"))) for path in removable]
            rows += [(path, ground.seen(path), False) for path in self._links(removable)]
            self._keeper.files([*rows, (memory.path, ground.seen(memory.path), False)])

    def _links(self, removable: Sequence[str]) -> list[str]:
        """Links by which units that leave are started at boot: systemctl does not see them once the unit is gone."""
        names = {path[len(UNITS) :] for path in removable if path.startswith(UNITS)}
        folders = [UNITS + name for name in self._ground.names(UNITS) if name.endswith((".wants", ".requires"))]
        return [f"{folder}/{name}" for folder in folders for name in self._ground.names(folder) if name in names]

    def _tidy(self, order: Order, result: Result) -> None:
        """Remove what a killed run left half-written beside files of ours."""
        strays = self._ground.strays(split(entry.path)[0] for entry in order.entries)
        for path in strays:
            result.changed = True
            result.notes.append(f"{path}: left half-written by a run that was cut short, removed")
            if not order.check_mode:
                self._ground.remove(path)

    def _remember(self, order: Order, memory: Memory, before: dict[str, Any], old: Leftovers, result: Result) -> None:
        memory.forget((*old.removable, *old.gone), result.armed)
        if memory.to_dict() != before:
            result.changed = True
            if not order.check_mode:
                memory.save(self._ground)

    def _predict(self, order: Order, memory: Memory, changes: Sequence[Change], removable: Sequence[str]) -> Result:
        paths = [change.entry.path for change in changes]
        touched = [*paths, *removable]
        result = Result(bool(touched), paths)
        for path in removable:
            (result.removed if self._firsts[path].kind == "absent" else result.restored).append(path)
        result.diff = [difference(change, self._names) for change in changes]
        for path in removable:
            first, secret = self._firsts[path], bool(memory.files[path].get("secret"))
            before = shown(self._ground.seen(path).content, secret)
            after = f"(symbolic link to {first.target})\n" if first.kind == "link" else ""
            after = shown(first.content, secret) if first.kind == "file" else after
            result.diff.append({"before_header": path, "after_header": path, "before": before, "after": after})
        result.wants = {
            **gather_wants(
                [c.entry.wants for c in changes] + [memory.files[path].get("wants", {}) for path in removable]
            ),
            "daemon_reload": any(path.startswith(UNITS) for path in touched),
            "sysusers": any(path.startswith(SYSUSERS) for path in paths),
            "tmpfiles": any(path.startswith(TMPFILES) for path in paths),
        }
        return result

    def _land(
        self, order: Order, memory: Memory, changes: Sequence[Change], removable: Sequence[str], result: Result
    ) -> None:
        landing = Landing(self._ground, self._names)
        try:
            self._tie(order, memory, changes, removable, result)
            # Users first: later files may belong to them.
            first = [change for change in changes if change.entry.path.startswith(SYSUSERS)]
            if first:
                landing.land(first)
                must(self._runner, ["systemd-sysusers"], timeout=60)
            landing.land([change for change in changes if change not in first])
            landing.prune([*removable, *self._links(removable)], self._firsts)
            self._follow_up(changes, result)
        except (HostError, OSError) as problem:
            lost = landing.back()
            if self._rope is not None and not lost:
                for name in self._tied:
                    self._rope.disarm(name)
            if result.wants["daemon_reload"]:
                self._runner(["systemctl", "daemon-reload"], timeout=60)
            tail = "; could not be put back: " + ", ".join(lost) if lost else "; everything was put back"
            raise HostError(f"{problem}{tail}") from problem
        if self._rope is not None:
            for name in result.armed:
                self._rope.settle(name)
        memory.directories += landing.made
        self._leave_directories(order, memory, removable)

    def _tie(
        self, order: Order, memory: Memory, changes: Sequence[Change], removable: Sequence[str], result: Result
    ) -> None:
        """Arm one undo for each name among what changes, if undoing is asked for."""
        ropes: dict[str, tuple[list[str], list[Mapping[str, Sequence[str]]]]] = {}
        touched = [(c.entry.undo, c.entry.path, c.entry.wants) for c in changes if not c.entry.directory]
        touched += [(memory.files[p].get("undo", ""), p, memory.files[p].get("wants", {})) for p in removable]
        for name, path, wants in touched:
            if name:
                paths, rows = ropes.setdefault(name, ([], []))
                paths.append(path)
                rows.append(wants)
        if not order.undo_seconds or self._rope is None:
            return
        for name, (paths, rows) in sorted(ropes.items()):
            if set(paths) & set(removable):
                # What comes back must be known again, or no later run would take it away.
                paths.append(memory.path)
            wants = gather_wants(rows)
            commands = [["systemctl", "daemon-reload"]] if any(p.startswith(UNITS) for p in paths) else []
            commands += [["systemctl", "restart", unit] for unit in wants["restart"]]
            commands += [["systemctl", "reload-or-restart", unit] for unit in wants["reload"]]
            tied = self._rope.arm(name, paths, commands, order.undo_seconds)
            result.armed.append(name)
            # A rope that was tied before holds an older good state: it is not ours to let go.
            if not tied.get("extended"):
                self._tied.append(name)

    def _follow_up(self, changes: Sequence[Change], result: Result) -> None:
        """Tell systemd what it has to read again."""
        if result.wants["daemon_reload"]:
            must(self._runner, ["systemctl", "daemon-reload"], timeout=60)
        files = [c.entry.path for c in changes if c.entry.path.startswith(TMPFILES)]
        if files:
            must(self._runner, ["systemd-tmpfiles", "--create", *files], timeout=60)

    def _leave_directories(self, order: Order, memory: Memory, removable: Sequence[str]) -> None:
        """Remove directories that we made and that pruning emptied."""
        if not removable:
            return
        wanted = [entry.path for entry in order.entries]
        for path in sorted(memory.directories, reverse=True):
            if not any(other.startswith(path + "/") for other in wanted) and self._ground.remove_directory(path):
                memory.directories.remove(path)
