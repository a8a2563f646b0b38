# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging files before they land: the daemon's own checker looks at the staged whole.

The directories a daemon reads are copied to a stage, the new files laid over them, the leaving ones taken out, and the
copy is mounted over the real place inside a private mount namespace. There the checker runs. The host itself sees
nothing of it.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from .commands import SEARCH_PATH, HostError, Runner
from .first_process import PATIENCE
from .ground import Names, Seen
from .landing import ABSENT, Change
from .validators import VALIDATORS, Validator, View, below

# What a checker says when something that an earlier step of the same run would have brought is not there yet.
NOT_THERE_YET = ("No such file or directory", "not found", "does not exist", "getpwnam", "getgrnam")


@dataclass(frozen=True)
class Leaving:
    """A file that is about to be taken away, the validator that has a say in it, and what comes in its place."""

    path: str
    validate: str
    first: Seen = ABSENT


class Stage:
    """A scratch directory below /run in which the whole is put together and judged."""

    def __init__(self, runner: Runner, names: Names, root: str = "/", check_mode: bool = False) -> None:
        self._runner = runner
        self._names = names
        self._root = root.rstrip("/")
        self._check_mode = check_mode
        self.notes: list[str] = []

    def judge(self, changes: Sequence[Change], leaving: Sequence[Leaving]) -> list[str]:
        """Let every validator concerned judge the whole.

        :returns: names of the validators that agreed.
        :raises HostError: one refused; its words are in the message. In check mode a checker that is not installed
            yet, or that misses what an earlier step would have brought, is noted in ``notes`` instead.
        """
        concerned = {c.entry.validate for c in changes if not c.entry.directory} | {gone.validate for gone in leaving}
        agreed = []
        for change in changes:
            if change.entry.validate == "json":
                self._json(change)
        for name in sorted(concerned & set(VALIDATORS)):
            if self._one(name, changes, leaving):
                agreed.append(name)
        return agreed + ["json"] * ("json" in concerned)

    @staticmethod
    def _json(change: Change) -> None:
        try:
            json.loads(change.entry.content)
        except ValueError as problem:
            raise HostError(f"{change.entry.path}: not JSON: {problem}; nothing was changed") from problem

    def _one(self, name: str, changes: Sequence[Change], leaving: Sequence[Leaving]) -> bool:
        validator = VALIDATORS[name]
        coming = [c.entry.path for c in changes if c.entry.validate == name and not c.entry.directory]
        going = [gone.path for gone in leaving if gone.validate == name]
        arguments = validator.command(coming, going)
        if not arguments:
            return False
        program = shutil.which(validator.program, path=SEARCH_PATH)
        absent = validator.program if program is None else self._absent_root(validator, changes)
        if absent is not None or program is None:
            if not self._check_mode:
                raise HostError(f"{name}: cannot judge the new files, {absent} is not there; nothing was changed")
            self.notes.append(f"{name}: not validated, {absent} is not there yet")
            return False
        base = self._root + "/run/quorum.hardening"
        os.makedirs(base, mode=0o700, exist_ok=True)
        for stale in glob.glob(f"{base}/stage-*"):
            # A run that was killed may have left secrets there.
            shutil.rmtree(stale, ignore_errors=True)
        stage = tempfile.mkdtemp(prefix="stage-", dir=base)
        try:
            view = self._lay_out(validator, stage, changes, leaving)
            outcome = self._runner(view.command(validator, program, arguments), timeout=PATIENCE)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
            # The lock may live there.
            with contextlib.suppress(OSError):
                os.rmdir(base)
        if outcome.code == 0:
            return True
        words = (outcome.words or f"exit code {outcome.code}").replace(stage, "(stage)")
        if self._check_mode and any(sign in words for sign in NOT_THERE_YET):
            self.notes.append(f"{name}: not validated, something is not there yet: {words}")
            return False
        raise HostError(f"{name} refuses the new files ({', '.join([*coming, *going])}); nothing was changed: {words}")

    def _absent_root(self, validator: Validator, changes: Sequence[Change]) -> str | None:
        """What the daemon reads and is not there; a file that comes is no loss: somebody may have deleted it."""
        coming = {change.entry.path for change in changes}
        missing = (root for root in validator.roots if not os.path.exists(self._root + root))
        return next((root for root in missing if root not in coming), None)

    def _lay_out(self, validator: Validator, stage: str, changes: Sequence[Change], leaving: Sequence[Leaving]) -> View:
        """Copies of all roots with the changes laid over, and the changes elsewhere that a daemon may read, too."""
        view = View()
        roots = [root for root in validator.roots if os.path.exists(self._root + root)]
        for number, root in enumerate(roots):
            copy = f"{stage}/{number}"
            outcome = self._runner(["cp", "-a", "--", self._root + root, copy])
            if outcome.code != 0:
                raise HostError(f"{root}: cannot be copied to the stage: {outcome.words}")
            for change in changes:
                if below(change.entry.path, root):
                    self._lay(change, copy + change.entry.path[len(root) :])
            for gone in leaving:
                if gone.path.startswith(root + "/"):
                    self._leave(gone, copy + gone.path[len(root) :])
            view.copies.append((copy, root))
        files = [c for c in changes if not c.entry.directory]
        elsewhere = [c for c in files if not any(below(c.entry.path, root) for root in roots)]
        for number, change in enumerate(elsewhere):
            # A certificate or a password file, say: the new one counts.
            if change.seen.kind == "file":
                self._lay(change, f"{stage}/file-{number}")
                view.copies.append((f"{stage}/file-{number}", change.entry.path))
        new = [change for change in elsewhere if change.seen.kind == "absent"]
        for number, anchor in enumerate(self._anchors([change.entry.path for change in new])):
            upper, work = f"{stage}/new-{number}", f"{stage}/work-{number}"
            os.mkdir(work)
            shutil.copytree(self._root + anchor, upper, ignore=_everything)
            for change in new:
                if change.entry.path.startswith(anchor + "/"):
                    self._lay(change, upper + change.entry.path[len(anchor) :])
            view.additions.append((upper, work, anchor))
        return view

    def _anchors(self, paths: Sequence[str]) -> list[str]:
        """The existing directories nearest above new files, none of them below another."""
        found = set()
        for path in paths:
            folder = os.path.dirname(path)
            while not os.path.isdir(self._root + folder):
                folder = os.path.dirname(folder)
            found.add(folder)
        # Nothing can be mounted over the root itself.
        found.discard("/")
        return [one for one in sorted(found) if not any(one.startswith(other + "/") for other in found)]

    @staticmethod
    def _leave(gone: Leaving, place: str) -> None:
        _remove_if_there(place)
        if gone.first.kind == "link":
            os.symlink(gone.first.target, place)
        if gone.first.kind == "file":
            with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(gone.first.content)
            os.chown(place, gone.first.uid, gone.first.gid)
            os.chmod(place, gone.first.mode)

    def _lay(self, change: Change, place: str) -> None:
        entry = change.entry
        if entry.directory:
            os.makedirs(place, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
            _remove_if_there(place)
            with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(entry.content)
        uid, gid = self._names.user(entry.owner), self._names.group(entry.group)
        if uid is not None and gid is not None:
            os.chown(place, uid, gid)
        os.chmod(place, entry.mode)


def _everything(_folder: str, names: list[str]) -> list[str]:
    """For a copy of a directory itself, its mode included, without anything in it."""
    return names


def _remove_if_there(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
