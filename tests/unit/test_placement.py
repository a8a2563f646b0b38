# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules about places let pass; what they find is in ``broken_placement``."""

from __future__ import annotations

from typing import Any

import pytest
from consortium_sample import inventory, preflight

from ansible_collections.quorum.hardening.plugins.module_utils.rules_placement import COUNTRIES, neighbours


def found(**changes: Any) -> list[str]:
    return [f.variable for f in preflight(inventory(**changes)) if f.rule in ("regions", "segment-strangers")]


def test_neighbours_follow_from_the_flow_table() -> None:
    assert neighbours("privacy") == ("database", "tessera", "goquorum")
    assert neighbours("secrets") == ("vault", "tessera")


@pytest.mark.parametrize(
    ("region", "permitted"), [("CH", ["CH", "DE"]), ("CH-ZH", ["CH", "DE"]), ("CH-ZH", ["CH-ZH", "CH", "DE"])]
)
def test_a_part_of_a_permitted_country_is_permitted(region: str, permitted: list[str]) -> None:
    assert found(host_region=region, consortium_regions=permitted) == []


def test_a_country_is_more_than_its_permitted_part() -> None:
    assert "host_region" in found(host_region="CH", consortium_regions=["CH-ZH", "DE"])


def test_a_trial_need_not_say_where_but_may_not_contradict_itself() -> None:
    assert found(consortium_profile="test", consortium_regions=[], host_region="") == []
    assert found(consortium_profile="test", consortium_regions=["CH", "DE"], host_region="FR") == ["host_region"] * 6


def test_hosts_without_payloads_may_stand_anywhere() -> None:
    hostvars = inventory()
    for name in ("jump", "vault", "monitoring"):
        hostvars[name]["host_region"] = "SG"
    assert [f.line() for f in preflight(hostvars)] == []


def test_codes_are_those_of_the_standard() -> None:
    assert {"CH", "DE", "GB", "US", "ZW"} <= COUNTRIES
    assert not COUNTRIES & {"UK", "EU", "XX", "ZZ"}
    assert len(COUNTRIES) == 249
