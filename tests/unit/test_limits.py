# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one source may take of a flow, and all together: in the table of limits and in the rendered rules."""

from __future__ import annotations

import re

import pytest
from consortium_sample import consortium

from ansible_collections.quorum.hardening.plugins.module_utils import limits
from ansible_collections.quorum.hardening.plugins.module_utils.flows import ROWS, flows
from ansible_collections.quorum.hardening.plugins.module_utils.ruleset import ruleset


def of_flow(text: str, name: str, family: str = "ip") -> list[str]:
    """Input rules of a flow and an IP version, in the order of the text."""
    return [line for line in text.splitlines() if f'comment "{name}: ' in line and f"\t{family} saddr" in line]


@pytest.mark.parametrize("family", ["ip", "ip6"])
@pytest.mark.parametrize("name", sorted(limits.ARRIVING))
def test_each_ceiling_stands_before_its_flow_is_let_in(name: str, family: str) -> None:
    c, limit = consortium(goquorum_discovery=True), limits.ARRIVING[name]
    for host in {host for flow in flows(c) if flow.name == name for host in flow.target_hosts}:
        rules = of_flow(ruleset(c, host), name, family)
        cuts = [number for number, rule in enumerate(rules) if "goto in_flood" in rule]
        accepts = [number for number, rule in enumerate(rules) if " accept " in rule]
        each = bool(limit.rate) + bool(limit.held) + bool(limit.total)
        assert len(cuts) == each * len(accepts)
        assert all(number in cuts for accept in accepts for number in range(accept - each, accept))


def test_no_source_can_use_up_what_is_there_for_all() -> None:
    assert all(limit.held < limit.total for limit in limits.ARRIVING.values() if limit.held and limit.total)


def test_nothing_ever_cuts_the_validators_from_each_other() -> None:
    for host in ("validator1", "validator4"):
        text = ruleset(consortium(), host)
        rules = [line for line in text.splitlines() if "dport 30303" in line]
        assert rules
        assert not any("goto" in rule or "limit" in rule or "ct count" in rule for rule in rules)
        assert "p2p" not in "".join(re.findall(r"\tset (\w+)", text))


def test_a_jump_host_bears_a_run_on_all_hosts_at_once() -> None:
    c = consortium()
    rules = "".join(of_flow(ruleset(c, "jump"), "ssh-jump"))
    assert f"burst {60 + 10 * len(c.hosts)} packets" in rules
    assert f"ct count over {64 + 8 * len(c.hosts)} " in rules
    assert "burst 60 packets" in "".join(of_flow(ruleset(c, "vault"), "ssh"))


def test_every_flow_of_the_table_has_its_row_of_limits() -> None:
    assert set(limits.ARRIVING) == {row.name for row in ROWS}
    assert set(limits.LEAVING) < set(limits.ARRIVING)


def test_limits_in_words() -> None:
    flow = next(flow for flow in flows(consortium()) if flow.name == "rpc")
    assert limits.spelled(flow, limits.ARRIVING["rpc"]) == [
        "tcp 8545 new 50/second burst 200",
        "tcp 8545 held 64 by one source",
        "tcp 8545 held 384 in all",
    ]
    assert limits.spelled(flow, limits.Limit()) == []
