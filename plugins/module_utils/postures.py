# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live state of a host that no file holds: what differs from the wish, and the steps that put it right."""

from __future__ import annotations

import errno
import glob
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from . import mounts
from .commands import HostError, Runner, must
from .first_process import MOUNTINFO, PATIENCE, seen, through
from .ground import Names
from .kernel import encrypted, loaded, parameter_pattern, swap_areas
from .mounts import Walked

#: Writes texts (of a JSON object on standard input, path to text) and says which path refused with which error number.
WRITER = """
import json, sys
refused = {}
for path, text in json.load(sys.stdin).items():
    try:
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as problem:
        refused[path] = problem.errno
print(json.dumps(refused))
"""
OVERRIDE = ("dpkg-statoverride", "--force-statoverride-add", "--add")


@dataclass(frozen=True)
class Difference:
    """What differs from the wish, and the state before and after."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Step(Difference):
    """One thing to put right, and what does it."""

    do: Callable[[], None]


@dataclass
class Plan:
    """Parameters with the file of each, steps in the order of doing, and what cannot be had here, with the reason."""

    parameters: list[tuple[str, Difference]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    lacking: dict[str, str] = field(default_factory=dict)

    @property
    def differences(self) -> list[Difference]:
        return [*(one for _file, one in self.parameters), *self.steps]

    def add(self, what: str, before: str, after: str, do: Callable[[], None]) -> None:
        """Append one step."""
        self.steps.append(Step(what, before, after, do))


class Posture:
    """One host below a root directory; each method adds to :attr:`plan` and changes nothing."""

    def __init__(self, runner: Runner, root: str = "") -> None:
        self.plan = Plan()
        self._run = runner
        self._root = root.rstrip("/")

    def _text(self, path: str) -> str:
        try:
            with open(self._root + path, encoding="utf-8", errors="replace") as handle:
                return handle.read()
        except OSError:
            return ""

    def parameters(self, wanted: Mapping[str, str]) -> None:
        """Kernel parameters by name; a star stands for every interface."""
        base = f"{self._root}/proc/sys/"
        for name, value in wanted.items():
            paths = sorted(glob.glob(base + parameter_pattern(name)))
            if not paths:
                self.plan.lacking[name] = "this kernel does not have it"
            for path in paths:
                self._parameter(path[len(base) :].replace("/", "."), path, str(value))

    def _parameter(self, name: str, path: str, value: str) -> None:
        try:
            with open(path, encoding="utf-8") as handle:
                before = " ".join(handle.read().split())
        except OSError as problem:
            self.plan.lacking[name] = f"cannot be read: {problem.strerror}"
            return
        if before == " ".join(value.split()):
            return
        if not os.access(seen(path[len(self._root) :], self._root), os.W_OK):
            self.plan.lacking[name] = "read-only here"
            return
        self.plan.parameters.append((path, Difference(name, before, value)))

    def _write_parameters(self) -> None:
        wanted = dict(self.plan.parameters)
        if not wanted:
            return
        command = through([sys.executable or "/usr/bin/python3", "-I", "-c", WRITER], self._root)
        done = must(self._run, command, json.dumps({path: one.after for path, one in wanted.items()}), PATIENCE)
        for path, number in json.loads(done.out).items():
            one = wanted[path]
            if number not in (errno.EPERM, errno.EACCES, errno.EROFS):
                raise HostError(f"{one.what} = {one.after}: {os.strerror(number)}")
            self.plan.lacking[one.what] = "the kernel does not let it be changed until the next boot"

    def modules(self, unwanted: Iterable[str]) -> None:
        """Unload what is loaded and not in use; what is in use is said."""
        there, gone = loaded(self._text("/proc/modules")), set(unwanted)
        for name in sorted(gone & set(there)):
            if there[name]:
                self.plan.lacking[f"module {name}"] = f"in use {there[name]} times, so it stays until the next boot"
            else:
                self._step(f"module {name}", "loaded", "unloaded", ["rmmod", "--", name])

    def _step(self, what: str, before: str, after: str, command: Sequence[str]) -> None:
        self.plan.add(what, before, after, lambda: self._do(command))

    def _do(self, command: Sequence[str]) -> None:
        must(self._run, through(command, self._root), timeout=PATIENCE)

    def mounts(self, wanted: Mapping[str, Sequence[str]], bound: Iterable[str] = ()) -> None:
        """Add options to mounts. Of paths that are no mount, those in ``bound`` become one, the others are not touched.

        A directory bound onto itself keeps its content and every file that is open in it: a new file system there would
        hide the files of running programs, this very one among them.
        """
        table, own = mounts.parse(self._text(MOUNTINFO)), set(bound)
        for path, options in wanted.items():
            if path not in table and path in own and os.path.isdir(self._root + path):
                self.plan.add(f"mount {path}", "no mount", ",".join(["bind", *options]), self._binder(path, options))
                continue
            if path not in table:
                self.plan.lacking[f"mount {path}"] = "is no mount on this host"
                continue
            lacking = mounts.lacking(table[path], options)
            if lacking:
                before = ",".join(sorted(table[path].options))
                after = ",".join(sorted({*table[path].options, *lacking}))
                self._step(f"mount {path}", before, after, mounts.remount(path, lacking))

    def _binder(self, path: str, options: Sequence[str]) -> Callable[[], None]:
        def bind() -> None:
            self._do(["mount", "--bind", "--", path, path])
            self._do(mounts.remount(path, options))

        return bind

    def paths(self, wanted: Iterable[Mapping[str, str]], names: Names) -> None:
        """Owner, group and widest mode of what is there; a tighter mode is left alone.

        Without a group it is somebody's home: that group stays, and what is another's already is not given away.
        """
        for row in wanted:
            path, uid = row["path"], names.user(row["owner"])
            try:
                seen = os.lstat(self._root + path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            gid = names.group(row["group"]) if row.get("group") else seen.st_gid
            if uid is None or gid is None:
                self.plan.lacking[path] = f"there is no {row['owner']}:{row.get('group') or ''} on this host"
                continue
            if stat.S_ISLNK(seen.st_mode):
                self.plan.lacking[path] = "is a symbolic link"
                continue
            if not row.get("group") and seen.st_uid != uid:
                self.plan.lacking[path] = f"belongs to {names.of(seen.st_uid, seen.st_gid)} and not to {row['owner']}"
                continue
            mode = stat.S_IMODE(seen.st_mode)
            after = mode & int(row["mode"], 8)
            if (mode, seen.st_uid, seen.st_gid) != (after, uid, gid):
                before = f"{names.of(seen.st_uid, seen.st_gid)} {mode:04o}"
                self.plan.add(path, before, f"{names.of(uid, gid)} {after:04o}", self._setter(path, after, uid, gid))

    def _setter(self, path: str, mode: int, uid: int, gid: int) -> Callable[[], None]:
        def change() -> None:
            target = -1
            try:
                target = os.open(self._root + path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
                os.fchown(target, uid, gid)
                # Last: a change of owner takes bits away.
                os.fchmod(target, mode)
            except OSError as problem:
                raise HostError(f"{path}: {problem.strerror}") from problem
            finally:
                if target >= 0:
                    os.close(target)

        return change

    def privileged(self, allowed: Iterable[str]) -> None:
        """Take the setuid and setgid bits from all programs but the allowed ones, for packages' next versions too."""
        table = mounts.parse(self._text(MOUNTINFO))
        starts = [self._root + start for start in mounts.roots(table)]
        kept = set(allowed)
        if not starts:
            return
        report = must(self._run, mounts.walk(starts), timeout=PATIENCE).out
        found = [one for one in mounts.walked(report) if one.privileged]
        strange = [one for one in found if one.path[len(self._root) :] not in kept]
        owned = self._packaged([one.path[len(self._root) :] for one in strange])
        for one in strange:
            path = one.path[len(self._root) :]
            after = one.mode & ~0o6000
            self.plan.add(path, f"{one.mode:04o}", f"{after:04o}", self._strip(path, after, owned.get(path, ""), one))

    def _packaged(self, paths: Sequence[str]) -> dict[str, str]:
        """Path -> the path by which dpkg knows it, for those that belong to a package."""
        if not paths:
            return {}
        # Where /bin is a link into /usr, a package may still name the file by its old place.
        other = {path: path[len("/usr") :] for path in paths if path.startswith("/usr/")}
        known = self._run(["dpkg-query", "--search", *paths, *other.values()], timeout=60).out
        names = {line.partition(": ")[2] for line in known.splitlines()}
        found = {path: old for path, old in other.items() if old in names}
        return {**found, **{path: path for path in paths if path in names}}

    def _strip(self, path: str, mode: int, package_path: str, one: Walked) -> Callable[[], None]:
        def strip() -> None:
            if package_path:
                listed = self._run(["dpkg-statoverride", "--list", package_path], timeout=60)
                if listed.code == 0:
                    must(self._run, ["dpkg-statoverride", "--remove", package_path], timeout=60)
                owner, _colon, group = Names().of(one.uid, one.gid).partition(":")
                must(self._run, [*OVERRIDE, owner, group, f"{mode:04o}", package_path], timeout=60)
            self._setter(path, mode, one.uid, one.gid)()

        return strip

    def swap(self, policy: str) -> None:
        """Take swap areas out of use: all on disks (off), or those that are not encrypted (encrypted)."""
        areas = swap_areas(self._text("/proc/swaps"))
        free = next(
            (int(line.split()[1]) for line in self._text("/proc/meminfo").splitlines() if line.startswith("MemAvail")),
            0,
        )
        for area, used in areas.items():
            if policy == "encrypted" and encrypted(area, self._root):
                continue
            if used >= free:
                self.plan.lacking[f"swap {area}"] = f"{used} KiB in use do not fit into the {free} KiB of free memory"
                continue
            self._step(f"swap {area}", "in use", "off", ["swapoff", "--", area])

    def carry_out(self) -> None:
        """Do all steps.

        :raises HostError: names the step that failed; what was done before it stays done.
        """
        self._write_parameters()
        for step in self.plan.steps:
            try:
                step.do()
            except OSError as problem:
                raise HostError(f"{step.what}: {problem.strerror}") from problem
