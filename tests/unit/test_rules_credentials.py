# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight says of codes and passwords once it has looked at the hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from consortium_sample import inventory, preflight
from jinja2 import Environment

from ansible_collections.quorum.hardening.plugins.module_utils.rules_credentials import truth, wants_second_factor

DEBIAN = {"distribution": "debian", "version": "12"}


def look(passwords: tuple[str, ...] = (), second_factors: tuple[str, ...] = (), user: str = "ops") -> dict[str, Any]:
    found = {"passwords": list(passwords), "second_factors": list(second_factors), "user": user}
    return {**DEBIAN, "credentials": found}


def said(host: str, seen: dict[str, Any], enrolled: bool = True, **variables: Any) -> list[tuple[str, str]]:
    hostvars = inventory()
    hostvars[host].update(variables)
    found = preflight(hostvars, looks={host: seen}, enrolled=enrolled)
    return [(f.rule, f.problem) for f in found if f.rule in ("second-factor", "sudo-asks")]


def test_who_has_both_is_let_through() -> None:
    assert said("vault", look(("ops",), ("ops",))) == []


def test_the_runs_own_account_is_named() -> None:
    rules = said("vault", look())
    assert [rule for rule, _problem in rules] == ["second-factor", "sudo-asks"]
    assert all(problem.startswith("ops, as whom this run logs in, has no") for _rule, problem in rules)


def test_an_account_that_only_sshs_own_configuration_knows_is_taken_from_the_host() -> None:
    rules = said("database", look(("ops",), (), user="alice"), ansible_user="")
    assert [rule for rule, _problem in rules] == ["sudo-asks"]
    assert "alice" in rules[0][1]


def test_another_ones_second_factor_helps_the_run_nothing() -> None:
    assert [rule for rule, _problem in said("vault", look(("ops",), ("alice",)))] == ["second-factor"]


def test_out_of_band_it_is_enough_that_somebody_can_come_in() -> None:
    docker = {"ansible_connection": "community.docker.docker"}
    assert said("vault", look((), ("alice",)), **docker) == []
    rules = said("vault", look((), ("stranger",)), **docker)
    assert len(rules) == 1
    assert "nobody could log in" in rules[0][1]


def test_who_begins_as_root_must_be_able_to_go_on_as_the_first_administrator() -> None:
    rules = said("database", look(user="root"), ansible_user="root")
    assert [rule for rule, _problem in rules] == ["sudo-asks"]
    assert rules[0][1].startswith("ops, as whom this run goes on once root is shut out, has no password")
    assert said("database", look(user="root"), ansible_user="root", host_sudo_asks=False) == []
    assert said("vault", look(("ops",), ("ops",), user="root"), ansible_user="root") == []


def test_nothing_is_asked_while_identities_are_made() -> None:
    assert said("vault", look(), enrolled=False) == []


def test_nothing_is_asked_where_nobody_looked() -> None:
    assert said("vault", DEBIAN) == []


def test_what_is_turned_off_is_not_asked_for() -> None:
    assert said("vault", look(), host_sudo_asks="no", host_skip_controls=["PTM-10"]) == []


@pytest.mark.parametrize(
    ("value", "default", "wanted"),
    [
        (None, True, True),
        (None, False, False),
        ("no", True, False),
        ("Yes", False, True),
        (1, False, True),
        (0, True, False),
    ],
)
def test_truth(value: Any, default: bool, wanted: bool) -> None:
    assert truth(value, default) is wanted


@pytest.mark.parametrize("duty", ["vault", "jump"])
@pytest.mark.parametrize("skipped", [[], ["PTM-10"], ["HOST-02"]])
def test_the_default_is_that_of_the_role(duty: str, skipped: list[str]) -> None:
    defaults = yaml.safe_load((Path(__file__).resolve().parents[2] / "roles/host/defaults/main.yml").read_text())
    rendered = (
        Environment(autoescape=True)
        .from_string(defaults["host_ssh_second_factor"])
        .render(group_names=[duty, "quorum"], host_skip_controls=skipped)
    )
    assert rendered == str(wants_second_factor([duty], skipped, None))
