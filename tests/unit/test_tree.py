# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's tree and its manifest become."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quorum.hardening.plugins.module_utils.manifest import (
    ManifestError,
    entry,
    match,
    named_lines,
    unique,
)
from ansible_collections.quorum.hardening.plugins.module_utils.tree import (
    Entry,
    gather_wants,
    pack,
    secret_lines,
    selected,
    shown,
    unpack,
)

VALIDATORS = ("none", "sshd")


@given(
    st.lists(
        st.builds(
            Entry,
            path=st.text(min_size=1),
            content=st.binary(),
            owner=st.text(),
            mode=st.integers(0, 0o7777),
            secret=st.booleans(),
            wants=st.dictionaries(st.sampled_from(["reload", "restart"]), st.lists(st.text())),
            controls=st.lists(st.text()),
        )
    )
)
def test_what_is_packed_is_unpacked(entries: list[Entry]) -> None:
    assert unpack(pack(entries)) == entries


def test_a_packed_secret_cannot_be_read_off() -> None:
    assert "hunter2" not in pack([Entry("/x", b"hunter2", secret=True)])


@pytest.mark.parametrize(
    ("controls", "selection", "skipped", "expected"),
    [
        ([], [], [], True),
        ([], ["HOST-02"], [], True),
        (["HOST-02"], ["host-02"], [], True),
        (["HOST-02"], ["HOST-04"], [], False),
        (["HOST-02"], [], ["host-02"], False),
        (["HOST-02", "HOST-04"], [], ["HOST-02"], True),
        ([], [], ["HOST-02"], True),
        (["HOST-02"], ["HOST-02"], ["HOST-02"], False),
    ],
)
def test_selection(controls: list[str], selection: list[str], skipped: list[str], expected: bool) -> None:
    assert selected(controls, selection, skipped) is expected


def test_a_restart_makes_a_reload_needless() -> None:
    wants = gather_wants([{"reload": ["a", "b"]}, {"restart": ["b"]}, {}])
    assert wants == {"reload": ["a"], "restart": ["b"]}


@pytest.mark.parametrize(
    ("content", "secret", "part"),
    [
        (b"plain\n", False, "plain"),
        ("ünïcode\n".encode(), False, "ünïcode"),
        (b"token\n", True, "(secret, sha256 "),
        (b"\xff\xfe", False, "(binary, 2 bytes"),
        (b"a\0b", False, "(binary, 3 bytes"),
        (b"x" * 200_000, False, "(200000 bytes"),
        (b"", False, ""),
    ],
)
def test_shown(content: bytes, secret: bool, part: str) -> None:
    text = shown(content, secret)
    assert part in text
    assert not (secret and "token" in text)


def test_secret_lines_are_whole_and_long() -> None:
    entries = [Entry("/a", b"key=abcdefgh\nab\n", secret=True), Entry("/b", b"not secret at all\n")]
    assert secret_lines(entries) == {"key=abcdefgh\nab", "key=abcdefgh"}


def rows(*given_rows: Any, files: tuple[str, ...] = ("etc/a", "etc/b.j2")) -> Any:
    return match(list(given_rows), files, VALIDATORS)


def test_files_and_rows_pair() -> None:
    found = rows({"path": "etc/a"}, {"path": "etc/b", "controls": ["HOST-02"]}, {"path": "var/lib/x/"})
    assert [(row.path, row.source, row.template) for row in found] == [
        ("etc/a", "etc/a", False),
        ("etc/b", "etc/b.j2", True),
        ("var/lib/x/", "", False),
    ]
    assert found[1].controls == ("HOST-02",)


@pytest.mark.parametrize(
    ("given_rows", "said"),
    [
        ({"path": "etc/a"}, "a list of rows was expected"),
        ([{"path": "etc/a"}], "etc/b.j2: no row names this file"),
        ([{"path": "etc/a"}, {"path": "etc/b"}, {"path": "etc/c"}], "etc/c: no file in the tree"),
        ([{"path": "etc/a"}, {"path": "etc/b"}, {"path": "x", "source": "etc/a"}], "named by two rows"),
        (["etc/a"], "a mapping with a path"),
        ([{"path": 3}], "a mapping with a path"),
        ([{"path": "/etc/a"}], "relative to the tree"),
        ([{"path": "../a"}], "relative to the tree"),
        ([{"path": "etc/a", "ower": "x"}], "did you mean 'owner'"),
        ([{"path": "etc/a", "zzzz": "x"}], "unknown key 'zzzz'"),
        ([{"path": "etc/a", "mode": 420}], "quoted octal"),
        ([{"path": "etc/a", "mode": "0999"}], "quoted octal"),
        ([{"path": "etc/a", "validate": "bind"}], "validate is one of none, sshd"),
        ([{"path": "etc/a", "controls": ["host2"]}], "not the id of a control"),
        ([{"path": "etc/a", "wants": {"stop": "x"}}], "wants maps reload or restart"),
        ([{"path": "etc/a", "wants": ["x"]}], "wants maps reload or restart"),
        ([{"path": "etc/a", "secret": "yes"}], "secret is true or false"),
        ([{"path": "etc/a", "encoding": "hex"}], "the only encoding is base64, not 'hex'"),
    ],
)
def test_a_wrong_manifest_is_refused(given_rows: Any, said: str) -> None:
    with pytest.raises(ManifestError, match=said.replace("[", r"\[")):
        match(given_rows, ("etc/a", "etc/b.j2"), VALIDATORS)


def test_a_file_and_its_template_side_by_side() -> None:
    with pytest.raises(ManifestError, match=r"both etc/a and etc/a\.j2"):
        match([{"path": "etc/a"}], ("etc/a", "etc/a.j2"), VALIDATORS)


def test_entry_renders_its_texts() -> None:
    row = rows(
        {
            "path": "etc/a",
            "owner": "{u}",
            "mode": "0600",
            "wants": {"reload": "{u}.service", "restart": ["b"]},
            "secret": True,
        },
        {"path": "etc/b"},
    )[0]
    made = entry(row, lambda text, scope: text.format(**scope), {"u": "web"}, b"data")
    assert made == Entry(
        "/etc/a",
        b"data",
        "web",
        "root",
        0o600,
        secret=True,
        wants={"reload": ["web.service"], "restart": ["b"]},
        controls=[],
    )


def test_a_directory_row_is_open_by_default() -> None:
    row = match([{"path": "var/x/"}], (), VALIDATORS)[0]
    made = entry(row, lambda text, scope: text, {}, b"")
    assert made.directory
    assert made.mode == 0o755


def test_a_rendered_path_stays_inside() -> None:
    row = match([{"path": "etc/{n}", "source": "x"}], ("x",), VALIDATORS)[0]
    with pytest.raises(ManifestError, match="leaves the tree"):
        entry(row, lambda text, scope: text.format(**scope), {"n": "../../root"}, b"")


def test_two_rows_on_one_path() -> None:
    assert unique([Entry("/a"), Entry("/b")])
    with pytest.raises(ManifestError, match="/a: two rows land here"):
        unique([Entry("/a"), Entry("/a/")])


@pytest.mark.parametrize(
    ("problem", "lines"),
    [
        ("'nope' is undefined", [2, 3]),
        ("object of type 'dict' has no attribute 'zz'", [3]),
        ("'elsewhere' is undefined", []),
        ("division by zero", []),
    ],
)
def test_named_lines(problem: str, lines: list[int]) -> None:
    assert named_lines("a\n{{ nope }}\n{{ nope.zz }}\n", problem) == lines
