# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount tables: read, compared, and walked for what stands out."""

from __future__ import annotations

import grp
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

#: File systems that hold files of this host's own.
LOCAL = ("btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs")
#: Trees of others: containers' layers, and databases whose files are many and alike.
PASSED_OVER = (
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/goquorum/geth/chaindata",
    "/var/lib/goquorum/geth/lightchaindata",
    "/var/lib/postgresql",
    "/snap",
)
#: Numbers of users and groups that systemd gives to a service for as long as it runs.
DYNAMIC = (61184, 65519)
#: Options of the mount and not of the file system below it: they can be set for one place alone.
FLAGS = frozenset({"nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "ro", "nosymfollow"})
#: The kernel's older words for the same.
SYNONYMS = {"hidepid=2": "hidepid=invisible", "hidepid=1": "hidepid=noaccess", "hidepid=4": "hidepid=ptraceable"}

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/self/mountinfo``; ``options`` holds those of the mount and of its file system."""

    path: str
    device: str
    type: str
    source: str
    options: frozenset[str]


def parse(mountinfo: str) -> dict[str, Mount]:
    """The mount that is seen at each path (the last one, where several lie over each other)."""
    found = {}
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if not dash or len(fields) < 6 or len(tail) < 3:
            continue
        words = [*fields[5].split(","), *tail[2].split(",")]
        options = frozenset(SYNONYMS.get(word, word) for word in words)
        path = _ESCAPED.sub(lambda hit: chr(int(hit[1], 8)), fields[4])
        found[path] = Mount(path, fields[2], tail[0], tail[1], options)
    return found


def group_number(name: str) -> str:
    """Number of a group as text; the name itself while there is no such group."""
    try:
        return str(grp.getgrnam(name).gr_gid)
    except KeyError:
        return name


def lacking(mount: Mount, wanted: Iterable[str], number: Callable[[str], str] = group_number) -> list[str]:
    """Options that a mount does not have, in the order asked for; a group is compared by its number."""
    found = []
    for option in wanted:
        key, equals, value = option.partition("=")
        exact = f"gid={number(value)}" if key == "gid" and equals else SYNONYMS.get(option, option)
        if exact not in mount.options:
            found.append(exact)
    return found


def remount(path: str, options: Sequence[str]) -> list[str]:
    """The command that adds options to a mount and keeps those that it has."""
    kind = "remount,bind" if set(options) <= FLAGS else "remount"
    return ["mount", "-o", ",".join([kind, *options]), "--", path]


def roots(table: Mapping[str, Mount]) -> list[str]:
    """Where to begin so that each local file system is walked once; memory without setuid bits is left out."""
    devices: dict[str, str] = {}
    for path in sorted(table):
        mount = table[path]
        passed = any(path == tree or path.startswith(tree + "/") for tree in PASSED_OVER)
        harmless = mount.type == "tmpfs" and "nosuid" in mount.options
        if mount.type in LOCAL and not harmless and not passed:
            devices.setdefault(mount.device, path)
    return sorted(devices.values())


def walk(starts: Sequence[str], users: Collection[int] = (), groups: Collection[int] = ()) -> list[str]:
    """One ``find`` that reports setuid and setgid programs, ended by a null byte each, for :func:`walked`.

    With users and groups also what everybody may write to and what belongs to none of these. Their numbers are given
    because find would otherwise ask for the name of every file's owner.
    """
    prune = [word for tree in PASSED_OVER for word in ("-o", "-path", tree)][1:]
    # Nearly all that a host holds is root's and nothing special, and these few tests are done with it.
    plain = ["-uid", "0", "-gid", "0", "(", "-type", "l", "-o", "!", "-perm", "/6002", ")", "-o"]
    if any(numbers and 0 not in numbers for numbers in (users, groups)):
        plain = []
    tests = ["(", "-type", "f", "-perm", "/6000", ")"]
    if users or groups:
        # Devices and sockets are made for everybody by rules of their own.
        tests += ["-o", "(", "!", "-type", "l", "-perm", "-0002", "!", "(", "-type", "d", "-perm", "-1000", ")"]
        tests += ["!", "-type", "c", "!", "-type", "s", ")"]
    for kind, numbers in (("-uid", users), ("-gid", groups)):
        known = [word for number in sorted(numbers) for word in ("-o", kind, str(number))][1:]
        # Those of services whose user lives as long as they run.
        dynamic = ["(", kind, f"+{DYNAMIC[0] - 1}", kind, f"-{DYNAMIC[1] + 1}", ")"]
        tests += ["-o", "!", "(", *known, "-o", *dynamic, ")"] if known else []
    report = ["-printf", "%m %y %U %G %p\\0"]
    return ["find", *starts, "-xdev", "-type", "d", "(", *prune, ")", "-prune", "-o", *plain, "(", *tests, ")", *report]


@dataclass(frozen=True)
class Walked:
    """What a walk met: mode, kind (as find writes it), numbers of owner and group, path."""

    mode: int
    kind: str
    uid: int
    gid: int
    path: str

    @property
    def privileged(self) -> bool:
        return self.kind == "f" and bool(self.mode & 0o6000)

    @property
    def harmless(self) -> bool:
        """A privileged program that stands out for nothing else: not everybody may write to it."""
        return self.privileged and not self.mode & 0o002


def walked(report: str) -> list[Walked]:
    """What the report of :func:`walk` says, by path."""
    found = []
    for line in report.split("\0"):
        fields = line.split(" ", 4)
        if len(fields) == 5:
            mode, kind, uid, gid, path = fields
            found.append(Walked(int(mode, 8), kind, int(uid), int(gid), path))
    return sorted(found, key=lambda one: one.path)
