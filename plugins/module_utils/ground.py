# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at files and replacing them without ever following a symbolic link.

Every directory on the way is opened by itself and without following links, and all work on a file is done relative to
its directory's descriptor: who owns a directory on the way cannot redirect a write of root elsewhere.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from .commands import HostError

ASIDE = ".quorum-hardening-"
STRAY = re.compile(re.escape(ASIDE) + r"[0-9a-f]{8}\Z")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Seen:
    """What is at a path: ``kind`` is absent, file, directory, link or other; ``target`` is where a link points."""

    kind: str
    content: bytes = b""
    uid: int = -1
    gid: int = -1
    mode: int = 0
    target: str = ""


class Names:
    """Users and groups by name; plain numbers are taken as they are."""

    def user(self, name: str) -> int | None:
        try:
            return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
        except KeyError:
            return None

    def group(self, name: str) -> int | None:
        try:
            return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
        except KeyError:
            return None

    def of(self, uid: int, gid: int) -> str:
        """``owner:group`` as a person reads it."""
        try:
            owner = pwd.getpwuid(uid).pw_name
        except KeyError:
            owner = str(uid)
        try:
            return f"{owner}:{grp.getgrgid(gid).gr_name}"
        except KeyError:
            return f"{owner}:{gid}"


def split(path: str) -> tuple[str, str]:
    """Directory and name of an absolute path; a trailing slash does not matter."""
    return os.path.split(path.rstrip("/"))


class Ground:
    """The host's file system below a root directory, as a context manager that keeps directories open.

    Paths are absolute, as the host sees them. All methods raise :class:`HostError` with the path and the reason.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = root
        self._open: dict[str, int] = {}

    def __enter__(self) -> Ground:
        self._open["/"] = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def directory(self, path: str) -> int | None:
        """Descriptor of a directory, None when it is not there; links on the way are refused."""
        path = path.rstrip("/") or "/"
        if path not in self._open:
            parent, name = split(path)
            above = self.directory(parent)
            if above is None:
                return None
            try:
                self._open[path] = os.open(name, _DIRECTORY, dir_fd=above)
            except FileNotFoundError:
                return None
            except OSError as problem:
                raise HostError(self._blocked(path, above, name, problem)) from problem
        return self._open[path]

    @staticmethod
    def _blocked(path: str, above: int, name: str, problem: OSError) -> str:
        if problem.errno in (errno.ELOOP, errno.ENOTDIR):
            found = os.lstat(name, dir_fd=above)
            if stat.S_ISLNK(found.st_mode):
                return f"{path} is a symbolic link to {os.readlink(name, dir_fd=above)}: name the real directory"
            return f"{path} is not a directory"
        return f"{path}: {problem.strerror}"

    def seen(self, path: str, content: bool = True) -> Seen:
        """What is at a path itself (a link is not followed)."""
        folder, name = split(path)
        above = self.directory(folder)
        if above is None:
            return Seen("absent")
        try:
            found = os.lstat(name, dir_fd=above)
        except FileNotFoundError:
            return Seen("absent")
        facts = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
        if stat.S_ISLNK(found.st_mode):
            return Seen("link", b"", *facts, target=os.readlink(name, dir_fd=above))
        if stat.S_ISDIR(found.st_mode):
            return Seen("directory", b"", *facts)
        if not stat.S_ISREG(found.st_mode):
            return Seen("other", b"", *facts)
        data = b""
        if content:
            with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above), "rb") as handle:
                data = handle.read()
        return Seen("file", data, *facts)

    def make_directory(self, path: str, uid: int, gid: int, mode: int) -> list[str]:
        """Make or correct one directory; directories above it that are missing are made for root, 0755.

        :returns: the directories that were not there, outermost first.
        """
        made: list[str] = []
        folder, name = split(path)
        if self.directory(folder) is None:
            made += self.make_directory(folder, os.geteuid(), os.getegid(), 0o755)
        above = self._present(folder)
        try:
            if self.directory(path) is None:
                os.mkdir(name, 0o700, dir_fd=above)
                made.append(path.rstrip("/"))
            own = self._present(path)
            os.fchown(own, uid, gid)
            os.fchmod(own, mode)
        except OSError as problem:
            raise HostError(f"{path}: {problem.strerror}") from problem
        return made

    def _present(self, path: str) -> int:
        found = self.directory(path)
        if found is None:
            raise HostError(f"{path}: the directory vanished meanwhile")
        return found

    def write_aside(self, path: str, content: bytes, uid: int, gid: int, mode: int) -> str:
        """Write a file next to its final place, complete with owner and mode.

        :returns: its path, for :meth:`settle`, :meth:`swap` or :meth:`remove`.
        """
        folder, name = split(path)
        above = self._present(folder)
        self._sweep(above, name)
        aside = f".{name}{ASIDE}{secrets.token_hex(4)}"
        try:
            target = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=above)
            try:
                with open(target, "wb") as handle:
                    handle.write(content)
                    handle.flush()
                    os.fchown(target, uid, gid)
                    os.fchmod(target, mode)
            except OSError:
                os.unlink(aside, dir_fd=above)
                raise
        except OSError as problem:
            raise HostError(f"{path}: {problem.strerror}") from problem
        return f"{folder.rstrip('/')}/{aside}"

    @staticmethod
    def _sweep(above: int, name: str) -> None:
        """Remove what a killed run left next to this file."""
        for other in os.listdir(above):
            if other.startswith(f".{name}{ASIDE}"):
                os.unlink(other, dir_fd=above)

    def strays(self, folders: Iterable[str]) -> list[str]:
        """What killed runs left half-written in these directories."""
        found = []
        for folder in sorted({folder.rstrip("/") for folder in folders}):
            found += [f"{folder}/{name}" for name in self.names(folder) if name.startswith(".") and STRAY.search(name)]
        return found

    def names(self, folder: str) -> list[str]:
        """Sorted names in a directory; none when it is not there."""
        above = self.directory(folder)
        return sorted(os.listdir(above)) if above is not None else []

    def settle(self, path: str) -> None:
        """Wait until a file's (or a directory's) content is on the disk."""
        folder, name = split(path)
        try:
            target = os.open(name or ".", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._present(folder))
            try:
                os.fsync(target)
            finally:
                os.close(target)
        except OSError as problem:
            raise HostError(f"{path}: {problem.strerror}") from problem

    def swap(self, aside: str, path: str) -> None:
        """Put a file written aside in its place, in one step."""
        folder, name = split(path)
        above = self._present(folder)
        try:
            os.rename(split(aside)[1], name, src_dir_fd=above, dst_dir_fd=above)
        except OSError as problem:
            raise HostError(f"{path}: {problem.strerror}") from problem

    def remove(self, path: str) -> None:
        """Remove a file or a link; it is no error when it is gone already."""
        folder, name = split(path)
        above = self.directory(folder)
        try:
            if above is not None:
                os.unlink(name, dir_fd=above)
        except FileNotFoundError:
            pass
        except OSError as problem:
            raise HostError(f"{path}: {problem.strerror}") from problem

    def link(self, path: str, target: str) -> None:
        """Make or turn a symbolic link, in one step."""
        folder, name = split(path)
        above = self._present(folder)
        self._sweep(above, name)
        aside = f".{name}{ASIDE}{secrets.token_hex(4)}"
        try:
            os.symlink(target, aside, dir_fd=above)
            os.rename(aside, name, src_dir_fd=above, dst_dir_fd=above)
        except OSError as problem:
            raise HostError(f"{path}: {problem.strerror}") from problem

    def remove_directory(self, path: str) -> bool:
        """Remove a directory if it is empty; says whether it did."""
        folder, name = split(path)
        above = self.directory(folder)
        try:
            if above is None:
                return False
            os.rmdir(name, dir_fd=above)
        except OSError:
            return False
        descriptor = self._open.pop(path.rstrip("/"), None)
        if descriptor is not None:
            os.close(descriptor)
        return True
