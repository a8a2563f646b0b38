# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are replaced whole, in their own place, and put back when something fails."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_fakes import OwnNames

from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground, Names, Seen
from ansible_collections.quorum.hardening.plugins.module_utils.landing import Change, Landing, compare, difference
from ansible_collections.quorum.hardening.plugins.module_utils.tree import Entry

NAMES = OwnNames()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with Ground(str(tmp_path)) as found:
        yield found


def land(ground: Ground, *entries: Entry) -> Landing:
    landing = Landing(ground, NAMES)
    landing.land(compare(ground, entries, NAMES))
    return landing


def test_files_land_with_content_and_mode_and_twice_is_once(ground: Ground, tmp_path: Path) -> None:
    entries = [Entry("/etc/a/ü.conf", "ü\n".encode(), mode=0o640), Entry("/etc/empty"), Entry("/var/d/", mode=0o700)]
    landing = land(ground, *entries)
    assert (tmp_path / "etc/a/ü.conf").read_text() == "ü\n"
    assert (tmp_path / "etc/a/ü.conf").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "var/d").stat().st_mode & 0o7777 == 0o700
    assert landing.made == ["/etc", "/etc/a", "/var", "/var/d"]
    assert compare(ground, entries, NAMES) == []
    assert not [p for p in tmp_path.rglob("*") if "quorum" in p.name]


def test_two_hundred_files(ground: Ground) -> None:
    entries = [Entry(f"/etc/{n % 7}/{n}", str(n).encode()) for n in range(200)]
    land(ground, *entries)
    assert compare(ground, entries, NAMES) == []


def test_a_wrong_mode_is_seen_and_shown(ground: Ground, tmp_path: Path) -> None:
    land(ground, Entry("/f", b"x\n"))
    (tmp_path / "f").chmod(0o666)
    (change,) = compare(ground, [Entry("/f", b"x\n")], NAMES)
    shown = difference(change, NAMES)
    assert "0666" in shown["before"]
    assert "0644" in shown["after"]


def test_a_link_is_replaced_not_followed(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "f").symlink_to("target")
    (change,) = compare(ground, [Entry("/f", b"x\n")], NAMES)
    assert "symbolic link to target" in difference(change, NAMES)["before"]
    landing = land(ground, Entry("/f", b"x\n"))
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "f").is_symlink()
    assert landing.back() == []
    assert os.readlink(tmp_path / "f") == "target"


def test_a_linked_directory_on_the_way_is_refused(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "lib").symlink_to("real")
    with pytest.raises(HostError, match="/lib is a symbolic link to real"):
        compare(ground, [Entry("/lib/f")], NAMES)
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="/file is not a directory"):
        compare(ground, [Entry("/file/f")], NAMES)


def test_what_is_in_the_way_is_not_removed(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_text("")
    with pytest.raises(HostError, match="/d is a directory, a file belongs there"):
        compare(ground, [Entry("/d")], NAMES)
    with pytest.raises(HostError, match="/f/ is a file, a directory belongs there"):
        compare(ground, [Entry("/f/")], NAMES)


def test_a_pipe_is_replaced(ground: Ground, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    assert ground.seen("/p").kind == "other"
    landing = land(ground, Entry("/p", b"x"))
    assert (tmp_path / "p").read_bytes() == b"x"
    assert landing.back() == []
    assert not (tmp_path / "p").exists()


def test_a_secret_shows_its_fingerprint_on_both_sides(ground: Ground) -> None:
    land(ground, Entry("/s", b"old-secret\n"))
    (change,) = compare(ground, [Entry("/s", b"new-secret\n", secret=True, mode=0o600)], NAMES)
    text = str(difference(change, NAMES))
    assert "-secret" not in text
    assert text.count("sha256") == 2


def test_difference_of_new_things() -> None:
    assert (
        difference(Change(Entry("/d/", mode=0o755), Seen("absent")), NAMES)["after"] == "# directory root:root 0755\n"
    )
    assert difference(Change(Entry("/e"), Seen("absent")), NAMES)["after"] == "# file root:root 0644\n"


def test_an_unknown_owner_lands_nothing(ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no user web on this host"):
        land(ground, Entry("/a", b"a"), Entry("/b", b"b", owner="web"))
    with pytest.raises(HostError, match="no group web on this host"):
        land(ground, Entry("/a", b"a"), Entry("/b", b"b", group="web"))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_is_put_back(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/a").write_text("old")
    landing = Landing(ground, NAMES)

    def full(path: str) -> None:
        if path == "/etc/c":
            raise HostError("no space")

    entries = [Entry("/etc/a", b"new"), Entry("/etc/b/x", b"new"), Entry("/etc/c", b"new")]
    with pytest.raises(HostError, match="no space"):
        landing.land(compare(ground, entries, NAMES), full)
    assert (tmp_path / "etc/a").read_text() == "new"
    assert landing.back() == []
    assert [p.name for p in (tmp_path / "etc").iterdir()] == ["a"]
    assert (tmp_path / "etc/a").read_text() == "old"


def test_a_failure_while_writing_replaces_nothing(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("old")
    changes = compare(ground, [Entry("/a", b"new"), Entry("/b", b"new")], NAMES)
    real = os.fchmod

    def failing(descriptor: int, mode: int) -> None:
        if mode == 0o644 and (tmp_path / "a").exists() and len(list(tmp_path.iterdir())) == 3:
            raise OSError(28, "No space left on device")
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", failing)
    with pytest.raises(HostError, match="/b: No space left on device"):
        Landing(ground, NAMES).land(changes)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_changed_directory_is_put_back(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o750)
    landing = land(ground, Entry("/d/", mode=0o700))
    assert landing.back() == []
    assert (tmp_path / "d").stat().st_mode & 0o7777 == 0o750


def test_pruned_files_come_back_too(ground: Ground, tmp_path: Path) -> None:
    land(ground, Entry("/etc/a", b"a", mode=0o600))
    landing = Landing(ground, NAMES)
    landing.prune(["/etc/a", "/etc/never"], {})
    assert not (tmp_path / "etc/a").exists()
    assert landing.back() == []
    assert (tmp_path / "etc/a").stat().st_mode & 0o7777 == 0o600


def test_what_cannot_be_put_back_is_named(ground: Ground, tmp_path: Path) -> None:
    land(ground, Entry("/etc/a", b"a"))
    landing = land(ground, Entry("/etc/a", b"b"))
    (tmp_path / "etc/a").unlink()
    (tmp_path / "etc/a").mkdir()
    (lost,) = landing.back()
    assert lost.startswith("/etc/a: ")


def test_leftovers_of_a_killed_run_are_swept(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / ".f.quorum-hardening-1234").write_text("half")
    (tmp_path / ".l.quorum-hardening-1234").write_text("half")
    land(ground, Entry("/f", b"x"))
    ground.link("/l", "f")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f", "l"]


def test_ground_says_what_is_wrong(ground: Ground, tmp_path: Path) -> None:
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "f").write_text("")
    with pytest.raises(HostError, match="/nowhere: the directory vanished"):
        ground.write_aside("/nowhere/f", b"", 0, 0, 0)
    with pytest.raises(HostError, match=re.escape("/gone: No such file")):
        ground.settle("/gone")
    with pytest.raises(HostError, match="/d: Is a directory"):
        ground.swap(ground.write_aside("/d", b"", os.geteuid(), os.getegid(), 0o644), "/d")
    with pytest.raises(HostError, match="/d: "):
        ground.remove("/d")
    with pytest.raises(HostError, match="/d: "):
        ground.link("/d", "x")
    with pytest.raises(HostError, match="File name too long"):
        ground.make_directory("/d/" + "x" * 300, os.geteuid(), os.getegid(), 0o755)
    assert not ground.remove_directory("/d")
    assert not ground.remove_directory("/no/where")
    ground.remove("/no/where")
    ground.settle("/")
    assert ground.remove_directory("/d/sub")
    assert ground.directory("/d/sub") is None


def test_errors_of_opening_directories_keep_their_words(ground: Ground) -> None:
    with pytest.raises(HostError, match="File name too long"):
        ground.seen("/" + "x" * 300 + "/f")


def test_names() -> None:
    names = Names()
    assert (names.user("root"), names.group("root")) == (0, 0)
    assert (names.user("4711"), names.group("4711")) == (4711, 4711)
    assert (names.user("no-such-name"), names.group("no-such-name")) == (None, None)
    assert names.of(0, 0) == "root:root"
    assert names.of(987654, 987654) == "987654:987654"
