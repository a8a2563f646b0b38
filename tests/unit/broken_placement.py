# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes about places: segments that hold a stranger, data in a jurisdiction that nobody has permitted."""

from __future__ import annotations

from broken_inventories import everywhere, on, register, row

BROKEN_PLACEMENT = [
    row(
        "monitoring in Tessera's segment",
        "segment-strangers monitoring host_addresses.privacy",
        "for database, tessera, goquorum alone",
        "no address in privacy",
        on("monitoring", host_addresses={"management": ["198.18.0.14"], "privacy": ["198.18.2.14"]}),
    ),
    row(
        "ledger node in the store's segment",
        "segment-strangers validator1 host_addresses.secrets",
        "for vault, tessera alone",
        "duty goquorum",
        on("validator1", host_addresses={"management": ["198.18.0.21"], "secrets": ["198.18.3.21"]}),
    ),
    row(
        "caller in Tessera's segment",
        "segment-strangers consortium consortium_clients[app].addresses",
        "lies in the segment privacy",
        "outside privacy",
        everywhere(consortium_clients=[{"name": "app", "addresses": ["198.18.2.128/25"], "csr": "x"}]),
    ),
    row(
        "administrators in the store's segment",
        "segment-strangers consortium host_administrator_networks",
        "lies in the segment secrets",
        "outside secrets",
        everywhere(host_administrator_networks=["198.18.0.5/32", "198.18.3.7"]),
    ),
    row(
        "another member's node in Tessera's segment",
        "segment-strangers consortium consortium_members[globex].nodes[node].addresses",
        "lies in the segment privacy",
        "outside privacy",
        register(lambda members: members[1]["nodes"][0].update(addresses=["198.18.2.51"])),
    ),
    row(
        "no jurisdiction named",
        "regions consortium consortium_regions",
        "no jurisdiction",
        "[CH, DE]",
        everywhere(consortium_regions=[]),
    ),
    row(
        "a jurisdiction that is none",
        "regions consortium consortium_regions",
        "no code of ISO 3166",
        "such as CH",
        everywhere(consortium_regions=["CH", "DE", "Europe"]),
    ),
    row(
        "database in a country that is not permitted",
        "regions database host_region",
        "not among the permitted jurisdictions (CH, DE)",
        "one of CH, DE",
        on("database", host_region="US"),
    ),
    row(
        "a country by another's name",
        "regions tessera host_region",
        "no code of ISO 3166",
        "two capital letters",
        on("tessera", host_region="UK"),
    ),
    row(
        "nobody knows where",
        "regions validator1 host_region",
        "nobody has said where this host stands",
        "one of CH, DE",
        on("validator1", host_region=""),
    ),
    row(
        "a member elsewhere",
        "regions consortium consortium_members[globex].region",
        "not among the permitted",
        "once the data has moved",
        register(lambda members: members[1].update(region="US")),
    ),
    row(
        "a member from nowhere",
        "regions consortium consortium_members[globex].region",
        "nobody has said where this member's nodes stand",
        "one of CH, DE",
        register(lambda members: members[1].pop("region")),
    ),
]
