# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a probe may touch of the machine, read-only and in one place.

Probes get a :class:`System` and nothing else, so that unit tests hand them a fake and a reader sees at a glance that
nothing here can change a host.
"""

from __future__ import annotations

import itertools
import os
import signal
import stat as stat_module
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from . import first_process
from .probing import Absent, Unreadable

if TYPE_CHECKING:
    from types import ModuleType

    from .wire import TlsOutcome

PIECE, MAX_PIECES = 64 * 1024, 64
TCP_LISTEN = "0A"
UDP_UNCONNECTED = "07"
#: Units that most audits ask about; they are read in one go, for each call of systemctl takes as long as ten units.
TOGETHER = (
    "ssh.service",
    "user.slice",
    "nftables.service",
    "quorum-aide.timer",
    "quorum-firewall.service",
    "quorum-patch.timer",
)


def _wire() -> ModuleType:
    """What speaks over sockets; it brings TLS, which is slow to load and of which most hosts ask nothing."""
    return import_module(".wire", __package__)


@dataclass(frozen=True)
class FileStat:
    """``mode`` holds the permission bits only; ``kind`` is file, directory, link or other;
    ``mtime`` is in seconds since 1970."""

    mode: int
    uid: int
    gid: int
    kind: str
    size: int
    mtime: float = 0.0


@dataclass(frozen=True)
class Completed:
    """A finished command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Process:
    """A running program: ``name`` is the base name of its executable (its comm when that cannot be read)."""

    pid: int
    name: str
    argv: tuple[str, ...]
    uid: int


@dataclass(frozen=True)
class Listener:
    """A socket that waits for packets from others: tcp in LISTEN, or udp without a peer."""

    proto: str
    address: str
    port: int
    inode: int = 0


def hex_address(text: str) -> str:
    """Address of a /proc/net line (little-endian words, hex) in its usual notation."""
    raw = b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8))
    return str(IPv4Address(raw)) if len(raw) == 4 else str(IPv6Address(raw))


def unit_properties(text: str) -> list[dict[str, str]]:
    """The answer of ``systemctl show``, one mapping for each unit; a property that is a list has a line for each."""
    units = []
    for block in text.strip("\n").split("\n\n"):
        shown: dict[str, str] = {}
        for name, equals, value in (line.partition("=") for line in block.splitlines()):
            if equals:
                shown[name] = f"{shown[name]}\n{value}" if name in shown else value
        units.append(shown)
    return units


class System:
    """The live machine. Expensive readings are kept for the life of the object (one audit call)."""

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")
        self._commands: dict[tuple[str, ...], Completed] = {}
        self._processes: list[Process] | None = None

    def _path(self, path: str) -> str:
        return self._root + path

    def stat(self, path: str) -> FileStat | None:
        """Facts of the path itself (links are not followed); None when there is nothing."""
        try:
            seen = os.lstat(self._path(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise Unreadable(f"{path}: {problem.strerror}") from problem
        kinds = ((stat_module.S_ISREG, "file"), (stat_module.S_ISDIR, "directory"), (stat_module.S_ISLNK, "link"))
        kind = next((name for test, name in kinds if test(seen.st_mode)), "other")
        return FileStat(stat_module.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid, kind, seen.st_size, seen.st_mtime)

    def read(self, path: str) -> str | None:
        """Text of a file; None when it is not there; Unreadable when it is there and cannot be read."""
        try:
            with open(self._path(path), "rb") as handle:
                # In pieces: the kernel refuses to fill a large buffer from /proc/sys in one go.
                pieces = iter(lambda: handle.read(PIECE), b"")
                return b"".join(itertools.islice(pieces, MAX_PIECES)).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise Unreadable(f"{path}: {problem.strerror}") from problem

    def listdir(self, path: str) -> list[str] | None:
        """Sorted names in a directory; None when it is not there."""
        try:
            return sorted(os.listdir(self._path(path)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise Unreadable(f"{path}: {problem.strerror}") from problem

    def writable(self, path: str) -> bool:
        """Whether a path of /proc or /sys can be written to on this machine, as its first process sees it."""
        return os.access(first_process.seen(path, self._root), os.W_OK)

    def user(self, uid: int) -> str:
        """Name of a user id as in /etc/passwd; the number as text when it has none."""
        for line in (self.read("/etc/passwd") or "").splitlines():
            fields = line.split(":")
            if len(fields) > 2 and fields[2] == str(uid):
                return fields[0]
        return str(uid)

    def run(self, argv: Sequence[str], stdin: str = "") -> Completed:
        """Run a reading command in the C locale, once per audit; exit code 127 when the program is not there.

        The child has its own process group: when the time limit strikes, all of it is ended.
        """
        key = (*argv, stdin)
        if key not in self._commands:
            self._commands[key] = self._run(argv, stdin)
        return self._commands[key]

    def unit(self, name: str, together: Sequence[str] = TOGETHER) -> dict[str, str]:
        """Properties of a unit, all that systemd shows, as they were when the audit first asked.

        Raises Absent where there is no such unit, Unreadable where systemd does not answer.
        """
        asked = list(together) if name in together else [name]
        done = self.run(["systemctl", "show", "--no-pager", "--", *asked])
        shown = unit_properties(done.out)
        if done.code != 0 or len(shown) != len(asked):
            raise Unreadable(f"systemctl show {name}: {done.err.strip() or done.code}")
        properties = shown[asked.index(name)]
        if properties.get("LoadState") == "not-found":
            raise Absent(f"there is no unit {name}")
        return properties

    def _run(self, argv: Sequence[str], stdin: str) -> Completed:
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        try:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                env={"LC_ALL": "C", "PATH": path},
            )
        except FileNotFoundError:
            return Completed(127, "", f"{argv[0]}: not found")
        except OSError as problem:
            raise Unreadable(f"{argv[0]}: {problem.strerror}") from problem
        try:
            out, err = child.communicate(stdin)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        return Completed(child.returncode, out, err)

    def processes(self) -> list[Process]:
        """All user-space programs that run now (a kernel thread has no command line)."""
        if self._processes is None:
            seen = (self._process(name) for name in self.listdir("/proc") or [] if name.isdigit())
            self._processes = [process for process in seen if process is not None]
        return self._processes

    def _process(self, pid: str) -> Process | None:
        base = self._path(f"/proc/{pid}")
        try:
            with open(f"{base}/cmdline", "rb") as handle:
                argv = tuple(part.decode("utf-8", "replace") for part in handle.read().split(b"\0") if part)
            if not argv:
                return None
            uid = os.stat(base).st_uid
            try:
                # A deleted executable (after an upgrade) still names the program that runs.
                name = os.path.basename(os.readlink(f"{base}/exe")).replace(" (deleted)", "")
            except OSError:
                with open(f"{base}/comm", encoding="utf-8", errors="replace") as handle:
                    name = handle.read().strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return Process(int(pid), name, argv, uid)

    def listeners(self) -> list[Listener]:
        """All listening tcp and udp sockets of this network namespace."""
        found: list[Listener] = []
        for table in ("tcp", "tcp6", "udp", "udp6"):
            text = self.read(f"/proc/net/{table}")
            if text is None:
                continue
            wanted = TCP_LISTEN if table.startswith("tcp") else UDP_UNCONNECTED
            for line in text.splitlines()[1:]:
                fields = line.split()
                if len(fields) > 9 and fields[3] == wanted:
                    address, port = fields[1].rsplit(":", 1)
                    found.append(Listener(table[:3], hex_address(address), int(port, 16), int(fields[9])))
        if self.read("/proc/net/tcp") is None:
            raise Unreadable("/proc/net/tcp: not there")
        return found

    def json_rpc(self, path: str, method: str) -> Any:
        """Result of a reading JSON-RPC call over a unix socket: see :func:`wire.json_rpc`."""
        return _wire().json_rpc(self._path(path), method)

    def exchange(self, address: str, port: int, payload: bytes) -> bytes | None:
        """Answer to a plain TCP request: see :func:`wire.exchange`."""
        answer: bytes | None = _wire().exchange(address, port, payload)
        return answer

    def tls(self, address: str, port: int, maximum: str = "", authority: str = "") -> TlsOutcome:
        """A TLS handshake without a client certificate: see :func:`wire.tls_handshake`."""
        done: TlsOutcome = _wire().tls_handshake(address, port, maximum, self._path(authority) if authority else "")
        return done

    def socket_inodes(self, pid: int) -> set[int]:
        """Inodes of the sockets a process holds; Unreadable when its descriptors may not be seen."""
        base = f"/proc/{pid}/fd"
        inodes: set[int] = set()
        for name in self.listdir(base) or []:
            try:
                target = os.readlink(self._path(f"{base}/{name}"))
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(int(target[8:-1]))
        return inodes
