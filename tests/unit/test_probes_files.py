# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of what lies on a host."""

from __future__ import annotations

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_files as probes
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed, FileStat

GROUPS = "root:x:0:\nshadow:x:42:\nquorum-proc:x:990:\nbroken\n"
MOUNTINFO = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw,nosuid - proc proc rw,hidepid=invisible,gid=990
"""
BOOKS = {"/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/etc/group": GROUPS, "/proc/1/mountinfo": MOUNTINFO}


def test_mount_options():
    args = {
        "mounts": {"/proc": ["nosuid", "noexec", "gid=quorum-proc"], "/tmp": ["nodev"]},
        "mounted": ["/proc", "/tmp"],
    }
    assert probes.mount_options(args, FakeSystem(files=BOOKS)).found == ["/proc lacks noexec", "/tmp is no mount"]
    with pytest.raises(Unreadable):
        probes.mount_options(args, FakeSystem())


def test_loose_paths():
    rows = [
        {"path": "/etc/shadow", "owner": "root", "group": "shadow", "mode": "0640"},
        {"path": "/etc/gshadow", "owner": "root", "group": "shadow", "mode": "0640"},
        {"path": "/etc/gone", "owner": "root", "group": "root", "mode": "0600"},
        {"path": "/etc/crontab", "owner": "root", "group": "root", "mode": "0600"},
        {"path": "/home/ops", "owner": "goquorum", "mode": "0750"},
    ]
    stats = {
        "/etc/shadow": FileStat(0o600, 0, 42, "file", 1),
        "/etc/gshadow": FileStat(0o644, 0, 42, "file", 1),
        "/etc/crontab": FileStat(0o600, 998, 0, "file", 1),
        "/home/ops": FileStat(0o750, 998, 77, "directory", 1),
    }
    found = probes.loose_paths({"paths": rows}, FakeSystem(files=BOOKS, stats=stats)).found
    assert [line.split(" ")[0] for line in found] == ["/etc/crontab", "/etc/gshadow"]
    assert found[1] == "/etc/gshadow is 0644 root:42, at most 0640 root:shadow"


WALK = "\0".join(
    [
        "4755 f 0 0 /usr/bin/su",
        "2755 f 0 42 /usr/bin/agent",
        "4777 f 0 0 /opt/both",
        "777 d 0 0 /srv/all",
        "644 f 4711 0 /srv/lost",
        "",
    ]
)


def test_the_walk_serves_two_probes_and_is_made_once():
    system = FakeSystem(files=BOOKS, commands={"find /": Completed(1, WALK, "find: gone meanwhile")})
    args = {"allowed": ["/usr/bin/agent"]}
    assert probes.privileged_programs(args, system).found == ["4777 /opt/both", "4755 /usr/bin/su"]
    assert probes.open_files({}, system).found == ["/opt/both", "/srv/all", "/srv/lost"]
    assert len({asked for asked, _stdin in system.asked}) == 1


def test_a_long_list_is_cut():
    many = "".join(f"666 f 0 0 /srv/{number:03d}\0" for number in range(25))
    found = probes.open_files({}, FakeSystem(files=BOOKS, commands={"find /": many})).found
    assert (len(found), found[-1]) == (21, "and 5 more")


def test_a_walk_that_cannot_be_made_is_no_pass():
    for system in (
        FakeSystem(files=BOOKS),
        FakeSystem(files={**BOOKS, "/proc/1/mountinfo": "23 22 0:5 / /proc rw - proc proc rw\n"}),
        FakeSystem(files={**BOOKS, "/etc/passwd": ""}, commands={"find /": WALK}),
    ):
        with pytest.raises(Unreadable):
            probes.privileged_programs({"allowed": []}, system)


def test_installed_packages():
    said = Completed(1, "telnet installed\nrpcbind config-files\n", "no packages found matching nis")
    found = probes.installed_packages(
        {"packages": ["telnet", "rpcbind", "nis"]}, FakeSystem(commands={"dpkg-query": said})
    )
    assert found.found == ["telnet"]
    with pytest.raises(Unreadable):
        probes.installed_packages({"packages": ["telnet"]}, FakeSystem())


def test_unmasked_units():
    base = "/etc/systemd/system"
    system = FakeSystem(files={f"{base}/a.service": "", f"{base}/b.socket": "[Socket]\n"})
    found = probes.unmasked_units({"units": ["a.service", "b.socket", "c.service"]}, system).found
    assert found == ["b.socket", "c.service"]
