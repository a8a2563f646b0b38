# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of the books of accounts, of homes and of the journal's files, on a machine made of dictionaries."""

from __future__ import annotations

import os

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_books
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed, FileStat, System

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
        ({"shells": "# /usr/sbin/nologin\n /bin/sh # /usr/sbin/nologin\n"}, {}),
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
    found = probes_books.book_faults(
        {}, FakeSystem(files={n: t for n, t in BOOKS.items() if n != "/etc/gshadow"})
    ).found
    assert not any(found.values())


def test_a_book_that_is_not_there():
    with pytest.raises(Unreadable, match="/etc/group"):
        probes_books.book_faults({}, FakeSystem(files={**BOOKS, "/etc/group": None}))


LINK = FileStat(0o777, 0, 0, "link", 0)


def homes(mode=0o700, uid=1000, dots="", **more):
    stats = {"/root": FileStat(0o700, 0, 0, "directory", 0), "/home/ops": FileStat(mode, uid, uid, "directory", 0)}
    stats |= more.pop("stats", {})
    commands = {"find -H /root": "f f 600 0 0 /root/.bashrc\0", "find -H /home/ops": dots, **more.pop("commands", {})}
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
        ({"dots": "f f 644 1000 1000 /home/ops/.profile\0"}, []),
        ({"dots": "f f 664 1000 1000 /home/ops/.profile\0"}, ["/home/ops/.profile is 0664, at most 0644"]),
        ({"dots": "f f 644 1000 1000 /home/ops/a b/.netrc\0"}, ["/home/ops/a b/.netrc is 0644, at most 0600"]),
        ({"dots": "f f 600 1000 1000 /home/ops/.forward\0"}, ["/home/ops/.forward is there"]),
        ({"dots": "f f 600 0 1000 /home/ops/.x\0"}, ["/home/ops/.x is of 0:1000, not 1000:1000"]),
        ({"dots": "l f 777 1000 1000 /home/ops/.rhosts\0"}, ["/home/ops/.rhosts is there"]),
        ({"dots": "l N 777 1000 1000 /home/ops/.forward\0"}, ["/home/ops/.forward is there"]),
        ({"dots": "l f 777 1000 1000 /home/ops/.netrc\0"}, ["/home/ops/.netrc is a symbolic link"]),
        ({"dots": "l c 777 1000 1000 /home/ops/.bash_history\0"}, []),
        ({"dots": "l f 777 0 0 /home/ops/.profile\0"}, []),
        ({"stats": {"/home/ops": LINK, "/home/ops/.": FileStat(0o700, 1000, 1000, "directory", 0)}}, []),
        ({"stats": {"/home/ops": LINK, "/home/ops/.": FileStat(0o755, 1000, 1000, "directory", 0)}},
         ["/home/ops is 0755 1000, at most 0750 ops"]),
        ({"stats": {"/home/ops": LINK}}, ["/home/ops of ops is no directory"]),
        ({"stats": {"/home/ops": FileStat(0o777, 7, 7, "link", 0)}}, ["/home/ops of ops is no directory"]),
        ({"commands": {"find -H /home/ops": Completed(1, "", "went meanwhile")}}, []),
    ],
)  # fmt: skip
def test_homes_that_others_may_enter_or_change(given, wrong):
    assert homes(**given) == wrong


def test_many_faults_are_counted_and_a_failed_search_is_none():
    many = "".join(f"f f 666 1000 1000 /home/ops/.{number:02}\0" for number in range(25))
    found = homes(dots=many)
    assert (len(found), found[-1]) == (21, "and 5 more")
    with pytest.raises(Unreadable, match="not found"):
        homes(commands={"find -H /home/ops": Completed(127, "", "not found")})


JOURNALS = {"path": "/var/log/journal", "passing": "/run/log/journal"}


def test_files_of_the_journal():
    folder, passing = "/var/log/journal/abc", "/run/log/journal/abc"
    stats = {
        f"{folder}/system.journal": FileStat(0o640, 0, 999, "file", 1),
        f"{folder}/user.journal": FileStat(0o644, 0, 999, "file", 1),
        f"{folder}/strange.journal": FileStat(0o600, 998, 999, "file", 1),
        f"{passing}/system.journal": FileStat(0o660, 0, 999, "file", 1),
    }
    system = FakeSystem(files=dict.fromkeys(stats, ""), stats=stats)
    found = probes_books.open_journals(JOURNALS, system).found
    assert found == [f"{passing}/system.journal 0660", f"{folder}/strange.journal 0600", f"{folder}/user.journal 0644"]
    system = FakeSystem(files={f"{folder}/system.journal": ""}, stats=stats)
    assert probes_books.open_journals(JOURNALS, system).found == []


def test_a_journal_that_does_not_last():
    with pytest.raises(Absent, match="there is no /var/log/journal"):
        probes_books.open_journals(JOURNALS, FakeSystem(files={"/run/log/journal/abc/system.journal": ""}))


def test_a_home_as_find_sees_it(tmp_path):
    home = tmp_path / "home"
    (tmp_path / "real").mkdir(mode=0o700)
    home.symlink_to("real")
    for name, mode in ((".profile", 0o666), ("plain", 0o666)):
        (home / name).write_text("")
        (home / name).chmod(mode)
    (home / ".rhosts").symlink_to("nowhere")
    (home / ".netrc").symlink_to("plain")
    (home / ".bash_history").symlink_to("/dev/null")
    live = System()
    passwd = f"me:x:{os.getuid()}:{os.getgid()}::{home}:/bin/sh\n"
    live.read = lambda path: passwd if path == "/etc/passwd" else None
    found = probes_books.open_homes({}, live).found
    assert found == [
        f"{home}/.netrc is a symbolic link",
        f"{home}/.profile is 0666, at most 0644",
        f"{home}/.rhosts is there",
    ]
