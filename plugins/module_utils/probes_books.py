# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of the books of accounts: whether they fit together, and whether homes and logs are their owners' alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping

from .accounts import NO_SHELLS
from .accounts_book import FIRST_PERSON
from .probing import Absent, Args, Observation, Unreadable
from .system import System

DAY = 86400
#: Fields of a line in each book, and which of them are numbers.
BOOKS: Mapping[str, tuple[int, tuple[int, ...]]] = {
    "passwd": (7, (2, 3)),
    "group": (4, (2,)),
    "shadow": (9, ()),
    "gshadow": (4, ()),
}
#: As every reader understands it: the C library takes a sign or a blank before it as well.
NUMBER = re.compile(r"0|[1-9][0-9]*", re.ASCII)
NAME = re.compile(r"[A-Za-z0-9_.@+-]{1,32}\$?", re.ASCII)
#: Of an account that has no home on purpose.
NO_HOME = "/nonexistent"
HOME_MODE = 0o750
DOT_MODE = 0o644
JOURNAL_MODE = 0o640
#: Dot file -> widest mode; one of 0 lets others in by its mere being there.
DOT_FILES = {".forward": 0, ".rhost": 0, ".rhosts": 0, ".netrc": 0o600, ".bash_history": 0o600}
#: What find is to report of a home: dot files, and links by such a name.
DOTS = ["-xdev", "-name", ".*", "(", "-type", "f", "-o", "-type", "l", ")", "-printf", "%y %Y %m %U %G %p\\0"]


def _lines(system: System, name: str) -> list[tuple[int, list[str]]]:
    """Number and fields of each line that says something; the C library passes over the others too."""
    text = system.read(f"/etc/{name}")
    if text is None:
        raise Unreadable(f"/etc/{name}: not there")
    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    return [(number, line.split(":")) for number, line in lines if not line.lstrip().startswith("#")]


def _rows(system: System, name: str) -> list[list[str]]:
    return [row for _number, row in _lines(system, name) if len(row) >= BOOKS[name][0]]


def _malformed(system: System) -> list[str]:
    """Lines that programs may read in different ways, by book and first field, or by number where that is no name."""
    found = []
    for book, (fields, numbers) in BOOKS.items():
        # Without gshadow groups have no passwords; that the others are there has been seen.
        for place, row in _lines(system, book) if system.stat(f"/etc/{book}") else []:
            whole = len(row) == fields and all(NUMBER.fullmatch(row[index]) for index in numbers)
            if not whole or not row[0] or row[0] != row[0].strip():
                known = len(row) > 1 and NAME.fullmatch(row[0])
                found.append(f"{book} {row[0]}" if known else f"{book} line {place}")
    return found


def _twice(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Keys that more than one entry has, each with these."""
    seen: dict[str, list[str]] = {}
    for key, entry in pairs:
        seen.setdefault(key, []).append(entry)
    return [f"{key}: {', '.join(entries)}" for key, entries in sorted(seen.items()) if len(entries) > 1]


def _shells(text: str) -> list[str]:
    """The first word of each line, without remarks: so the C library reads them."""
    words = (line.partition("#")[0].split() for line in text.splitlines())
    return [line[0] for line in words if line]


def book_faults(_args: Args, system: System) -> Observation:
    """Where the books of accounts contradict themselves, or say what they must not.

    found: malformed (lines that lack fields or have more, or whose number is none: programs that skip them overlook an
    account that logs in all the same), unshadowed (accounts whose password is not in shadow), groupless (of a group
    that is not there), root_group (others of group 0, and other groups of that number), shadow (members of the group
    that reads it), twice (numbers and names), future (accounts whose password is of a day to come), shells (those in
    /etc/shells that are none).
    """
    people, groups = _rows(system, "passwd"), _rows(system, "group")
    numbers = {row[0]: row[2] for row in groups}
    readers = {name for row in groups if row[0] == "shadow" for name in row[3].split(",") if name}
    today = int(time.time() // DAY)
    dates = [(row[0], row[2]) for row in _rows(system, "shadow")]
    found = {
        "malformed": _malformed(system),
        "unshadowed": [row[0] for row in people if row[1] != "x"],
        "groupless": [row[0] for row in people if row[3] not in numbers.values()],
        "root_group": [row[0] for row in people if row[3] == "0" and row[0] != "root"]
        + [f"group {name}" for name, number in numbers.items() if number == "0" and name != "root"],
        "shadow": readers | {row[0] for row in people if row[3] == numbers.get("shadow")},
        "twice": [f"uid {each}" for each in _twice((row[2], row[0]) for row in people)]
        + [f"gid {each}" for each in _twice((row[2], row[0]) for row in groups)]
        + [f"user {each}" for each in _twice((row[0], row[2]) for row in people)]
        + [f"group {each}" for each in _twice((row[0], row[2]) for row in groups)],
        "future": [name for name, day in dates if day.isdigit() and int(day) > today],
        "shells": [shell for shell in _shells(system.read("/etc/shells") or "") if shell.endswith("/nologin")],
    }
    return Observation(
        {name: sorted(values) for name, values in found.items()},
        "/etc/passwd, /etc/shadow, /etc/group, /etc/gshadow, /etc/shells",
    )


def _dot_faults(line: str, owner: str) -> list[str]:
    """Faults of one thing that find has met: kind, kind of what it leads to, mode, uid, gid and path."""
    kind, target, mode, uid, gid, path = line.split(" ", 5)
    name = path.rpartition("/")[2]
    most = DOT_FILES.get(name, DOT_MODE)
    if not most:
        return [f"{path} is there"]
    if kind == "l":
        # What is no secret may lie elsewhere, and a history that leads to /dev/null is none.
        return [f"{path} is a symbolic link"] if name in DOT_FILES and target == "f" else []
    strange = f"{path} is of {uid}:{gid}, not {owner}" if f"{uid}:{gid}" != owner else ""
    wide = f"{path} is {int(mode, 8):04o}, at most {most:04o}" if int(mode, 8) & ~most else ""
    return [fault for fault in (wide, strange) if fault]


def open_homes(_args: Args, system: System) -> Observation:
    """Homes, and dot files in them, that others may enter, read or change. found: each in words, sorted, 20 at most.

    Of root, and of everybody who has a shell and is no service.
    """
    wrong = []
    for name, _password, uid, gid, _comment, home, shell in (row[:7] for row in _rows(system, "passwd")):
        if shell in NO_SHELLS or home == NO_HOME or not uid.isdigit() or 0 < int(uid) < FIRST_PERSON:
            continue
        seen = system.stat(home)
        if seen is not None and seen.kind == "link" and seen.uid in (0, int(uid)):
            # What it leads to.
            seen = system.stat(f"{home}/.")
        if seen is None or seen.kind != "directory":
            wrong.append(f"{home} of {name} is no directory")
            continue
        if seen.uid != int(uid) or seen.mode & 0o777 & ~HOME_MODE:
            wrong.append(f"{home} is {seen.mode:04o} {system.user(seen.uid)}, at most {HOME_MODE:04o} {name}")
        done = system.run(["find", "-H", home, *DOTS])
        # A file that goes while it is looked at makes find complain.
        if done.code not in (0, 1):
            raise Unreadable(f"find {home}: {done.err.strip() or done.code}")
        for line in done.out.split("\0"):
            wrong += _dot_faults(line, f"{uid}:{gid}") if line.count(" ") > 4 else []
    more = [f"and {len(wrong) - 20} more"] if len(wrong) > 20 else []
    return Observation([*sorted(wrong)[:20], *more], "/etc/passwd, the homes")


def open_journals(args: Args, system: System) -> Observation:
    """Files of a journal that others may read, or anybody but root change.

    args: path (that outlives a reboot, and must be there), passing (that need not). found: sorted "path mode".
    """
    lasting, passing = str(args["path"]), str(args["passing"])
    if system.listdir(lasting) is None:
        raise Absent(f"there is no {lasting}")
    wrong = []
    for folder in (f"{top}/{machine}" for top in (lasting, passing) for machine in system.listdir(top) or []):
        for path in (f"{folder}/{name}" for name in system.listdir(folder) or []):
            seen = system.stat(path)
            if seen is not None and seen.kind == "file" and (seen.uid != 0 or seen.mode & ~JOURNAL_MODE):
                wrong.append(f"{path} {seen.mode:04o}")
    return Observation(sorted(wrong), f"{lasting}, {passing}")


PROBES = {"book_faults": book_faults, "open_homes": open_homes, "open_journals": open_journals}
