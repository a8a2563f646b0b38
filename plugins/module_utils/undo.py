# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The undo: a change that can lock the administrator out is taken back by the host itself unless it is confirmed.

``arm`` before the change, ``settle`` once it is live, ``disarm`` over a connection made since. While armed there is a
service that is enabled, so that a reboot fires it at once, and a timer that fires it after the given seconds; both need
nothing but the host. What fires is :mod:`undo_restore`, installed as a program of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import undo_restore
from ansible_collections.quorum.hardening.plugins.module_utils.undo_restore import (
    HOST,
    Place,
    clock,
    forget,
    locked,
    make_directories,
    now,
    read_json,
    sync_directory,
    write_durable,
    write_json,
)

SECONDS = range(1, 3601)

# What makes restored files effective, for the undos that the collection knows by name. sshd is started anew: a daemon
# that reads its files again keeps the bounds that systemd put it in, and a killed one has to come up. Sessions stay.
COMMANDS: dict[str, list[list[str]]] = {
    "sshd": [["systemctl", "daemon-reload"], ["systemctl", "restart", "ssh.service"]],
}

SERVICE = """\
# Written by quorum.hardening.
[Unit]
Description=Take back an unconfirmed change (%i)
DefaultDependencies=no
RequiresMountsFor=/var/lib/quorum.hardening {program}
After=local-fs.target systemd-remount-fs.service
# At boot the files are back before anything reads them: sshd, the packet filter, logins.
Before=sysinit.target network-pre.target quorum-firewall.service nftables.service ssh.service ssh.socket shutdown.target
Conflicts=shutdown.target
ConditionPathExists=/var/lib/quorum.hardening/undo/%i/armed
# However often it was needed, it must not be refused.
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={program} fire %i
TimeoutStartSec=120
Restart=on-failure
RestartSec=5

[Install]
WantedBy=sysinit.target
"""

TIMER = """\
# Written by quorum.hardening. The seconds come from a drop-in of the instance.
[Unit]
Description=Time left to confirm a change (%i)
# It comes before its service, which comes before sysinit.target: so not after that one.
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
StartLimitIntervalSec=0

[Timer]
OnActiveSec=45
AccuracySec=100ms
"""


class UndoError(Exception):
    """The undo could not be armed or disarmed; the message says why. Then the change must not be made."""


def _check(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        raise UndoError(f"{name!r} is no name of an undo: lower case letters, digits and underscores, at most 32")


def _differs(path: str, content: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() != content
    except FileNotFoundError:
        return True


def program() -> bytes:
    """Text of the restoring program as it is installed on the host."""
    loader: Any = undo_restore.__loader__
    # Asked of the loader and not of a file: an Ansible module runs from a zip archive.
    return b"#!/usr/bin/python3 -I\n" + str(loader.get_source(undo_restore.__name__)).encode()


def _install(place: Place) -> None:
    """Put the program and the unit files in place; nothing is written that is already so."""
    for path, content, mode in (
        (place.program, program(), 0o755),
        (os.path.join(place.units, "quorum-undo@.service"), SERVICE.format(program=place.program).encode(), 0o644),
        (os.path.join(place.units, "quorum-undo@.timer"), TIMER.encode(), 0o644),
    ):
        if _differs(path, content):
            write_durable(path, content, mode)
    # The directory above may let a group through to the results of the audit.
    make_directories(place.state, 0o700)
    os.chmod(place.state, 0o700)


def _save(path: str, saved: str, number: int) -> dict[str, Any]:
    """Copy the present state of ``path`` into the directory ``saved``; gives the plan's entry for it."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "kind": "absent"}
    entry: dict[str, Any] = {"path": path, "mode": stat.S_IMODE(status.st_mode)}
    entry.update(uid=status.st_uid, gid=status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return {**entry, "kind": "link", "target": os.readlink(path)}
    if not stat.S_ISREG(status.st_mode):
        raise UndoError(f"{path} is neither a file nor a symbolic link: the undo cannot save it")
    copy = f"{number:04d}"
    with open(path, "rb") as file:
        write_durable(os.path.join(saved, copy), file.read(), 0o600)
    return {**entry, "kind": "file", "copy": copy}


def _patient(argv: Sequence[str]) -> list[str]:
    """A systemctl command that does not wait: the service runs before the units it acts on, a wait would lock up."""
    words = list(argv)
    if words and os.path.basename(words[0]) == "systemctl" and words[1:] != ["daemon-reload"]:
        words[1:1] = [] if "--no-block" in words else ["--no-block"]
    return words


def _start(place: Place, name: str, seconds: int) -> None:
    """Enable the service for the next boot and start the timer. Raises UndoError when the timer does not run."""
    seconds_file = os.path.join(place.drop_in(name), "seconds.conf")
    write_durable(seconds_file, f"[Timer]\nOnActiveSec=\nOnActiveSec={seconds}\n".encode(), 0o644)
    link = place.wanted(name)
    make_directories(os.path.dirname(link))
    if not os.path.islink(link):
        os.symlink(os.path.join(place.units, "quorum-undo@.service"), link)
    sync_directory(os.path.dirname(link))
    sync_directory(place.units)
    timer = f"quorum-undo@{name}.timer"
    for argv in (["daemon-reload"], ["restart", timer], ["--quiet", "is-active", timer]):
        code, output = place.run(["systemctl", *argv])
        if code != 0:
            raise UndoError(f"the undo {name} cannot be armed: systemctl {' '.join(argv)}: {output or code}")


def arm(
    name: str,
    paths: Sequence[str],
    commands: Sequence[Sequence[str]] | None = None,
    seconds: int = 45,
    *,
    files: Mapping[str, str] | None = None,
    place: Place = HOST,
) -> dict[str, Any]:
    """Save the present state of ``paths`` and have the host restore it in ``seconds``, or at the next boot.

    ``commands`` are argument lists run after the files are back (default: those of :data:`COMMANDS`); ``files`` are
    further texts kept in ``place.directory(name)`` for these commands to read. All is durable when this returns; only
    then the change may be made. Armed already, the oldest saved state stays, what is new is added, and the time begins
    anew. Gives ``{name, extended, seconds, armed_at, paths}``; raises UndoError or OSError.
    """
    _check(name)
    if seconds not in SECONDS:
        raise UndoError(f"an undo after {seconds} seconds is out of range: {SECONDS[0]} to {SECONDS[-1]}")
    _install(place)
    directory = place.directory(name)
    with locked(place, name):
        extended = os.path.exists(place.marker(name))
        plan = read_json(os.path.join(directory, "plan.json")) if extended else None
        if plan is None:
            shutil.rmtree(directory, ignore_errors=True)
            plan = {"name": name, "armed_at": now(), "boot": place.boot(), "entries": [], "commands": [], "files": []}
        saved = os.path.join(directory, "saved")
        make_directories(saved, 0o700)
        known = {entry["path"] for entry in plan["entries"]}
        for path in dict.fromkeys(paths):
            if path not in known:
                plan["entries"].append(_save(path, saved, len(plan["entries"])))
        for argv in map(_patient, COMMANDS.get(name, []) if commands is None else commands):
            if argv not in plan["commands"]:
                plan["commands"].append(argv)
        for file, text in (files or {}).items():
            if file not in plan["files"]:
                write_durable(os.path.join(directory, file), text.encode(), 0o600)
                plan["files"].append(file)
        moment = clock()
        plan.update(since=moment, deadline=moment + seconds, seconds=seconds)
        write_json(os.path.join(directory, "plan.json"), plan)
        for folder in (saved, directory, place.state, os.path.dirname(place.state)):
            sync_directory(folder)
        write_durable(place.marker(name), b"", 0o600)
        try:
            _start(place, name, seconds)
        except BaseException:
            if not extended:
                forget(place, name)
            raise
        return {
            "name": name,
            "extended": extended,
            "seconds": seconds,
            "armed_at": plan["armed_at"],
            "paths": [entry["path"] for entry in plan["entries"]],
        }


def settle(name: str, place: Place = HOST) -> None:
    """Note that the change is live now: only a connection made after this moment proves anything. No-op if unarmed."""
    _check(name)
    if not os.path.exists(place.marker(name)):
        return
    with locked(place, name):
        plan = read_json(os.path.join(place.directory(name), "plan.json"))
        if plan is not None:
            plan["since"] = clock()
            write_json(os.path.join(place.directory(name), "plan.json"), plan)


def disarm(name: str, place: Place = HOST) -> bool:
    """Confirm the change: forget the saved state and whatever fired before. Gives whether it was armed.

    Raises UndoError where the undo has fired since it was armed: then the change is not there any more.
    """
    _check(name)
    if not os.path.isdir(place.directory(name)):
        return False
    with locked(place, name):
        if not os.path.exists(place.marker(name)):
            fired = read_json(os.path.join(place.directory(name), "fired.json"))
            if fired is not None:
                raise UndoError(
                    f"the undo {name} fired at {fired['fired_at']} ({fired['reason']}): the change is taken back,"
                    " the host is in its last good state"
                )
            return False
        forget(place, name)
        shutil.rmtree(place.directory(name), ignore_errors=True)
        return True


def acknowledge(name: str, place: Place = HOST) -> bool:
    """Drop the record of an undo that fired; gives whether there was one."""
    _check(name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(place.directory(name), "fired.json"))
        return True
    return False


def status(place: Place = HOST) -> list[dict[str, Any]]:
    """Every undo that is armed or has fired, by name.

    ``{name, armed, armed_at, since, seconds_left, paths, fired}``; ``since`` and ``seconds_left`` in seconds (None when
    not armed), ``fired`` the record ``{name, armed_at, fired_at, reason: timer|boot, paths, problems}`` or None.
    """
    result = []
    try:
        names = sorted(name for name in os.listdir(place.state) if not name.startswith("."))
    except FileNotFoundError:
        return []
    for name in names:
        plan = read_json(os.path.join(place.directory(name), "plan.json"))
        fired = read_json(os.path.join(place.directory(name), "fired.json"))
        armed = plan is not None and os.path.exists(place.marker(name))
        if plan is None or not (armed or fired):
            continue
        row = {"name": name, "armed": armed, "armed_at": plan["armed_at"], "fired": fired}
        row["since"] = plan["since"] if armed else None
        row["seconds_left"] = round(max(0.0, plan["deadline"] - clock()), 1) if armed else None
        row["paths"] = [entry["path"] for entry in plan["entries"]]
        result.append(row)
    return result


def undone(place: Place = HOST) -> list[dict[str, Any]]:
    """The records of the undos that fired and have not been followed by a confirmed change."""
    return [row["fired"] for row in status(place) if row["fired"] is not None]
