# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's tree is rendered on the controller; what is wrong with it is named with its place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.quorum.hardening.plugins.action.overlay import Tree
from ansible_collections.quorum.hardening.plugins.module_utils.tree import Entry

VARS = {"admins": ["alice", "bob"], "nested": trust_as_template("{{ admins | first }}"), "off": False, "word": "x"}


class Role:
    def __init__(self, base: Path) -> None:
        self._base = base
        (base / "overlay/etc").mkdir(parents=True)

    def file(self, path: str, content: bytes | str) -> None:
        place = self._base / "overlay" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())

    def entries(self, manifest: str) -> list[Entry]:
        (self._base / "overlay.yml").write_text(manifest)
        loader = DataLoader()
        action: Any = SimpleNamespace(_loader=loader, _templar=Templar(loader=loader, variables={}))
        tree = Tree(action, str(self._base / "overlay"), str(self._base / "overlay.yml"), dict(VARS))
        return [entry for row in tree.rows() for entry in tree.entries(row)]


@pytest.fixture
def role(tmp_path: Path) -> Role:
    return Role(tmp_path)


def test_templates_are_rendered_and_other_files_are_not(role: Role) -> None:
    role.file(
        "etc/a.j2",
        "{% for a in admins %}\n  {% if true %}\n{{ a }} ü \\n {{ nested }}\n  {% endif %}\n{% endfor %}\nend\n",
    )
    role.file("etc/b", b"\xff\0{{ nope }}")
    role.file("etc/empty.j2", "")
    found = role.entries("- {path: etc/a}\n- {path: etc/b}\n- {path: etc/empty}\n")
    assert found[0].content.decode() == "alice ü \\n alice\nbob ü \\n alice\nend\n"
    assert found[1].content == b"\xff\0{{ nope }}"
    assert found[2].content == b""


def test_a_file_that_is_no_text_comes_as_base64(role: Role) -> None:
    role.file("usr/program.j2", "{{ 'AAH/' }}\n")
    (made,) = role.entries("- {path: usr/program, encoding: base64}")
    assert made.content == b"\0\1\xff"


def test_a_template_may_include_another_of_its_tree_and_knows_where_it_goes(role: Role) -> None:
    role.file("etc/a.j2", "{% include 'etc/part' %}{{ template_destpath }}")
    role.file("etc/part", "part of {{ word }}; ")
    found = role.entries("- {path: etc/a}\n- {path: etc/part}\n")
    assert found[0].content == b"part of x; /etc/a"


def test_rows_are_repeated_and_left_out(role: Role) -> None:
    role.file("etc/item.j2", "I am {{ item }}")
    role.file("etc/never", "")
    found = role.entries(
        '- {path: "etc/{{ item }}.conf", source: etc/item.j2, foreach: admins, owner: "{{ item }}"}\n'
        "- {path: etc/never, when: [true, off]}\n"
        "- {path: var/never/, when: off}\n"
        "- {path: var/no/, when: false}\n"
    )
    assert [(e.path, e.content, e.owner) for e in found] == [
        ("/etc/alice.conf", b"I am alice", "alice"),
        ("/etc/bob.conf", b"I am bob", "bob"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("one\n{{ nope }}\n", r"etc/a\.j2, line 2: 'nope' is undefined"),
        ("{{ nope }}\n\n{{ nope }}", r"etc/a\.j2, lines 1, 3: 'nope' is undefined"),
        ("one\n{% if %}\n", r"etc/a\.j2, line 2: .*[Ss]yntax error"),
        ("{{ word | nofilter }}", r"etc/a\.j2, line 1: .*nofilter"),
        ("{{ 1 / 0 }}", r"etc/a\.j2: .*division by zero"),
    ],
)
def test_a_faulty_template_is_named_with_its_line(role: Role, content: str, said: str) -> None:
    role.file("etc/a.j2", content)
    with pytest.raises(AnsibleActionFail, match=said):
        role.entries("- {path: etc/a}\n")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("- {path: etc/b}\n", "etc/a: no row names this file"),
        ("- [", r"overlay\.yml:\n"),
        ("- {path: etc/a, foreach: word}", "foreach names a list, word is none"),
        ("- {path: etc/a, when: nope}", "nope: .*undefined"),
        ('- {path: "etc/{{ nope }}", source: etc/a}', "'nope' is undefined"),
        ('- {path: "etc/{{ \\".\\" ~ \\".\\" }}/x", source: etc/a}', "leaves the tree"),
    ],
)
def test_a_faulty_manifest_is_named(role: Role, manifest: str, said: str) -> None:
    role.file("etc/a", "")
    with pytest.raises(AnsibleActionFail, match=said):
        role.entries(manifest)


def test_without_a_manifest(role: Role, tmp_path: Path) -> None:
    action: Any = SimpleNamespace(_loader=DataLoader(), _templar=Templar(loader=DataLoader(), variables={}))
    with pytest.raises(AnsibleActionFail, match="No such file"):
        Tree(action, str(tmp_path / "overlay"), str(tmp_path / "none.yml"), {}).rows()


def test_links_have_no_place_in_the_tree(role: Role, tmp_path: Path) -> None:
    (tmp_path / "overlay/etc/l").symlink_to("/etc")
    with pytest.raises(AnsibleActionFail, match="a symbolic link has no place"):
        role.entries("- {path: etc/l}\n")
