# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host keeps of the past: for each run what it replaced, and for each file of ours what stood there first.

A kept state is a row ``{kind: absent|file|link|directory|withheld, uid, gid, mode, target, sha256, secret}``; the
content of a file lies beside it, named by its digest. Of a secret nothing is kept but that there was one. All of it is
for root alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .commands import HostError
from .ground import Ground, Seen, split
from .holding import Holder, Lock
from .memory import STATE, read_json, write_json
from .tree import digest

RUNS = STATE + "/runs"
ORIGINALS = STATE + "/originals"
#: How many runs are kept, how many bytes all of them may take, and how many a single file.
KEPT_RUNS, KEPT_BYTES, LARGEST = 10, 32 * 1024 * 1024, 4 * 1024 * 1024
RUN_ID = re.compile(r"[0-9a-f]{10}\Z")


def row(seen: Seen, secret: bool = False) -> dict[str, Any]:
    """What is written down of a path; ``withheld`` where its content may not be kept, or is too large."""
    if seen.kind == "absent":
        return {"kind": "absent", "secret": secret}
    facts: dict[str, Any] = {"uid": seen.uid, "gid": seen.gid, "mode": seen.mode, "secret": secret}
    if seen.kind == "file" and not secret and len(seen.content) <= LARGEST:
        return {"kind": "file", **facts, "sha256": digest(seen.content)}
    if seen.kind == "link":
        return {"kind": "link", **facts, "target": seen.target}
    return {"kind": "directory" if seen.kind == "directory" else "withheld", **facts}


def put(ground: Ground, folder: str, name: str, content: bytes) -> None:
    """Keep a content under a name, for root alone; no-op when it is there."""
    if ground.seen(f"{folder}/{name}", content=False).kind == "file":
        return
    for place in _down_to(folder):
        if ground.directory(place) is None:
            ground.make_directory(place, os.geteuid(), os.getegid(), 0o700)
    aside = ground.write_aside(f"{folder}/{name}", content, os.geteuid(), os.getegid(), 0o600)
    ground.settle(aside)
    ground.swap(aside, f"{folder}/{name}")


def _down_to(folder: str) -> list[str]:
    """Our directories from the state's own down to ``folder``."""
    places = [folder]
    while places[0] != STATE:
        places.insert(0, split(places[0])[0])
    return places


def recall(ground: Ground, folder: str, kept: Mapping[str, Any]) -> Seen:
    """A kept state as it was seen then.

    :raises HostError: its content was not kept, or is not there any more.
    """
    if kept["kind"] == "absent":
        return Seen("absent")
    facts = (int(kept["uid"]), int(kept["gid"]), int(kept["mode"]))
    if kept["kind"] != "file":
        return Seen(str(kept["kind"]), b"", *facts, target=str(kept.get("target", "")))
    found = ground.seen(f"{folder}/{kept['sha256']}")
    if found.kind != "file" or digest(found.content) != kept["sha256"]:
        raise HostError(f"{folder}/{kept['sha256']}: the kept content is not there any more, or is not what was kept")
    return Seen("file", found.content, *facts)


@dataclass(frozen=True)
class Run:
    """What one run replaced, by path and by unit; ``number`` counts upwards.

    ``taken_back``: the run that put it back; ``takes_back``: the run that this one put back.
    """

    run: str
    number: int
    who: str
    began: str
    files: Mapping[str, Mapping[str, Any]]
    units: Mapping[str, Mapping[str, Any]]
    ruleset: str = ""
    taken_back: str = ""
    takes_back: str = ""

    @property
    def folder(self) -> str:
        return f"{RUNS}/{self.run}"

    @property
    def path(self) -> str:
        return f"{self.folder}/run.json"

    def summary(self) -> dict[str, Any]:
        """For people who choose one."""
        return {
            "run": self.run,
            "who": self.who,
            "began": self.began,
            "files": sorted(self.files),
            "units": sorted(self.units),
            "ruleset": bool(self.ruleset),
            "taken_back": self.taken_back,
            "takes_back": self.takes_back,
        }


def kept_runs(ground: Ground) -> list[Run]:
    """All kept runs, oldest first."""
    found = []
    for name in ground.names(RUNS):
        content = read_json(ground, f"{RUNS}/{name}/run.json") if RUN_ID.match(name) else {}
        if content:
            found.append(Run(**content))
    return sorted(found, key=lambda run: run.number)


class Keeper:
    """Keeps what one run replaces. What is kept first, stays: it is the state before the run."""

    def __init__(self, ground: Ground, run: str, who: str, began: str) -> None:
        self._ground = ground
        self._blank: dict[str, Any] = {"run": run, "who": who, "began": began, "files": {}, "units": {}}
        self._path = f"{RUNS}/{run}/run.json"
        self.run = run

    def files(self, rows: Iterable[tuple[str, Seen, bool]]) -> None:
        """Keep files, links and directories (with a trailing slash) as they are now: path, state, secret or not."""
        book = self._book()
        for path, seen, secret in rows:
            if path in book["files"]:
                continue
            kept = book["files"][path] = row(seen, secret)
            if kept["kind"] == "file":
                put(self._ground, split(self._path)[0], kept["sha256"], seen.content)
        self._save(book)

    def units(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep units as they are now: ``{boot: masked|enabled|…, there: bool, running: bool}`` by name."""
        book = self._book()
        book["units"] = {**{name: dict(state) for name, state in states.items()}, **book["units"]}
        self._save(book)

    def ruleset(self, text: str) -> None:
        """Keep a text that brings the packet filter back to what it is now."""
        book = self._book()
        if not book.get("ruleset"):
            book["ruleset"] = digest(text.encode())
            put(self._ground, split(self._path)[0], book["ruleset"], text.encode())
        self._save(book)

    def takes_back(self, run: str) -> None:
        """Note that this run is itself a way back."""
        self._save({**self._book(), "takes_back": run})

    def _book(self) -> dict[str, Any]:
        return read_json(self._ground, self._path) or dict(self._blank)

    def _save(self, book: dict[str, Any]) -> None:
        if "number" not in book:
            runs = kept_runs(self._ground)
            book["number"] = 1 + max((run.number for run in runs), default=0)
        for place in _down_to(split(self._path)[0]):
            if self._ground.directory(place) is None:
                self._ground.make_directory(place, os.geteuid(), os.getegid(), 0o700)
        write_json(self._ground, self._path, book)
        thin(self._ground, self.run)


def thin(ground: Ground, present: str, runs: int = KEPT_RUNS, size: int = KEPT_BYTES) -> list[str]:
    """Drop the oldest runs, never the present one, until few and small enough; gives those that went."""
    kept = kept_runs(ground)
    sizes = {run.run: _size(ground, run.folder) for run in kept}
    gone = []
    for run in kept:
        if run.run != present and (len(sizes) > runs or sum(sizes.values()) > size):
            shutil.rmtree(ground.root.rstrip("/") + run.folder)
            del sizes[run.run]
            gone.append(run.run)
    return gone


def _size(ground: Ground, folder: str) -> int:
    with os.scandir(ground.root.rstrip("/") + folder) as entries:
        return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)


def run_id(holder: Holder) -> str:
    """Short name of a run, the same on all hosts."""
    return hashlib.sha256(holder.run.encode()).hexdigest()[:10]


def keeper(ground: Ground, lock: Lock | None = None) -> Keeper:
    """The keeper of the run that holds this host; of a call without a lock, one of its own."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    holder = (lock or Lock()).holder() or Holder("a call without a lock", "", os.getpid(), str(time.time_ns()), now)
    return Keeper(ground, run_id(holder), holder.who, holder.since)
