# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network picture and its table."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils.picture import Party, Row, flow_rows, layout, svg
from tests.unit.report_sample import PICTURE


def flow(name: str = "p2p", **more: Any) -> dict[str, Any]:
    whole = {"name": name, "source": "goquorum", "target": "goquorum", "protocol": "tcp", "port": 30303}
    return {**whole, "segment": "ledger", "why": "blocks", **more}


def drawn(*edges: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**PICTURE, "edges": list(edges), **more}


def rows(picture: dict[str, Any], lane: str = "ledger") -> tuple[Row, ...]:
    return next(item for item in layout(picture)[1] if item.name == lane).rows


def test_parties_stand_from_the_way_in_to_the_innermost() -> None:
    servers = flow("dns", source="every host", target="dns servers", target_addresses=["198.18.0.3"], port=53)
    parties, _lanes = layout(drawn(*PICTURE["edges"], servers))
    assert [party.name for party in parties] == ["administrators", "jump", "goquorum", "vault", "dns servers"]
    assert parties[0] == Party("administrators", ("198.18.0.1",), False, frozenset({"management"}))
    assert parties[2] == Party("goquorum", ("validator1", "validator2"), True, frozenset({"management", "ledger"}))


@pytest.mark.parametrize(
    ("edge", "sources", "targets"),
    [
        (flow(source_addresses=["198.18.1.21"], target_addresses=["198.18.1.22"]), ("goquorum",), ("goquorum",)),
        (flow(source="member_nodes", source_addresses=["198.18.1.50"]), ("member nodes",), ("goquorum",)),
        (flow(source_addresses=["198.18.1.21", "198.18.1.50"], source="mixed"), ("goquorum", "mixed"), ("goquorum",)),
        (flow(source="every host", target="vault"), ("goquorum", "jump", "vault"), ("vault",)),
        (flow(source="validator1", target="vault"), ("goquorum",), ("vault",)),
        (flow(source="", target="jump"), ("outside",), ("jump",)),
        (flow(source_hosts=["jump"], source_addresses=["2001:db8::2/128"]), ("jump", "goquorum"), ("goquorum",)),
    ],
)
def test_ends_are_found_by_host_by_address_and_by_name(
    edge: dict[str, Any], sources: tuple[str, ...], targets: tuple[str, ...]
) -> None:
    (row,) = rows(drawn(edge))
    assert row.targets == targets
    assert set(row.sources) >= set(sources[:1])
    assert len(row.sources) == len(sources)


def test_rows_of_one_name_and_port_are_one_line() -> None:
    edges = [flow(), flow(protocol="udp", why="finding each other"), flow(source="member nodes", target="goquorum")]
    (row,) = rows(drawn(*edges))
    assert row.label == "p2p 30303/tcp/udp"
    assert row.whys == ("blocks", "finding each other")
    assert row.sources == ("goquorum", "member nodes")


def test_a_flow_outside_all_segments_gets_a_lane() -> None:
    lanes = layout(drawn(flow(segment="outside")))[1]
    assert [lane.name for lane in lanes] == ["management", "ledger", "outside"]


def test_segments_may_be_a_mapping() -> None:
    segments = {"management": {"cidrs": ["198.18.0.0/24"]}, "ledger": ["198.18.1.0/24"], "odd": None}
    lanes = layout(drawn(segments=segments))[1]
    assert [lane.cidrs for lane in lanes] == [("198.18.0.0/24",), ("198.18.1.0/24",), ()]


def test_many_addresses_are_counted() -> None:
    edge = flow(source="clients", source_addresses=[f"203.0.113.{n}" for n in range(9)])
    parties, _lanes = layout(drawn(edge))
    assert parties[0].lines == ("203.0.113.0", "203.0.113.1", "203.0.113.2", "and 6 more")


def test_a_host_with_two_duties_or_none_still_stands() -> None:
    hosts = [{"name": "a", "duties": ["vault", "tessera"]}, {"name": "b"}, {"name": "c", "duty": "jump"}]
    parties, _lanes = layout({"hosts": [*hosts, {"name": "d", "managed": False}]})
    assert [party.name for party in parties] == ["jump", "tessera+vault", "b"]


def test_svg_is_well_formed_and_escaped() -> None:
    backwards = flow("log", source="vault", target="jump", segment="management", why="")
    picture = drawn(*PICTURE["edges"], flow(), flow("rpc", source="clients", port=8545), backwards)
    root = ElementTree.fromstring(svg(picture))
    space = "{http://www.w3.org/2000/svg}"
    assert [group[0].text for group in root.iter(f"{space}g")] == [
        "ssh-jump 22/tcp; administrators <enter> here",
        "log 30303/tcp",
        "p2p 30303/tcp; blocks",
        "rpc 8545/tcp; blocks",
    ]
    assert root.get("role") == "img"
    labels = [text.text for text in root.iter(f"{space}text") if text.get("class") == "flow-name"]
    assert labels[0] == "ssh-jump 22/tcp"
    assert len([circle for circle in root.iter(f"{space}circle") if circle.get("class") == "both"]) == 1


def test_no_picture() -> None:
    assert svg({}) == ""
    assert flow_rows({}) == []


def test_table() -> None:
    (row,) = flow_rows(PICTURE)
    assert row["port"] == "22/tcp"
    assert row["source_addresses"] == "198.18.0.1"
    assert row["controls"] == "HOST-02"
