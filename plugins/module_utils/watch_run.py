# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's file watch as a program: ``quorum-aide check | accept [PATH...] | status | dpkg-begin | dpkg-end``.

AIDE compares, :mod:`watch` says whose each change is, the system log gets one line for each path. Changes of this
collection and of the package manager renew the database for their own paths; a stranger's stay in each day's report
until somebody accepts them. Uses nothing but the standard library; :mod:`watch` lies beside it on the host.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import subprocess
import sys
import syslog
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .watch import Database, Packages, Verdict, decoded, judge, merged, merged_path, parse_database

CONFIG = "/etc/quorum.hardening/aide.conf"
#: Exit codes of AIDE up to here are bits (added, removed, changed); beyond, it could not do its work.
DIFFERENCES = 7
LOCK_SECONDS = 1800
CLEAN, STRANGERS, BROKEN = 0, 1, 2

Say = Callable[[int, str], None]


class WatchError(Exception):
    """The watch cannot do its work; the message says why and what to do."""


def log(priority: int, text: str) -> None:
    """One line of the system log, and of the terminal where somebody reads."""
    syslog.syslog(priority, text)
    if sys.stdout.isatty():
        sys.stdout.write(f"{text}\n")


@dataclass(frozen=True)
class Place:
    """Where the watch lives; tests give their own."""

    state: str = "/var/lib/quorum.hardening/aide"
    copy: str = "/var/backups/quorum.hardening/aide.db"
    lock: str = "/run/quorum.hardening/lock.json"
    dpkg: str = "/var/lib/dpkg"

    def at(self, name: str) -> str:
        return os.path.join(self.state, name)


def read(path: str) -> str:
    """Text of a file; empty when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def write(path: str, text: str) -> None:
    """Replace a file, root's alone, in one step."""
    aside = path + ".new"
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    target = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(target, "w", encoding="utf-8", errors="surrogateescape") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(aside, path)


def digest(path: str, kind: str = "sha256") -> str:
    """Digest of a file in hexadecimal; empty when it is not there."""
    found = hashlib.new(kind, usedforsecurity=False)
    try:
        with open(path, "rb") as handle:
            for piece in iter(lambda: handle.read(1 << 20), b""):
                found.update(piece)
    except OSError:
        return ""
    return found.hexdigest()


def changed_at(path: str) -> float:
    """When a path was last changed in any way, seconds since the epoch; 0 when it is gone meanwhile."""
    return os.lstat(path).st_ctime if os.path.lexists(path) else 0.0


def aide(place: Place) -> str:
    """Text of a database of what is there now.

    :raises WatchError: AIDE could not make one.
    """
    target = place.at("aide.db.found")
    done = subprocess.run(
        ["aide", "--config", CONFIG, "--after", f"database_out=file:{target}", "--init"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
    )
    try:
        if done.returncode > DIFFERENCES:
            raise WatchError(f"event=error aide exit={done.returncode} {' '.join(done.stderr.split())[:400]}")
        return read(target)
    finally:
        if os.path.exists(target):
            os.unlink(target)


class Watch:
    """One run of the watch on one host."""

    def __init__(
        self, place: Place, say: Say = log, look: Callable[[Place], str] = aide, patience: float = LOCK_SECONDS
    ) -> None:
        self._place, self._say, self._look, self._patience = place, say, look, patience

    def seal(self, text: str) -> None:
        """Store a database with its copy and its digest, which also goes to the log: from there it leaves the host."""
        place = self._place
        for path in (place.copy, place.at("aide.db")):
            write(path, text)
        found = digest(place.at("aide.db"))
        # A form that sha256sum --check understands, and that the role can compute.
        write(place.at("aide.db.sha256"), f"{found}  {place.at('aide.db')}")
        self._say(syslog.LOG_NOTICE, f"event=sealed sha256={found} entries={len(parse_database(text).lines)}")

    def mend(self) -> bool:
        """See that the database is the one that was sealed, or put its copy back; says whether there is one at all.

        :raises WatchError: neither is: only a person can say what to do.
        """
        place, sealed = self._place, read(self._place.at("aide.db.sha256")).partition(" ")[0]
        found, kept = digest(place.at("aide.db")), digest(place.copy)
        if not (sealed or found or kept):
            return False
        if sealed and found == sealed:
            if kept != sealed:
                write(place.copy, read(place.at("aide.db")))
            return True
        self._say(syslog.LOG_ERR, f"event=database-replaced sealed={sealed or 'gone'} found={found or 'gone'}")
        if not kept or kept != (sealed or kept):
            raise WatchError(
                "event=database-lost neither the database nor its copy is the sealed one: compare with the seals in the"
                " log, then start anew with: quorum-aide accept"
            )
        self.seal(read(place.copy))
        return True

    def take_notes(self) -> dict[str, list[dict[str, Any]]]:
        """Notes of our own changes since the last check, by path, to be forgotten once the check is done."""
        place = self._place
        if os.path.exists(place.at("own")):
            os.replace(place.at("own"), place.at(f"own.{time.time_ns()}"))
        found: dict[str, list[dict[str, Any]]] = {}
        for taken in sorted(glob.glob(place.at("own.*"))):
            for line in read(taken).splitlines():
                note = json.loads(line)
                found.setdefault(note["path"], []).append(note)
        return found

    def packages(self, windows: list[dict[str, Any]]) -> Packages:
        """What dpkg's own lists say, read only when it has run since the last check."""
        sums: dict[str, str] = {}
        paths: set[str] = set()
        if windows:
            base = self._place.dpkg
            for path in glob.glob(f"{base}/info/*.md5sums"):
                rows = (line.split("  ", 1) for line in read(path).splitlines() if "  " in line)
                sums.update((merged_path("/" + name), md5) for md5, name in rows)
            for path in glob.glob(f"{base}/info/*.list"):
                paths.update(merged_path(name) for name in read(path).splitlines())
            for line in read(f"{base}/status").splitlines():
                words = line.split()
                if line.startswith(" /") and len(words) >= 2:
                    sums[words[0]] = words[1]
        return Packages(
            [(row["begin"], row.get("end", time.time())) for row in windows],
            sums,
            frozenset(paths),
            changed_at,
            lambda path: digest(path, "md5"),
        )

    def wait(self) -> bool:
        """Let a run of the collection come to its end first, though not for ever; says whether it did."""
        end = time.monotonic() + self._patience
        while os.path.exists(self._place.lock):
            if time.monotonic() >= end:
                return False
            time.sleep(min(2.0, self._patience))
        return True

    def quiet_look(self) -> tuple[str, dict[str, list[dict[str, Any]]]]:
        """What is there, and the notes about it: looked at again when a run of the collection came in between."""
        while True:
            free = self.wait()
            notes = self.take_notes()
            text = self._look(self._place)
            if not free or not (os.path.exists(self._place.lock) or os.path.exists(self._place.at("own"))):
                return text, notes

    def check(self) -> int:
        """Compare, report, renew for what is explained."""
        place, exists = self._place, self.mend()
        text, notes = self.quiet_look()
        windows: list[dict[str, Any]] = notes.pop("", [])
        new = parse_database(text)
        if exists:
            old = parse_database(read(place.at("aide.db")))
            verdicts = judge(old, new, notes, self.packages(windows))
            self.report(verdicts)
            renewed = [one.name for one in verdicts if one.renew]
            if any(old.state(name) != new.state(name) for name in renewed):
                self.seal(merged(old, new, renewed))
        else:
            verdicts = []
            self._say(syslog.LOG_WARNING, f"event=database-made entries={len(new.lines)}")
            self.seal(text)
        strangers = [decoded(one.name) for one in verdicts if one.by == "stranger"]
        write(place.at("last.json"), json.dumps({"at": time.time(), "strangers": strangers}) + "\n")
        for taken in glob.glob(place.at("own.*")):
            os.unlink(taken)
        return STRANGERS if strangers else CLEAN

    def report(self, verdicts: Sequence[Verdict]) -> None:
        """One line for each path; a stranger's as a warning, ours and the packages' as information."""
        for one in verdicts:
            priority = syslog.LOG_WARNING if one.by == "stranger" else syslog.LOG_INFO
            self._say(priority, f"event=change by={one.by} what={one.what} path={one.name}")
        count = {by: sum(1 for one in verdicts if one.by == by) for by in ("stranger", "package", "own")}
        words = " ".join(f"{by}={number}" for by, number in count.items())
        self._say(syslog.LOG_NOTICE, f"event=checked {words}")

    def accept(self, paths: Sequence[str], who: str) -> int:
        """Take what is there now (of some paths, or of all) as right, in somebody's name."""
        new = parse_database(self._look(self._place))
        known = read(self._place.at("aide.db"))
        old = parse_database(known) if known else Database("", {}, "")
        wanted = [n for n in sorted({*old.lines, *new.lines}) if not paths or decoded(n) in paths]
        names = [n for n in wanted if not known or old.state(n) != new.state(n)]
        for name in names[:100]:
            self._say(syslog.LOG_WARNING, f"event=accepted by={who} path={name}")
        self._say(syslog.LOG_WARNING, f"event=accept by={who} paths={len(names)}")
        self.seal(merged(old, new, names))
        return CLEAN

    def dpkg(self, begin: bool) -> int:
        """Note that the package manager begins or ends its work."""
        path = self._place.at("dpkg")
        if begin:
            write(path, json.dumps({"path": "", "begin": time.time()}))
        elif os.path.exists(path):
            note = {**json.loads(read(path)), "end": time.time()}
            os.unlink(path)
            with open(os.open(self._place.at("own"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as handle:
                handle.write(json.dumps(note) + "\n")
            subprocess.run(["systemctl", "start", "--no-block", "quorum-aide.service"], check=False)
        return CLEAN


def main(arguments: Sequence[str], place: Place, watch: Watch) -> int:
    """Run one command; exit code 0: nothing strange, 1: a stranger's changes, 2: the watch could not do its work."""
    command, paths = (arguments[0] if arguments else ""), list(arguments[1:])
    if command == "status":
        sys.stdout.write((read(place.at("last.json")).strip() or "no check has been completed yet") + "\n")
        return CLEAN
    if command in ("dpkg-begin", "dpkg-end"):
        return watch.dpkg(command == "dpkg-begin")
    if command not in ("check", "accept"):
        sys.stdout.write(f"{__doc__}\n")
        return BROKEN
    with open(os.open(place.at("busy"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        try:
            if command == "check":
                return watch.check()
            return watch.accept(paths, os.environ.get("SUDO_USER", "root"))
        except (WatchError, ValueError, OSError) as problem:
            words = str(problem)
            log(syslog.LOG_ERR, words if words.startswith("event=") else f"event=error {words}")
            return BROKEN


if __name__ == "__main__":
    syslog.openlog("quorum-aide", 0, syslog.LOG_AUTHPRIV)
    raise SystemExit(main(sys.argv[1:], Place(), Watch(Place())))
