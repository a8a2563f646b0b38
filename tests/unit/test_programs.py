# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs from archives: whole or not at all, and noticed when touched."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import archive, programs
from ansible_collections.quorum.hardening.plugins.module_utils.archive import Pick, file_digest, members, picks, select
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError
from ansible_collections.quorum.hardening.plugins.module_utils.programs import Program

CONTENT = {"./bin/tool": b"#!/bin/sh\n", "lib/a.jar": b"a", "lib/sub/b.jar": b"b", "README": b"read"}


def tape(path: Path, content: dict[str, bytes], link: bool = True) -> str:
    with tarfile.open(path, "w:gz") as made:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755 if "bin/" in name else 0o644
            made.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo("bin/link")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/shadow"
            made.addfile(info)
    return str(path)


def pack(path: Path) -> str:
    with zipfile.ZipFile(path, "w") as made:
        made.mkdir("lib") if hasattr(made, "mkdir") else made.writestr("lib/", "")
        for name, data in CONTENT.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o755 if "bin/" in name else 0o644) << 16
            made.writestr(info, data)
    return str(path)


@pytest.fixture
def tarball(tmp_path: Path) -> str:
    return tape(tmp_path / "tool.tgz", CONTENT)


def program(tmp_path: Path, *rows: dict[str, str], **changes: Any) -> Program:
    return replace(Program("tool", "1.0", "", picks(rows), root=str(tmp_path / "host")), **changes)


@pytest.mark.parametrize("kind", [tape, pack])
def test_members_of_either_kind(tmp_path: Path, kind: Any) -> None:
    path = kind(tmp_path / "x") if kind is pack else kind(tmp_path / "x", CONTENT)
    with members(path) as found:
        assert [(m.name, m.executable) for m in found] == [
            ("bin/tool", True),
            ("lib/a.jar", False),
            ("lib/sub/b.jar", False),
            ("README", False),
        ]
        with found[1].open() as handle:
            assert handle.read() == b"a"


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        ([], {"bin/tool": 0o555, "lib/a.jar": 0o444, "lib/sub/b.jar": 0o444, "README": 0o444}),
        ([{"from": "bin/tool", "to": "geth"}], {"geth": 0o555}),
        ([{"from": "lib/", "to": "jars/"}], {"jars/a.jar": 0o444, "jars/sub/b.jar": 0o444}),
        ([{"from": "lib/", "to": "/"}], {"a.jar": 0o444, "sub/b.jar": 0o444}),
        ([{"from": "*.jar", "to": "x/"}], {"x/a.jar": 0o444, "x/b.jar": 0o444}),
        ([{"from": "README", "mode": "0777"}], {"README": 0o555}),
    ],
)
def test_picks(tarball: str, rows: list[dict[str, str]], places: dict[str, int]) -> None:
    with members(tarball) as found:
        assert {place: mode for place, (_member, mode) in select(found, picks(rows)).items()} == places


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"from": "nope"}], "nope: not in the archive; it holds bin/tool, lib/a.jar"),
        ([{"from": "lib/", "to": "one"}], "both lib/a.jar and lib/sub/b.jar land here"),
        ([{"from": "x", "to": "../y"}], "below the program's own directory"),
        ([{"from": "x", "to": "/etc/"}], "below the program's own directory"),
        ([{"from": "x", "mode": "rwx"}], "quoted octal"),
    ],
)
def test_wrong_picks(tarball: str, rows: list[dict[str, str]], said: str) -> None:
    with members(tarball) as found, pytest.raises(HostError, match=said):
        select(found, picks(rows))


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b"])
def test_a_name_that_leads_outside(tmp_path: Path, name: str) -> None:
    evil = tape(tmp_path / "evil.tgz", {name: b"x"}, link=False)
    with pytest.raises(HostError, match="leads out"):
        programs.install(program(tmp_path), evil)
    assert [p.name for p in (tmp_path / "host/opt/tool").iterdir()] == []


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x7fELF")
    with pytest.raises(HostError, match="not a tar or zip archive"), members(str(tmp_path / "x")):
        pass
    with pytest.raises(HostError, match="not in the archive; it holds nothing"):
        select([], [Pick("a", "b")])


def test_a_member_that_is_no_file(tarball: str) -> None:
    with tarfile.open(tarball) as made, pytest.raises(HostError, match="d: not a regular file"):
        info = tarfile.TarInfo("d")
        info.type = tarfile.DIRTYPE
        archive._open(made, info)


def test_installed_once_and_whole(tmp_path: Path, tarball: str) -> None:
    tool = program(tmp_path, sha256=file_digest(tarball))
    assert programs.inspect(tool).reasons == ["not installed"]
    state = programs.install(tool, tarball)
    assert state.whole
    assert programs.checksums(state)["lib/a.jar"] == programs.checksums(programs.inspect(tool))["lib/a.jar"]
    assert programs.inspect(tool).whole
    assert programs.inspect(replace(tool, sha256="")).whole
    found = {str(p.relative_to(tool.path)): p.stat().st_mode & 0o7777 for p in Path(tool.path).rglob("*")}
    assert found["bin"] == 0o755
    assert found["bin/tool"] == 0o555
    assert found["README"] == 0o444
    assert [p.name for p in Path(tool.home).iterdir()] == ["1.0"]


def test_the_wrong_archive_is_refused(tmp_path: Path, tarball: str) -> None:
    with pytest.raises(HostError, match=r"tool 1\.0: the archive arrived with sha256 [0-9a-f]{64}, not 00"):
        programs.install(program(tmp_path, sha256="00"), tarball)
    assert not (tmp_path / "host").exists()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda home: (home / "lib/a.jar").write_bytes(b"z"), "lib/a.jar: altered"),
        (lambda home: (home / "lib/a.jar").unlink(), "lib/a.jar: missing"),
        (lambda home: (home / "lib/a.jar").chmod(0o666), "lib/a.jar: mode 0666"),
        (lambda home: (home / "evil").write_text(""), "evil: does not belong here"),
        (lambda home: (home / "evil").symlink_to("/tmp"), "evil: does not belong here"),
        (lambda home: (home / "lib").chmod(0o777), "lib: not a directory of root, mode 0755"),
        (lambda home: ((home / "README").unlink(), (home / "README").symlink_to("x")), "README: not a file of root"),
    ],
)
def test_what_was_touched_is_noticed_and_healed(tmp_path: Path, tarball: str, harm: Any, reason: str) -> None:
    tool = program(tmp_path)
    programs.install(tool, tarball)
    harm(Path(tool.path))
    assert programs.inspect(tool).reasons == [reason]
    programs.install(tool, tarball)
    assert programs.inspect(tool).whole


def test_a_touched_but_equal_file_is_fine(tmp_path: Path, tarball: str) -> None:
    tool = program(tmp_path)
    programs.install(tool, tarball)
    os.utime(f"{tool.path}/README", (1, 1))
    assert programs.inspect(tool).whole


def test_another_order_is_another_installation(tmp_path: Path, tarball: str) -> None:
    tool = program(tmp_path)
    programs.install(tool, tarball)
    assert programs.inspect(replace(tool, sha256="11")).reasons == ["installed from another archive"]
    assert programs.inspect(replace(tool, picks=picks([{"from": "README"}]))).reasons == ["other members are asked for"]
    Path(tool.receipt).write_text("{}")
    assert programs.inspect(tool).reasons == ["no record of its installation"]


def test_current_is_turned_in_one_step(tmp_path: Path, tarball: str) -> None:
    tool = program(tmp_path, base="/srv/tool")
    programs.install(tool, tarball)
    assert programs.current(tool) == ""
    programs.point(tool)
    assert programs.current(tool) == "1.0"
    newer = replace(tool, version="1.1")
    programs.install(newer, tarball)
    programs.point(newer)
    assert os.readlink(tmp_path / "host/srv/tool/current") == "1.1"
    (tmp_path / "host/srv/tool/current").unlink()
    (tmp_path / "host/srv/tool/current").mkdir()
    with pytest.raises(HostError, match="not a symbolic link"):
        programs.point(newer)


@pytest.mark.parametrize(("name", "version", "count"), [("a", "1.0~rc1", 0), ("a/b", "..", 2), ("a", "current", 1)])
def test_names_become_parts_of_paths(tmp_path: Path, name: str, version: str, count: int) -> None:
    assert len(program(tmp_path, name=name, version=version).problems()) == count
