# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface as the specifications say it, and the numbers that stand in more than one place."""

from __future__ import annotations

import os
from typing import Any

import pytest
import yaml
from consortium_sample import inventory

from ansible_collections.quorum.hardening.plugins.module_utils import inputs
from ansible_collections.quorum.hardening.plugins.module_utils.model import CONSORTIUM_VARIABLES, PORTS, build
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(*path: str) -> Any:
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return yaml.safe_load(file)


def all_options() -> dict[str, dict[str, Any]]:
    found = inputs.options(read("playbooks", "vars", "consortium_spec.yml"))
    for role in sorted(os.listdir(os.path.join(ROOT, "roles"))):
        if os.path.exists(os.path.join(ROOT, "roles", role, "meta", "argument_specs.yml")):
            found.update(inputs.options(read("roles", role, "meta", "argument_specs.yml")))
    return found


@pytest.mark.parametrize("document", [None, {}, {"argument_specs": None}, {"argument_specs": {"other": {}}}, [1]])
def test_documents_without_options(document: object) -> None:
    assert inputs.options(document) == {}


def test_options_of_an_entry_point() -> None:
    document = {"argument_specs": {"main": {"options": {"host_x": {"type": "str"}}}}}
    assert inputs.options(document) == {"host_x": {"type": "str"}}


def test_all_that_is_set_is_checked() -> None:
    hostvars = inventory(("jump",), host_x="1", host_y=None)
    consortium, _findings = build(hostvars)
    case = Case(c=consortium, hostvars=hostvars, specs={"host": {"host_x": {"type": "int"}, "host_y": {}}})
    assert list(inputs.checks(case)) == [inputs.Check("jump", "host_x", {"type": "int"}, "1")]


def test_what_the_model_reads_is_part_of_the_interface() -> None:
    known = all_options()
    read_by_the_model = {*CONSORTIUM_VARIABLES, *(variable for variable, _default in PORTS.values())}
    assert sorted(read_by_the_model - set(known)) == []


def test_defaults_of_ports_are_the_same_in_model_and_roles() -> None:
    known = all_options()
    for variable, default in PORTS.values():
        assert known[variable].get("default") == default, variable


def test_every_option_says_what_it_is() -> None:
    for variable, option in all_options().items():
        assert option.get("description"), variable
        assert variable.startswith(tuple(f"{prefix}_" for prefix in inputs.PREFIXES)), variable
