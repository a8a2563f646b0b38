# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading program archives: which members go where, without trusting anything that the archive says about places."""

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Callable

from .commands import HostError

CHUNK = 1024 * 1024


def file_digest(path: str) -> str:
    """SHA-256 of a file in hexadecimal, read piece by piece."""
    found = hashlib.sha256()
    with open(path, "rb") as handle:
        for chunk in iter(lambda: handle.read(CHUNK), b""):
            found.update(chunk)
    return found.hexdigest()


@dataclass(frozen=True)
class Pick:
    """Which members to take, and as what.

    ``source`` is a member's name, a pattern, or a directory with a trailing slash; ``target`` is a file name below the
    program's directory, a directory with a trailing slash for more than one member. ``mode`` overrides the archive's.
    """

    source: str
    target: str
    mode: int | None = None

    def place(self, member: str) -> str | None:
        """Where a member goes, relative to the program's directory; None when it is not picked."""
        if self.source.endswith("/"):
            if not member.startswith(self.source):
                return None
            rest = member[len(self.source) :]
        elif fnmatch.fnmatchcase(member, self.source):
            rest = posixpath.basename(member)
        else:
            return None
        if self.target.endswith("/"):
            return self.target.lstrip("/") + rest if self.target != "/" else rest
        return self.target


def picks(rows: Sequence[Mapping[str, Any]]) -> list[Pick]:
    """Rows ``{from, to, mode}`` as picks; no rows means everything, as it is.

    :raises HostError: a target leaves the program's directory, or a mode is no octal number.
    """
    found = []
    for row in rows or [{"from": "*", "to": "/"}]:
        source, target = str(row["from"]), str(row.get("to") or "/")
        if ".." in target.split("/") or (target.startswith("/") and target != "/"):
            raise HostError(f"{target}: a member lands below the program's own directory")
        try:
            mode = int(str(row["mode"]), 8) & 0o555 if row.get("mode") else None
        except ValueError as problem:
            raise HostError(f"{row['mode']}: a mode is a quoted octal number such as '0555'") from problem
        found.append(Pick(source, target, mode))
    return found


@dataclass(frozen=True)
class Member:
    """A regular file of an archive."""

    name: str
    executable: bool
    open: Callable[[], IO[bytes]]


@contextmanager
def members(path: str) -> Iterator[list[Member]]:
    """Regular files of a tar (compressed or not) or zip archive; links and devices are left out.

    :raises HostError: it is neither, or damaged.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as pack:
                yield [
                    Member(_clean(info.filename), bool(info.external_attr >> 16 & 0o111), partial(pack.open, info))
                    for info in pack.infolist()
                    if not info.is_dir()
                ]
        else:
            with tarfile.open(path) as tape:
                yield [
                    Member(_clean(info.name), bool(info.mode & 0o111), partial(_open, tape, info))
                    for info in tape.getmembers()
                    if info.isreg()
                ]
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as problem:
        raise HostError(f"{path}: not a tar or zip archive, or damaged: {problem}") from problem


def _open(tape: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    found = tape.extractfile(info)
    if found is None:
        raise HostError(f"{info.name}: not a regular file")
    return found


def _clean(name: str) -> str:
    """A member's name without a leading ``./``."""
    return name[2:] if name.startswith("./") else name


def select(found: Sequence[Member], wanted: Sequence[Pick]) -> dict[str, tuple[Member, int]]:
    """Places of the picked members: relative path to (member, mode 0444 or 0555).

    :raises HostError: a pick finds nothing, two members land on one place, or a member's name leads outside.
    """
    places: dict[str, tuple[Member, int]] = {}
    for pick in wanted:
        hits = [(member, place) for member in found for place in [_whole(pick, member)] if place is not None]
        if not hits:
            raise HostError(
                f"{pick.source}: not in the archive; it holds {', '.join(m.name for m in found[:8]) or 'nothing'}"
            )
        for member, place in hits:
            if place.startswith("/") or ".." in place.split("/") or not place:
                raise HostError(f"{member.name}: its name leads out of the program's directory")
            if place in places:
                raise HostError(f"{place}: both {places[place][0].name} and {member.name} land here")
            places[place] = (member, pick.mode if pick.mode is not None else 0o555 if member.executable else 0o444)
    return places


def _whole(pick: Pick, member: Member) -> str | None:
    """As :meth:`Pick.place`; the pick of everything keeps directories."""
    return member.name if (pick.source, pick.target) == ("*", "/") else pick.place(member.name)
