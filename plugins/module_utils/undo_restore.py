# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The half of the undo that acts when nobody is there: put the saved state back.

This file is installed on the host as a program of its own (``/usr/local/lib/quorum.hardening/undo``) and started by
``quorum-undo@NAME.service``, from the timer or at boot. So it uses nothing but the standard library and imports nothing
of the collection. :mod:`undo` arms and disarms; both share the helpers below.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Runner = Callable[[list[str]], "tuple[int, str]"]
"""Runs an argument list; gives its exit status and what it wrote (standard output and error together)."""

# systemd's timer may come a little early against another clock; what is earlier than this is a trigger that was
# already under way when the undo was extended.
EARLY_SECONDS = 0.5


def run_command(argv: list[str]) -> tuple[int, str]:
    """Run ``argv`` for at most 20 s with a fixed PATH. Never raises: what could not be started is status 127.

    A ``daemon-reload`` runs every generator anew, which on a slow and busy host takes longer: it has 60 s.
    """
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            argv,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60 if "daemon-reload" in argv else 20,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


@dataclass(frozen=True)
class Place:
    """Where the undo lives and what it asks of the machine; tests give their own."""

    state: str = "/var/lib/quorum.hardening/undo"
    units: str = "/etc/systemd/system"
    program: str = "/usr/local/lib/quorum.hardening/undo"
    proc: str = "/proc"
    run: Runner = run_command

    def directory(self, name: str) -> str:
        """Directory that holds the plan and the saved copies of the undo ``name``."""
        return os.path.join(self.state, name)

    def marker(self, name: str) -> str:
        """File whose existence means that the undo ``name`` is armed."""
        return os.path.join(self.state, name, "armed")

    def wanted(self, name: str) -> str:
        """Symlink that makes the undo start at boot."""
        return os.path.join(self.units, "sysinit.target.wants", f"quorum-undo@{name}.service")

    def drop_in(self, name: str) -> str:
        """Directory of the timer's drop-in, which holds the seconds."""
        return os.path.join(self.units, f"quorum-undo@{name}.timer.d")

    def boot(self) -> str:
        """Name of this boot. The start of PID 1 is part of it because a container keeps the machine's boot id."""
        with open(os.path.join(self.proc, "sys/kernel/random/boot_id"), encoding="ascii") as file:
            boot_id = file.read().strip()
        with open(os.path.join(self.proc, "1/stat"), encoding="utf-8", errors="replace") as file:
            return f"{boot_id}/{file.read().rpartition(')')[2].split()[19]}"


HOST = Place()


def clock() -> float:
    """Seconds since the machine's boot, sleep included: the clock of ``/proc/PID/stat``."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def now() -> str:
    """The present in ISO 8601, UTC."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def sync_directory(path: str) -> None:
    """Make the names in the directory ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(path: str, mode: int = 0o755) -> None:
    """Make the directory ``path`` and what is missing above it, with ``mode`` whatever the umask says."""
    if not os.path.isdir(path):
        make_directories(os.path.dirname(path), mode)
        os.mkdir(path)
        os.chmod(path, mode)


def _sweep(folder: str, name: str) -> None:
    """Remove what writers of this file that are no more left half-written beside it."""
    left = re.compile(rf"\.{re.escape(name)}\.([0-9]+)\.new\Z")
    for other in os.listdir(folder):
        found = left.match(other)
        if found and not os.path.exists(f"/proc/{found.group(1)}"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, other))


def write_durable(path: str, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace ``path`` by ``content`` atomically, durable when this returns; owner is ``(uid, gid)``."""
    folder = os.path.dirname(path)
    make_directories(folder)
    _sweep(folder, os.path.basename(path))
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_directory(folder)


@contextlib.contextmanager
def locked(place: Place, name: str) -> Iterator[None]:
    """Keep arming, disarming and firing of one undo apart."""
    descriptor = os.open(os.path.join(place.state, f".{name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def read_json(path: str) -> dict[str, Any] | None:
    """The object in the JSON file ``path``, or None where there is no such file. Raises ValueError on another shape."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        return None
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return content


def write_json(path: str, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path``, atomically, durable, for root alone."""
    write_durable(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode(), 0o600)


def restore(entry: dict[str, Any], saved: str) -> None:
    """Put one path back to its saved state.

    ``entry``: ``{path, kind: file|link|absent, copy, target, mode, uid, gid}`` as the plan holds it; ``saved``: the
    directory of the copies. Raises OSError.
    """
    path = entry["path"]
    if entry["kind"] == "absent":
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
            sync_directory(os.path.dirname(path))
        return
    if entry["kind"] == "link":
        make_directories(os.path.dirname(path))
        temporary = f"{path}.{os.getpid()}.new"
        os.symlink(entry["target"], temporary)
        os.replace(temporary, path)
        sync_directory(os.path.dirname(path))
        return
    with open(os.path.join(saved, entry["copy"]), "rb") as file:
        content = file.read()
    write_durable(path, content, entry["mode"], (entry["uid"], entry["gid"]))


def forget(place: Place, name: str) -> None:
    """Disarm: neither the timer nor the next boot fires any more. The marker goes first, so a kill here is harmless."""
    for path in (place.marker(name), place.wanted(name)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            sync_directory(os.path.dirname(path))
    shutil.rmtree(place.drop_in(name), ignore_errors=True)
    # Without waiting: called by the service itself, a wait for its own timer could be one for itself.
    place.run(["systemctl", "--no-block", "stop", f"quorum-undo@{name}.timer"])


def fire(name: str, place: Place = HOST) -> int:
    """Restore the saved state of ``name``, leave ``fired.json`` and disarm; gives the exit status.

    What fails is noted and does not hold up the rest; then the undo stays armed and the status is 1, so that systemd
    starts it again.
    """
    directory = place.directory(name)
    if not os.path.isdir(directory):
        return 0
    with locked(place, name):
        plan = read_json(os.path.join(directory, "plan.json"))
        if plan is None or not os.path.exists(place.marker(name)):
            return 0
        reason = "timer" if plan["boot"] == place.boot() else "boot"
        if reason == "timer" and clock() < plan["deadline"] - EARLY_SECONDS:
            return 0
        problems = []
        for entry in plan["entries"]:
            try:
                restore(entry, os.path.join(directory, "saved"))
            except OSError as error:
                problems.append(f"{entry['path']}: {error}")
        for argv in plan["commands"]:
            status, output = place.run(argv)
            if status != 0:
                problems.append(f"{' '.join(argv)}: exit status {status}: {output}")
        record = {
            "name": name,
            "armed_at": plan["armed_at"],
            "fired_at": now(),
            "reason": reason,
            "paths": [entry["path"] for entry in plan["entries"]],
            "problems": problems,
        }
        write_json(os.path.join(directory, "fired.json"), record)
        told = [f"undo {name}: last good state of {plan['armed_at']} restored ({reason})", *problems]
        sys.stdout.write("\n".join(told) + "\n")
        if problems:
            return 1
        forget(place, name)
        return 0


def main(argv: list[str]) -> int:
    """Entry point of the installed program: ``undo fire NAME``."""
    if len(argv) != 3 or argv[1] != "fire":
        sys.stderr.write(f"usage: {argv[0]} fire NAME\n")
        return 2
    return fire(argv[2])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
