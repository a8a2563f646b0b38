# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that come as an archive: each version in a directory of its own that nobody writes to again."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .archive import CHUNK, Member, Pick, file_digest, members, select
from .commands import HostError

RECEIPTS = "/var/lib/quorum.hardening/programs"
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*\Z")


@dataclass(frozen=True)
class Program:
    """One version of a program. ``sha256`` is the archive's, empty when whatever version is there will do."""

    name: str
    version: str
    sha256: str
    picks: Sequence[Pick]
    base: str = ""
    root: str = "/"

    @property
    def home(self) -> str:
        return self.root.rstrip("/") + (self.base or f"/opt/{self.name}")

    @property
    def path(self) -> str:
        return f"{self.home}/{self.version}"

    @property
    def receipt(self) -> str:
        return f"{self.root.rstrip('/')}{RECEIPTS}/{self.name}-{self.version}.json"

    @property
    def asked(self) -> list[list[Any]]:
        """The picks as the receipt keeps them."""
        return [[pick.source, pick.target, pick.mode] for pick in self.picks]

    def problems(self) -> list[str]:
        """What is wrong with the names; they become parts of paths."""
        words = [what for what in (self.name, self.version) if not WORD.match(what) or what == "current"]
        return [f"{what!r} cannot be the name of a directory here" for what in words]


@dataclass
class State:
    """What is there. ``reasons`` says why it is not the program asked for; empty when it is."""

    reasons: list[str] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    sha256: str = ""

    @property
    def whole(self) -> bool:
        return not self.reasons


def _fingerprint(found: os.stat_result) -> list[int]:
    """Changes whenever somebody writes to the file or puts another in its place."""
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _present(path: str) -> list[str]:
    """Files below a directory, relative to it; whatever is no directory counts."""
    found = []
    for folder, directories, names in os.walk(path):
        links = [d for d in directories if os.path.islink(os.path.join(folder, d))]
        found += [os.path.relpath(os.path.join(folder, name), path) for name in [*names, *links]]
    return sorted(found)


def _loose_directories(path: str) -> list[str]:
    """Directories in which somebody else could put files of their own."""
    found = []
    for folder, _directories, _names in os.walk(path):
        facts = os.lstat(folder)
        if stat.S_IMODE(facts.st_mode) != 0o755 or facts.st_uid != os.geteuid():
            found.append(os.path.relpath(folder, path))
    return sorted(found)


def inspect(program: Program) -> State:
    """Compare the installed version with the receipt of its installation, file by file."""
    if not os.path.isdir(program.path) or os.path.islink(program.path):
        return State(["not installed"])
    try:
        with open(program.receipt, encoding="utf-8") as handle:
            receipt = json.load(handle)
        recorded: dict[str, dict[str, Any]] = receipt["files"]
        archive, asked = str(receipt["archive"]), receipt["asked"]
    except (OSError, ValueError, KeyError, TypeError):
        return State(["no record of its installation"])
    state = State([], recorded, archive)
    if program.sha256 and archive != program.sha256:
        state.reasons.append("installed from another archive")
    if asked != program.asked:
        state.reasons.append("other members are asked for")
    present = _present(program.path)
    state.reasons += [f"{name}: does not belong here" for name in present if name not in recorded]
    state.reasons += [f"{name}: not a directory of root, mode 0755" for name in _loose_directories(program.path)]
    for name, record in sorted(recorded.items()):
        state.reasons += _file_problems(program, name, record)
    return state


def _file_problems(program: Program, name: str, record: Mapping[str, Any]) -> list[str]:
    path = f"{program.path}/{name}"
    try:
        found = os.lstat(path)
    except OSError:
        return [f"{name}: missing"]
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        return [f"{name}: not a file of root"]
    if stat.S_IMODE(found.st_mode) != record["mode"]:
        return [f"{name}: mode {stat.S_IMODE(found.st_mode):04o}"]
    # Reading a large program costs more than all the rest of the call: only what was touched is read.
    if _fingerprint(found) != record["seen"] and file_digest(path) != record["sha256"]:
        return [f"{name}: altered"]
    return []


def install(program: Program, archive: str) -> State:
    """Unpack the archive into the version's directory, whole or not at all.

    :raises HostError: another archive than the one asked for, or one that lacks a member.
    """
    found = file_digest(archive)
    if program.sha256 and found != program.sha256:
        raise HostError(
            f"{program.name} {program.version}: the archive arrived with sha256 {found}, not {program.sha256}"
        )
    aside = f"{program.home}/.{program.version}.{secrets.token_hex(4)}"
    old = aside + ".old"
    mask = os.umask(0o022)
    try:
        os.makedirs(aside, 0o755)
        with members(archive) as content:
            for place, (member, mode) in select(content, program.picks).items():
                _write(member, aside, place, mode)
        # A program that runs from the old directory keeps its open files.
        if os.path.lexists(program.path):
            os.rename(program.path, old)
        os.rename(aside, program.path)
    finally:
        os.umask(mask)
        for leftover in (aside, old):
            shutil.rmtree(leftover, ignore_errors=True)
    _sync(program.home)
    return _record(program, found)


def _write(member: Member, base: str, place: str, mode: int) -> None:
    path = os.path.join(base, place)
    folder = base
    for part in place.split("/")[:-1]:
        folder = os.path.join(folder, part)
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o755)
    with member.open() as source, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        shutil.copyfileobj(source, target, CHUNK)
        target.flush()
        os.fsync(target.fileno())
        os.fchmod(target.fileno(), mode)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _record(program: Program, archive: str) -> State:
    files = {}
    for name in _present(program.path):
        path = f"{program.path}/{name}"
        found = os.lstat(path)
        files[name] = {"sha256": file_digest(path), "mode": stat.S_IMODE(found.st_mode), "seen": _fingerprint(found)}
    os.makedirs(os.path.dirname(program.receipt), mode=0o700, exist_ok=True)
    aside = f"{program.receipt}.new"
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
        json.dump({"archive": archive, "asked": program.asked, "files": files}, handle, indent=1, sort_keys=True)
    os.replace(aside, program.receipt)
    return State([], files, archive)


def current(program: Program) -> str:
    """The version that ``current`` points to; empty when there is none."""
    link = f"{program.home}/current"
    return os.path.basename(os.readlink(link)) if os.path.islink(link) else ""


def point(program: Program) -> None:
    """Turn ``current`` to this version, in one step."""
    link = f"{program.home}/current"
    if os.path.lexists(link) and not os.path.islink(link):
        raise HostError(f"{link}: not a symbolic link; remove it by hand")
    aside = f"{program.home}/.current.{secrets.token_hex(4)}"
    os.symlink(program.version, aside)
    os.replace(aside, link)


def checksums(state: State) -> dict[str, str]:
    """Relative path to SHA-256 of every installed file."""
    return {name: str(record["sha256"]) for name, record in state.files.items()}
