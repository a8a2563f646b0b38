# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role can be told is said three times (argument specification, defaults, README): each time the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.quorum.hardening.plugins.module_utils import inputs

ROLES = sorted(path for path in (Path(__file__).resolve().parents[2] / "roles").iterdir() if path.is_dir())
each_role = pytest.mark.parametrize("role", ROLES, ids=[role.name for role in ROLES])


def document(role: Path, path: str) -> Any:
    return yaml.safe_load((role / path).read_text(encoding="utf-8"))


def spec(role: Path) -> dict[str, dict[str, Any]]:
    return inputs.options(document(role, "meta/argument_specs.yml"))


def table(role: Path) -> dict[str, str]:
    """Variable -> what the README's table of variables says of its default."""
    text = (role / "README.md").read_text(encoding="utf-8").split("\n## Variables\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9_]+)` \|(.*?)\|", text, re.MULTILINE)
    assert len(rows) == len({name for name, _default in rows}), "a variable has two rows"
    return {name: default.strip() for name, default in rows}


def test_there_are_roles() -> None:
    assert {"host", "vault", "goquorum"} <= {role.name for role in ROLES}


@each_role
def test_defaults_are_those_of_the_specification(role: Path) -> None:
    # As text: 1, "1" and true are not the same default, though Python finds 1 and True equal.
    said = {name: repr(option["default"]) for name, option in spec(role).items() if "default" in option}
    assert {name: repr(value) for name, value in document(role, "defaults/main.yml").items()} == said


@each_role
def test_what_is_required_has_no_default_and_the_rest_has_one(role: Path) -> None:
    wrong = [name for name, option in spec(role).items() if bool(option.get("required")) == ("default" in option)]
    assert wrong == []


@each_role
def test_the_readme_names_every_option_and_nothing_else(role: Path) -> None:
    assert set(table(role)) == set(spec(role))


@each_role
def test_the_readme_says_which_options_are_required(role: Path) -> None:
    required = {name for name, option in spec(role).items() if option.get("required")}
    assert {name for name, default in table(role).items() if default == "required"} == required


@each_role
def test_a_literal_default_in_the_readme_is_the_real_one(role: Path) -> None:
    for name, default in table(role).items():
        literal = re.fullmatch(r"`(.*)`", default)
        if literal:
            assert spec(role)[name]["default"] in (literal[1], yaml.safe_load(literal[1])), name
