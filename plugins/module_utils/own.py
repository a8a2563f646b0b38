# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection itself changed on a host, told to the host's file watch so that it is not taken for a stranger.

Each note says of one path what it was just before and just after. The watch (:mod:`watch`) follows these notes from the
state in its database to the state it finds: a gap between two of them is somebody else's work.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .commands import Runner

WATCH = "/var/lib/quorum.hardening/aide"
NOTES = WATCH + "/own"
ABSENT = "absent"
ANY = "*"
ACCOUNTS = tuple(
    f"/etc/{name}{copy}" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid") for copy in ("", "-")
)
UNITS = "/etc/systemd/system/"
OWN = ("/etc/quorum.hardening/", "/usr/local/lib/quorum.hardening/")


def fingerprint(path: str) -> str:
    """State of a path itself in the watch's own terms: mode (octal), uid, gid, SHA-256 (base64), target of a link."""
    try:
        seen = os.lstat(path)
        content, target = "0", "0"
        if stat.S_ISLNK(seen.st_mode):
            target = os.readlink(path)
        elif stat.S_ISREG(seen.st_mode):
            digest = hashlib.sha256()
            with open(path, "rb") as handle:
                for piece in iter(lambda: handle.read(1 << 20), b""):
                    digest.update(piece)
            content = base64.b64encode(digest.digest()).decode()
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    return f"{seen.st_mode:o} {seen.st_uid} {seen.st_gid} {content} {target}"


def spread(paths: Iterable[str]) -> set[str]:
    """The paths with all directories above them; one that ends in a slash with everything below it."""
    found: set[str] = set()
    for path in paths:
        if path.endswith("/"):
            for folder, folders, files in os.walk(path.rstrip("/")):
                found.update(os.path.join(folder, name) for name in (*folders, *files))
        above = path.rstrip("/")
        while len(above) > 1 and above not in found:
            found.add(above)
            above = os.path.dirname(above)
    return found


def _append(rows: Iterable[tuple[str, str, str]], notes: str) -> None:
    lines = "".join(json.dumps({"path": p, "before": b, "after": a}) + "\n" for p, b, a in rows)
    # Without the watch's directory there is no database that a change could contradict.
    if lines and os.path.isdir(os.path.dirname(notes)):
        with open(os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "w") as handle:
            handle.write(lines)


@contextmanager
def changes(paths: Iterable[str], notes: str = NOTES) -> Iterator[None]:
    """Note what becomes different among ``paths`` (see :func:`spread`) meanwhile, even when it fails halfway."""
    places = list(paths)
    before = {path: fingerprint(path) for path in spread(places)}
    try:
        yield
    finally:
        after = {path: fingerprint(path) for path in sorted({*before, *spread(places)})}
        _append(
            (
                (path, before.get(path, ABSENT), state)
                for path, state in after.items()
                if before.get(path, ABSENT) != state
            ),
            notes,
        )


def tell(runner: Runner, notes: str = NOTES) -> str:
    """Start the watch when there is anything to tell it, without waiting; says what went wrong, if anything."""
    if not os.path.exists(notes):
        return ""
    # Started by hand and not by a path unit: that one costs an inotify instance, and hosts run out of them.
    outcome = runner(["systemctl", "start", "--no-block", "quorum-aide.service"], timeout=30)
    return outcome.words if outcome.code != 0 else ""


def landed(paths: Iterable[str], notes: str = NOTES) -> None:
    """Note paths whose content is wholly ours and verified, whatever was there before."""
    _append(((path, ANY, fingerprint(path)) for path in sorted(spread(paths))), notes)
