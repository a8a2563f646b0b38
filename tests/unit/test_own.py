# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells the file watch of its own changes."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import own
from ansible_collections.quorum.hardening.plugins.module_utils.commands import Outcome


@pytest.fixture
def notes(tmp_path):
    (tmp_path / "aide").mkdir()
    return str(tmp_path / "aide" / "own")


def read(notes):
    with open(notes, encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def test_fingerprints_say_what_aide_would(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("/else where")
    who = f"{os.getuid()} {os.getgid()}"
    empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert own.fingerprint(f"{tmp_path}/file") == f"100640 {who} {empty} 0"
    assert own.fingerprint(f"{tmp_path}/link") == f"120777 {who} 0 /else where"
    assert own.fingerprint(str(tmp_path)).endswith(f"{who} 0 0")
    assert own.fingerprint(f"{tmp_path}/none") == own.ABSENT
    assert own.fingerprint(f"{tmp_path}/file/below") == own.ABSENT


def test_only_what_became_different_is_noted(tmp_path, notes):
    tree = tmp_path / "etc"
    tree.mkdir()
    (tree / "kept").write_text("same")
    (tree / "gone").write_text("old")
    with own.changes([f"{tree}/"], notes):
        (tree / "gone").unlink()
        (tree / "new").write_text("new")
    assert [(row["path"], row["before"] == "absent", row["after"] == "absent") for row in read(notes)] == [
        (f"{tree}/gone", False, True),
        (f"{tree}/new", True, False),
    ]


def test_a_change_that_fails_halfway_is_noted_with_its_directories(tmp_path, notes):
    path = tmp_path / "a" / "b"
    with pytest.raises(OSError, match="disk"), own.changes([str(path)], notes):
        path.parent.mkdir()
        path.write_text("half")
        raise OSError("disk full")
    assert [row["path"] for row in read(notes)] == [str(path.parent), str(path)]


def test_what_is_wholly_ours_counts_whatever_was_before(tmp_path, notes):
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "geth").write_text("x")
    own.landed([f"{tmp_path}/opt/"], notes)
    mine = [row for row in read(notes) if row["path"] == f"{tmp_path}/opt/geth"]
    assert [row["before"] for row in mine] == [own.ANY]


def test_without_a_watch_nothing_is_written(tmp_path):
    with own.changes([f"{tmp_path}/x"], f"{tmp_path}/none/own"):
        (tmp_path / "x").write_text("x")
    assert not (tmp_path / "none").exists()


def test_the_watch_is_started_only_when_there_is_something_to_tell(notes):
    asked = []

    def runner(argv, stdin="", timeout=None):
        asked.append(argv)
        return Outcome(len(asked) - 1, "", "no such unit")

    assert own.tell(runner, notes) == ""
    assert asked == []
    with open(notes, "w", encoding="utf-8"):
        pass
    assert own.tell(runner, notes) == ""
    assert own.tell(runner, notes) == "no such unit"
    assert "--no-block" in asked[0]
