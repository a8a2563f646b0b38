# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The score card of the terminal."""

from __future__ import annotations

from ansible_collections.quorum.hardening.plugins.module_utils import outputs
from ansible_collections.quorum.hardening.plugins.module_utils.scorecard import LINES, card, percent
from tests.unit.report_sample import phase, report


def test_card() -> None:
    lines = card(report(), "build/report/index.html")
    text = "\n".join(lines)
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 100
    assert lines[0] == "quorum.hardening 0.1.0 (0123456789ab) after, run 20261121T120000Z-abcdef"
    assert "strict    14.2 % \N{RIGHTWARDS ARROW} 28.5 %" in text
    assert "go-ethereum 1.10.3 (stand-in; geth in its place)" in text
    assert "Tessera (not deployed yet)" in text
    assert "validator2  HOST-02?, NODE-04?" in text
    assert "validator1  NODE-04 No unlocked account" in text
    assert "waivers: 1, of which HOST-02 ends 2026-12-01" in text
    assert lines[-1] == "  page      build/report/index.html"


def test_one_phase_has_no_arrow() -> None:
    text = "\n".join(card(outputs.compare(phase("before"), None), "p"))
    assert "\N{RIGHTWARDS ARROW}" not in text


def test_many_hosts_fit() -> None:
    made = report()
    made["results"] = [{**made["results"][1], "host": f"host{n}", "status": "fail"} for n in range(64)]
    lines = card(made, "p")
    assert len(lines) == LINES
    assert any("more hosts" in line for line in lines)


def test_nothing_fails_and_nothing_is_known() -> None:
    made = report()
    made.update(results=[], waivers=[], scores={"before": None, "after": None})
    made["head"]["commit"] = ""
    text = "\n".join(card(made, "p" * 200, width=60))
    assert "nothing fails" in text
    assert "waivers" not in text
    assert all(len(line) <= 60 for line in text.splitlines())


def test_a_waiver_far_away_is_only_counted() -> None:
    made = report()
    made["waivers"] = [{**made["waivers"][0], "days_left": 90}, {**made["waivers"][0], "days_left": -1}]
    assert "waivers: 2, of which HOST-02 ended 2026-12-01" in "\n".join(card(made, "p"))
    made["waivers"] = made["waivers"][:1]
    assert "  waivers: 1" in card(made, "p")


def test_percent() -> None:
    assert (percent(None), percent(83.3), percent(100.0)) == ("\N{EM DASH}", "83.3 %", "100.0 %")
