# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a change is, and what of AIDE's database is renewed."""

from __future__ import annotations

import hashlib
import json
import os
import syslog

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import watch, watch_run
from ansible_collections.quorum.hardening.plugins.module_utils.watch_run import BROKEN, CLEAN, STRANGERS, Place, Watch

SPEC = "@@begin_db\n# made\n@@db_spec name lname perm uid gid inode attr sha256 \n"
NONE = watch.Packages((), {}, frozenset(), lambda path: 0.0, lambda path: "")


def database(**entries):
    """A database: name (without the leading slash) -> content, owner root."""
    rows = [f"/{name} 0 100644 0 0 7 9 {content}" for name, content in entries.items()]
    return SPEC + "".join(f"{row}\n" for row in rows) + "@@end_db\n"


def state(content):
    return f"100644 0 0 {content} 0" if content else "absent"


def note(path, before, after):
    return {"path": path, "before": before if before == "*" else state(before), "after": state(after)}


def test_a_database_is_read_as_aide_writes_it():
    text = SPEC + "/a%20b /x%20y 120777 0 5 1 2 0\n# a remark\n@@end_db\n"
    found = watch.parse_database(text)
    assert found.state("/a%20b") == "120777 0 5 0 /x y"
    assert found.state("/none") == "absent"


@pytest.mark.parametrize("text", ["", "@@db_spec name\n@@end_db\n", SPEC + "/a 0 1 0 0 1 2 x\n"])
def test_half_a_database_is_refused(text):
    with pytest.raises(ValueError, match="AIDE"):
        watch.parse_database(text)


def test_merging_renews_some_names_alone():
    old, new = (watch.parse_database(database(**e)) for e in ({"a": "1", "b": "1", "c": "1"}, {"a": "2", "b": "2"}))
    result = watch.parse_database(watch.merged(old, new, ["/a", "/c"]))
    assert {n: result.state(n) for n in result.lines} == {"/a": state("2"), "/b": state("1")}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("absent", state("x"), "added"),
        (state("x"), "absent", "removed"),
        (state("x"), state("y"), "content"),
        ("100644 0 0 x 0", "104755 5 6 x 0", "mode,owner,group"),
        ("120777 0 0 0 /a", "120777 0 0 0 /b", "target"),
    ],
)
def test_changes_in_words(old, new, said):
    assert watch.described(old, new) == said


@pytest.mark.parametrize(
    ("old", "new", "notes", "by", "renew"),
    [
        ("1", "2", [], "stranger", False),
        ("1", "2", [note("/a", "1", "2")], "own", True),
        ("1", "3", [note("/a", "1", "2"), note("/a", "2", "3")], "own", True),
        ("1", "2", [note("/a", "*", "2")], "own", True),
        ("1", None, [note("/a", "1", None)], "own", True),
        (None, "1", [note("/a", None, "1")], "own", True),
        # Somebody was there after us, or before us.
        ("1", "4", [note("/a", "1", "2")], "stranger", False),
        ("1", "3", [note("/a", "2", "3")], "stranger", True),
        # We put right what somebody had changed.
        ("1", "1", [note("/a", "2", "1")], "stranger", True),
    ],
)
def test_whose_a_change_is(old, new, notes, by, renew):
    before = watch.parse_database(database(**({"a": old} if old else {})))
    after = watch.parse_database(database(**({"a": new} if new else {})))
    (verdict,) = watch.judge(before, after, {"/a": notes} if notes else {}, NONE)
    assert (verdict.by, verdict.renew) == (by, renew)


def test_a_note_about_what_did_not_change_says_nothing():
    same = watch.parse_database(database(a="1"))
    assert watch.judge(same, same, {"/a": [note("/a", "1", "1")], "/unwatched": [note("/u", "1", "2")]}, NONE) == []


def packages(window=((100.0, 200.0),), changed=150.0):
    return watch.Packages(
        window, {"/usr/bin/x": "good"}, frozenset({"/usr/bin/x", "/usr/share/x"}), lambda p: changed, lambda p: "good"
    )


@pytest.mark.parametrize(
    ("path", "found", "given", "explained"),
    [
        ("/usr/bin/x", state("n"), packages(), True),
        ("/usr/bin/x", state("n"), packages(window=()), False),
        ("/usr/bin/x", state("n"), packages(changed=300.0), False),
        ("/usr/bin/y", state("n"), packages(), False),
        ("/etc/passwd", state("n"), packages(), False),
        ("/etc/ld.so.cache", state("n"), packages(), True),
        ("/boot/initrd.img-6.1.0-30-amd64", state("n"), packages(), True),
        ("/usr/share/x", "40755 0 0 0 0", packages(), True),
        ("/usr/share/y", "40755 0 0 0 0", packages(), False),
        ("/usr/bin/awk", "120777 0 0 0 /etc/alternatives/awk", packages(), True),
        ("/usr/bin/old", "absent", packages(), True),
        ("/usr/bin/x", "absent", packages(), False),
    ],
)
def test_what_a_package_explains(path, found, given, explained):
    assert given.explain(path, found) is explained


def test_paths_since_usr_was_merged():
    assert [watch.merged_path(p) for p in ("/bin/ls", "/usr/bin/ls", "/binary")] == [
        "/usr/bin/ls",
        "/usr/bin/ls",
        "/binary",
    ]


def test_a_package_s_change_renews():
    before, after = (watch.parse_database(database(**{"usr/bin/x": c})) for c in ("1", "2"))
    (verdict,) = watch.judge(before, after, {}, packages())
    assert (verdict.by, verdict.renew) == ("package", True)


# --- the program ---


class Host:
    """A watch in a temporary directory; ``now`` is what AIDE would find."""

    def __init__(self, folder):
        self.place = Place(*(str(folder / name) for name in ("aide", "copy/aide.db", "lock", "dpkg")))
        os.makedirs(self.place.state)
        self.said = []
        self.now = {"a": "1"}
        self.between = lambda: None

    @property
    def watch(self):
        return Watch(self.place, lambda priority, text: self.said.append((priority, text)), self.look, 0.01)

    def look(self, _place):
        self.between()
        return database(**self.now)

    def check(self):
        self.said.clear()
        return self.watch.check()

    def own(self, *notes):
        with open(self.place.at("own"), "a", encoding="utf-8") as handle:
            handle.writelines(json.dumps(one) + "\n" for one in notes)

    def text(self, name="aide.db"):
        return watch_run.read(self.place.at(name))

    def lines(self, priority):
        return [text for level, text in self.said if level == priority]


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    assert made.check() == CLEAN
    return made


def test_the_first_database_is_sealed_and_said(host):
    sealed = hashlib.sha256(host.text().encode()).hexdigest()
    assert host.text("aide.db.sha256") == f"{sealed}  {host.place.at('aide.db')}"
    assert any(f"sha256={sealed} entries=1" in text for text in host.lines(syslog.LOG_NOTICE))
    assert host.lines(syslog.LOG_WARNING) == ["event=database-made entries=1"]
    assert os.stat(host.place.at("aide.db")).st_mode & 0o777 == 0o600


def test_a_stranger_is_alerted_every_day_until_accepted(host):
    host.now["evil"] = "1"
    for _day in range(2):
        assert host.check() == STRANGERS
        assert host.lines(syslog.LOG_WARNING) == ["event=change by=stranger what=added path=/evil"]
    assert json.loads(host.text("last.json"))["strangers"] == ["/evil"]
    assert host.watch.accept(["/other"], "ops") == CLEAN
    assert host.check() == STRANGERS
    assert host.watch.accept(["/evil"], "ops") == CLEAN
    assert any("event=accepted by=ops path=/evil" in text for text in host.lines(syslog.LOG_WARNING))
    assert host.check() == CLEAN


def test_our_own_change_renews_and_leaves_the_stranger_s(host):
    host.now.update(a="2", evil="1")
    host.own(note("/a", "1", "2"))
    assert host.check() == STRANGERS
    assert "event=change by=own what=content path=/a" in host.lines(syslog.LOG_INFO)
    assert not os.path.exists(host.place.at("own"))
    assert host.check() == STRANGERS
    assert host.lines(syslog.LOG_INFO) == []
    assert host.lines(syslog.LOG_WARNING) == ["event=change by=stranger what=added path=/evil"]


def test_notes_outlive_a_check_that_was_cut_short(host):
    host.now["a"] = "2"
    host.own(note("/a", "1", "2"))

    def cut():
        raise KeyboardInterrupt

    host.between = cut
    with pytest.raises(KeyboardInterrupt):
        host.check()
    host.between = lambda: None
    assert host.check() == CLEAN


def test_a_run_in_between_is_waited_for(host):
    def run():
        host.now["a"] = "2"
        host.own(note("/a", "1", "2"))
        host.between = lambda: None

    host.between = run
    assert host.check() == CLEAN


def test_a_lock_that_was_left_behind_does_not_stop_the_watch(host):
    with open(host.place.lock, "w", encoding="utf-8"):
        pass
    host.now["evil"] = "1"
    assert host.check() == STRANGERS


def test_a_replaced_database_is_alerted_and_its_copy_put_back(host):
    good = host.text()
    with open(host.place.at("aide.db"), "w", encoding="utf-8") as handle:
        handle.write(database(a="1", evil="1"))
    host.now["evil"] = "1"
    assert host.check() == STRANGERS
    assert [text.split()[0] for text in host.lines(syslog.LOG_ERR)] == ["event=database-replaced"]
    assert host.text() == good


@pytest.mark.parametrize("gone", ["aide.db", "aide.db.sha256"])
def test_a_database_that_is_gone_is_put_back(host, gone):
    os.unlink(host.place.at(gone))
    assert host.check() == CLEAN
    assert host.lines(syslog.LOG_ERR)
    assert host.text("aide.db.sha256")


def test_a_lost_copy_is_made_again(host):
    os.unlink(host.place.copy)
    assert host.check() == CLEAN
    assert watch_run.read(host.place.copy) == host.text()


def test_when_all_is_replaced_only_a_person_can_start_anew(host, monkeypatch):
    monkeypatch.setattr(watch_run, "log", lambda priority, text: host.said.append((priority, text)))
    for path in (host.place.at("aide.db"), host.place.copy):
        with open(path, "w", encoding="utf-8") as handle:
            handle.write(database(a="1", evil="1"))
    assert watch_run.main(["check"], host.place, host.watch) == BROKEN
    assert any("database-lost" in text for text in host.lines(syslog.LOG_ERR))
    assert watch_run.main(["accept"], host.place, host.watch) == CLEAN
    assert watch_run.main(["check"], host.place, host.watch) == CLEAN


def test_accepting_without_a_database_makes_one(tmp_path):
    made = Host(tmp_path)
    assert made.watch.accept([], "ops") == CLEAN
    assert made.check() == CLEAN


def test_packages_are_believed_as_far_as_their_lists_go(host, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(watch_run.subprocess, "run", lambda argv, **_more: started.append(argv))
    program, info = tmp_path / "program", tmp_path / "dpkg" / "info"
    info.mkdir(parents=True)
    name = str(program)[1:]
    host.watch.dpkg(begin=False)
    assert started == []
    host.watch.dpkg(begin=True)
    program.write_text("new")
    md5 = hashlib.md5(b"new", usedforsecurity=False).hexdigest()
    (info / "x.md5sums").write_text(f"{md5}  {name}\n")
    (info / "x.list").write_text(f"/.\n/{name}\n")
    (tmp_path / "dpkg" / "status").write_text("Conffiles:\n /etc/x abcdef\nVersion: 1\n")
    host.watch.dpkg(begin=False)
    assert started[0][-1] == "quorum-aide.service"
    host.now.update({name: "n", "evil": "1"})
    assert host.check() == STRANGERS
    assert f"event=change by=package what=added path=/{name}" in host.lines(syslog.LOG_INFO)


def test_aide_is_asked_for_a_database(host, tmp_path, monkeypatch):
    fake = tmp_path / "aide.sh"
    fake.write_text(
        "#!/bin/sh\nout=${4#database_out=file:}\ncase $2 in *bad) echo no >&2; exit 17;; esac\necho whole >$out\n"
    )
    fake.chmod(0o755)
    popen = watch_run.subprocess.Popen
    monkeypatch.setattr(watch_run.subprocess, "Popen", lambda argv, **more: popen([str(fake), *argv[1:]], **more))
    assert watch_run.aide(host.place) == "whole\n"
    assert not os.path.exists(host.place.at("aide.db.found"))
    monkeypatch.setattr(watch_run, "CONFIG", "/bad")
    with pytest.raises(watch_run.WatchError, match="exit=17 no"):
        watch_run.aide(host.place)


def test_commands(host, capsys, monkeypatch):
    assert watch_run.main(["status"], host.place, host.watch) == CLEAN
    assert json.loads(capsys.readouterr().out)["strangers"] == []
    assert watch_run.main([], host.place, host.watch) == BROKEN
    assert "quorum-aide check" in capsys.readouterr().out
    assert watch_run.main(["dpkg-begin"], host.place, host.watch) == CLEAN
    assert os.path.exists(host.place.at("dpkg"))
    spoken = []
    monkeypatch.setattr(watch_run.syslog, "syslog", lambda priority, text: spoken.append(text))
    monkeypatch.setattr(watch_run.sys.stdout, "isatty", lambda: True)
    watch_run.log(syslog.LOG_INFO, "event=x")
    assert spoken == ["event=x"]
    assert capsys.readouterr().out == "event=x\n"
    assert watch_run.digest("/none") == ""
