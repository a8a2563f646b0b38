# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of the books of accounts, of homes and of the journal's files, on a machine made of dictionaries."""

from __future__ import annotations

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_books
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed, FileStat

PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\nops:x:1000:1000::/home/ops:/bin/bash\n"
    "games:x:5:60::/usr/games:/usr/sbin/nologin\n"
)
GROUP = "root:x:0:\nshadow:x:42:\nops:x:1000:ops\ngames:x:60:\n"
SHADOW = "root:*:20000:0:99999:7:::\nops:$y$x:20000:0:99999:7:::\nsshd:!:::::::\n"
BOOKS = {
    "/etc/passwd": PASSWD,
    "/etc/group": GROUP,
    "/etc/shadow": SHADOW,
    "/etc/gshadow": "root:*::\nshadow:*::\nops:!::ops\n",
    "/etc/shells": "# c\n/bin/sh\n",
}


def faults(**more):
    files = {**BOOKS, **{f"/etc/{name}": BOOKS[f"/etc/{name}"] + text for name, text in more.items()}}
    found = probes_books.book_faults({}, FakeSystem(files=files)).found
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({}, {}),
        ({"passwd": "bob::1001:1000::/:/bin/sh\n"}, {"unshadowed": ["bob"]}),
        ({"passwd": "bob:x:1001:77::/:/bin/sh\n"}, {"groupless": ["bob"]}),
        ({"passwd": "bob:x:1001:0::/:/bin/sh\n", "group": "toor:x:0:\n"},
         {"root_group": ["bob", "group toor"], "twice": ["gid 0: root, toor"]}),
        ({"passwd": "bob:x:1001:42::/:/bin/sh\n"}, {"shadow": ["bob"]}),
        ({"group": "shadow:x:43:ops\n"}, {"shadow": ["ops"], "twice": ["group shadow: 42, 43"]}),
        ({"passwd": "bob:x:1000:1000::/:/bin/sh\n"}, {"twice": ["uid 1000: ops, bob"]}),
        ({"passwd": "ops:x:1001:1000::/:/bin/sh\n"}, {"twice": ["user ops: 1000, 1001"]}),
        ({"shadow": "bob:*:99999:0:99999:7:::\n"}, {"future": ["bob"]}),
        ({"shells": "/usr/sbin/nologin\n"}, {"shells": ["/usr/sbin/nologin"]}),
        ({"passwd": "toor::0:0::/root\n"}, {"malformed": ["passwd toor"]}),
        ({"passwd": "bob:x:1001:1000::/:/bin/sh:\n"}, {"malformed": ["passwd bob"]}),
        ({"passwd": "bob:x:+0:1000::/:/bin/sh\n"}, {"malformed": ["passwd bob"]}),
        ({"passwd": "bob:x: 0:1000::/:/bin/sh\n"}, {"malformed": ["passwd bob"]}),
        ({"passwd": "bob:x:00:1000::/:/bin/sh\n"}, {"malformed": ["passwd bob"]}),
        ({"passwd": " ops:x:1001:1000::/:/bin/sh\n"}, {"malformed": ["passwd line 4"]}),
        ({"passwd": ":x:1001:1000::/:/bin/sh\n"}, {"malformed": ["passwd line 4"]}),
        ({"passwd": "\n# a remark\n \n  # another\n"}, {}),
        ({"group": "wheel:x:-1:\n"}, {"malformed": ["group wheel"]}),
        ({"group": "wheel:x:7\n"}, {"malformed": ["group wheel"]}),
        ({"shadow": "bob:$y$secret:1:0\n"}, {"malformed": ["shadow bob"]}),
        ({"shadow": "$y$j9T$secret\n"}, {"malformed": ["shadow line 4"]}),
        ({"shadow": "$y$j9T$secret:1:2\n"}, {"malformed": ["shadow line 4"]}),
        ({"gshadow": "ops:!:ops\n"}, {"malformed": ["gshadow ops"]}),
    ],
)  # fmt: skip
def test_books_that_contradict_themselves(more, wrong):
    assert faults(**more) == wrong


def test_groups_need_no_passwords():
    found = probes_books.book_faults({}, FakeSystem(files={n: t for n, t in BOOKS.items() if n != "/etc/gshadow"})).found
    assert not any(found.values())


def test_a_book_that_is_not_there():
    with pytest.raises(Unreadable, match="/etc/group"):
        probes_books.book_faults({}, FakeSystem(files={**BOOKS, "/etc/group": None}))


def homes(mode=0o700, uid=1000, dots="", **more):
    stats = {"/root": FileStat(0o700, 0, 0, "directory", 0), "/home/ops": FileStat(mode, uid, uid, "directory", 0)}
    commands = {"find /root": "600 0 0 /root/.bashrc\0", "find /home/ops": dots, **more.pop("commands", {})}
    passwd = PASSWD + "sue:x:1001:1000::/nonexistent:/bin/sh\n" + more.pop("passwd", "")
    system = FakeSystem(files={**BOOKS, "/etc/passwd": passwd}, stats=stats, commands=commands)
    return probes_books.open_homes({}, system).found


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, []),
        ({"mode": 0o2750}, []),
        ({"mode": 0o755}, ["/home/ops is 0755 1000, at most 0750 ops"]),
        ({"uid": 0}, ["/home/ops is 0700 root, at most 0750 ops"]),
        ({"passwd": "bob:x:1002:1000::/home/bob:/bin/sh\n"}, ["/home/bob of bob is no directory"]),
        ({"dots": "644 1000 1000 /home/ops/.profile\0"}, []),
        ({"dots": "664 1000 1000 /home/ops/.profile\0"}, ["/home/ops/.profile is 0664, at most 0644"]),
        ({"dots": "644 1000 1000 /home/ops/a b/.netrc\0"}, ["/home/ops/a b/.netrc is 0644, at most 0600"]),
        ({"dots": "600 1000 1000 /home/ops/.forward\0"}, ["/home/ops/.forward is there"]),
        ({"dots": "600 0 1000 /home/ops/.x\0"}, ["/home/ops/.x is of 0:1000, not 1000:1000"]),
        ({"commands": {"find /home/ops": Completed(1, "", "went meanwhile")}}, []),
    ],
)
def test_homes_that_others_may_enter_or_change(given, wrong):
    assert homes(**given) == wrong


def test_many_faults_are_counted_and_a_failed_search_is_none():
    many = "".join(f"666 1000 1000 /home/ops/.{number:02}\0" for number in range(25))
    found = homes(dots=many)
    assert (len(found), found[-1]) == (21, "and 5 more")
    with pytest.raises(Unreadable, match="not found"):
        homes(commands={"find /home/ops": Completed(127, "", "not found")})


def test_files_of_the_journal():
    folder = "/var/log/journal/abc"
    stats = {
        f"{folder}/system.journal": FileStat(0o640, 0, 999, "file", 1),
        f"{folder}/user.journal": FileStat(0o644, 0, 999, "file", 1),
        f"{folder}/strange.journal": FileStat(0o600, 998, 999, "file", 1),
    }
    system = FakeSystem(files=dict.fromkeys(stats, ""), stats=stats)
    found = probes_books.open_journals({"path": "/var/log/journal"}, system).found
    assert found == [f"{folder}/strange.journal 0600", f"{folder}/user.journal 0644"]
    assert probes_books.open_journals({"path": "/var/log/journal"}, FakeSystem()).found == []
