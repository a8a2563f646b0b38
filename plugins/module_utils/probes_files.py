# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of what lies on a host: mounts, modes, privileged programs, packages, masked units."""

from __future__ import annotations

from collections.abc import Callable

from . import mounts
from .first_process import MOUNTINFO
from .probing import Args, Observation, Unreadable
from .system import System


def _table(system: System) -> dict[str, mounts.Mount]:
    text = system.read(MOUNTINFO)
    if text is None:
        raise Unreadable(f"{MOUNTINFO} is not there")
    return mounts.parse(text)


def _number(system: System) -> Callable[[str], str]:
    """Number of a group by its name, as this host has it."""
    rows = (line.split(":") for line in (system.read("/etc/group") or "").splitlines())
    numbers = {row[0]: row[2] for row in rows if len(row) > 2}
    return lambda name: numbers.get(name, name)


def mount_options(args: Args, system: System) -> Observation:
    """Options that mounts lack. args: mounts (path -> options), mounted (paths that must be mounts).

    found: sorted "path lacks option" and "path is no mount".
    """
    table, number = _table(system), _number(system)
    wrong = [f"{path} is no mount" for path in args["mounted"] if path not in table]
    for path, options in args["mounts"].items():
        if path in table:
            wrong += [f"{path} lacks {option}" for option in mounts.lacking(table[path], options, number)]
    return Observation(sorted(wrong), MOUNTINFO)


def loose_paths(args: Args, system: System) -> Observation:
    """Files and directories of another owner, or open wider than they may be. args: paths ({path, owner, group, mode}).

    Where no group is named, any will do.
    found: sorted "path is mode owner:group, at most mode owner:group", of those that are there.
    """
    number = _number(system)
    wrong = []
    for row in args["paths"]:
        seen = system.stat(row["path"])
        if seen is None:
            continue
        owner, group, most = system.user(seen.uid), row.get("group") or str(seen.gid), int(row["mode"], 8)
        if owner != row["owner"] or str(seen.gid) != number(group) or seen.mode & ~most:
            at_most = f"at most {row['mode']} {row['owner']}:{group}"
            wrong.append(f"{row['path']} is {seen.mode:04o} {owner}:{seen.gid}, {at_most}")
    return Observation(sorted(wrong), "the modes of the files themselves")


def _numbers(system: System, book: str) -> set[int]:
    """Numbers of all users (or groups) that this host names."""
    rows = (line.split(":") for line in (system.read(book) or "").splitlines())
    found = {int(row[2]) for row in rows if len(row) > 2 and row[2].isdigit()}
    if not found:
        raise Unreadable(f"{book} names nobody")
    return found


def _walk(system: System) -> list[mounts.Walked]:
    """All that stands out on the local file systems; the walk is made once for an audit."""
    starts = mounts.roots(_table(system))
    if not starts:
        raise Unreadable("no local file system is mounted")
    done = system.run(mounts.walk(starts, _numbers(system, "/etc/passwd"), _numbers(system, "/etc/group")))
    # A file that goes while it is looked at makes find complain and is no reason not to believe the rest.
    if done.code not in (0, 1):
        raise Unreadable(f"find: {done.err.strip() or done.code}")
    return mounts.walked(done.out)


def privileged_programs(args: Args, system: System) -> Observation:
    """Programs that make their caller somebody else. args: allowed (paths). found: sorted "mode path" of all others."""
    allowed = set(args["allowed"])
    strange = [one for one in _walk(system) if one.privileged and one.path not in allowed]
    return Observation([f"{one.mode:04o} {one.path}" for one in strange], "find on all local file systems")


def open_files(_args: Args, system: System) -> Observation:
    """What everybody may write to, or nobody owns. found: paths by name, 20 at most."""
    users, groups = _numbers(system, "/etc/passwd"), _numbers(system, "/etc/group")
    # A privileged program that has an owner, and only this, is the business of another probe.
    strange = [one.path for one in _walk(system) if not (one.harmless and one.uid in users and one.gid in groups)]
    more = [f"and {len(strange) - 20} more"] if len(strange) > 20 else []
    return Observation([*strange[:20], *more], "find on all local file systems")


def installed_packages(args: Args, system: System) -> Observation:
    """Which of some packages are installed. args: packages. found: sorted names."""
    done = system.run(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *args["packages"]])
    # 1 says that it does not know some of the names, as it should be.
    if done.code not in (0, 1):
        raise Unreadable(f"dpkg-query: {done.err.strip() or done.code}")
    rows = (line.split() for line in done.out.splitlines())
    return Observation(sorted(row[0] for row in rows if row[1:] == ["installed"]), "dpkg-query")


def unmasked_units(args: Args, system: System) -> Observation:
    """Which of some units could be started. args: units. found: sorted names of those that are not masked for good.

    A mask is a link to nothing (or an empty file) in the place that systemd looks into first.
    """
    folder = "/etc/systemd/system"
    return Observation(sorted(u for u in args["units"] if system.read(f"{folder}/{u}") != ""), folder)


PROBES = {
    "mount_options": mount_options,
    "loose_paths": loose_paths,
    "privileged_programs": privileged_programs,
    "open_files": open_files,
    "installed_packages": installed_packages,
    "unmasked_units": unmasked_units,
}
