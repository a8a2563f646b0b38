# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mount tables, what they lack, and the walk over what they hold; find and the kernel are the real ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import mounts
from ansible_collections.quorum.hardening.plugins.module_utils.commands import run

TABLE = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:5 / /proc rw,nosuid,nodev,noexec - proc proc rw,hidepid=2,gid=990
24 22 0:6 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw,size=1024k
25 22 8:1 /var/tmp /var/tmp rw,nosuid - ext4 /dev/sda1 rw
26 22 8:2 / /srv/a\040b rw - xfs /dev/sda2 rw
27 22 8:3 / /var/lib/docker rw - ext4 /dev/sda3 rw
28 22 0:9 / /dev/shm rw - tmpfs shm rw
28 22 0:10 / /net rw - nfs4 server:/x rw
29 24 0:7 / /tmp rw,noexec - tmpfs over rw
broken line
"""


def test_the_last_mount_at_a_path_is_the_one_that_is_seen() -> None:
    table = mounts.parse(TABLE)
    assert table["/tmp"].source == "over"
    assert table["/tmp"].options == {"rw", "noexec"}
    assert table["/srv/a b"].type == "xfs"
    assert "hidepid=invisible" in table["/proc"].options
    assert mounts.parse(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))["/proc"].type == "proc"


@pytest.mark.parametrize(
    ("path", "wanted", "lacks"),
    [
        ("/proc", ["hidepid=invisible", "gid=people"], []),
        ("/proc", ["hidepid=2", "gid=others"], ["gid=7"]),
        ("/proc", ["gid=nobody-yet"], ["gid=nobody-yet"]),
        ("/", ["nosuid", "rw", "nodev"], ["nosuid", "nodev"]),
    ],
)
def test_what_a_mount_lacks(path: str, wanted: list[str], lacks: list[str]) -> None:
    numbers = {"people": "990", "others": "7"}
    assert mounts.lacking(mounts.parse(TABLE)[path], wanted, lambda name: numbers.get(name, name)) == lacks


def test_groups_have_numbers_once_they_are_there() -> None:
    assert mounts.group_number("root") == "0"
    assert mounts.group_number("no-such-group") == "no-such-group"


def test_flags_of_a_mount_leave_its_file_system_alone() -> None:
    assert mounts.remount("/var/tmp", ["nosuid", "noexec"]) == [
        "mount",
        "-o",
        "remount,bind,nosuid,noexec",
        "--",
        "/var/tmp",
    ]
    assert mounts.remount("/proc", ["nosuid", "hidepid=invisible"])[2] == "remount,nosuid,hidepid=invisible"


def test_each_local_file_system_is_walked_once_and_others_trees_never() -> None:
    assert mounts.roots(mounts.parse(TABLE)) == ["/", "/dev/shm", "/srv/a b", "/tmp"]


def test_find_meets_what_stands_out_and_nothing_else(tmp_path: Path) -> None:
    made = {"plain": 0o644, "setuid": 0o4755, "setgid": 0o2755, "open": 0o666, "both": 0o4777}
    for name, mode in made.items():
        (tmp_path / name).write_text("", encoding="utf-8")
        os.chmod(tmp_path / name, mode)
    for name, mode in (("sticky", 0o1777), ("loose", 0o777), ("a\nb c", 0o777)):
        (tmp_path / name).mkdir()
        os.chmod(tmp_path / name, mode)
    (tmp_path / "link").symlink_to("plain")
    privileged = mounts.walked(run(mounts.walk([str(tmp_path)])).out)
    assert [os.path.basename(one.path) for one in privileged] == ["both", "setgid", "setuid"]
    assert all(one.privileged and one.uid == os.getuid() for one in privileged)
    all_of_them = mounts.walked(run(mounts.walk([str(tmp_path)], {os.getuid()}, {os.getgid()})).out)
    assert [one.path[len(str(tmp_path)) + 1 :] for one in all_of_them if not one.harmless] == [
        "a\nb c",
        "both",
        "loose",
        "open",
    ]
    for users, groups in (({4711}, {os.getgid()}), ({os.getuid()}, {4711})):
        stranger = mounts.walked(run(mounts.walk([str(tmp_path)], users, groups)).out)
        assert {"plain", "link"} <= {os.path.basename(one.path) for one in stranger}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_is_roots_in_part_is_looked_at(tmp_path: Path) -> None:
    for name in ("plain", "grouped"):
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / "link").symlink_to("plain")
    os.chown(tmp_path / "plain", 4711, 0)
    os.chown(tmp_path / "grouped", 0, 4711)
    os.chown(tmp_path / "link", 4711, 0, follow_symlinks=False)
    unowned = mounts.walked(run(mounts.walk([str(tmp_path)], {0}, {0})).out)
    assert {"plain", "grouped", "link"} == {os.path.basename(one.path) for one in unowned}
