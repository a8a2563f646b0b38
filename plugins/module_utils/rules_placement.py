# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the preflight about where things are: who stands in which segment, and which data in which jurisdiction."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.quorum.hardening.plugins.module_utils.entities import CONSORTIUM, DUTIES, Consortium
from ansible_collections.quorum.hardening.plugins.module_utils.flows import ROWS, segment_of
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule

_CODES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
#: Country codes of ISO 3166-1 (alpha-2).
COUNTRIES = frozenset(_CODES.split())
#: A country, or a part of one as in ISO 3166-2 (CH-ZH).
_REGION = re.compile(r"([A-Z]{2})(-[A-Z0-9]{1,3})?")
#: Duties that keep payload data: the public one in the ledger, the private one at Tessera and in its database.
PAYLOAD_DUTIES = ("database", "tessera", "goquorum")
#: Segments that are nobody's but their duties' own.
CLOSED = ("privacy", "secrets")


def neighbours(segment: str) -> tuple[str, ...]:
    """Duties that the flow table gives an address in a segment."""
    ends = {end for row in ROWS if row.segment == segment for end in (row.source, row.target)}
    return tuple(duty for duty in DUTIES if duty in ends)


def strangers(case: Case) -> Iterator[Fault]:
    """Machines in a closed segment that have no business there."""
    for segment in CLOSED:
        allowed = neighbours(segment)
        problem = f"stands in the segment {segment}, which is for {', '.join(allowed)} alone"
        for host in case.hosts():
            if host.leg(segment) and host.duties and not set(host.duties) & set(allowed):
                value = ", ".join(host.leg(segment))
                advice = f"no address in {segment} for a host of the duty {host.duties[0]}"
                yield host.name, f"host_addresses.{segment}", value, problem, advice
    for path, address in _others(case.c):
        segment = segment_of(case.c, address.partition("/")[0])
        if segment in CLOSED:
            problem = f"lies in the segment {segment}, which is for {', '.join(neighbours(segment))} alone"
            yield CONSORTIUM, path, address, problem, f"an address outside {segment}"


def _others(c: Consortium) -> Iterator[tuple[str, str]]:
    """Addresses of machines that are no managed hosts: callers, administrators, other members' ledger nodes."""
    for client in c.clients:
        for address in client.addresses:
            yield f"consortium_clients[{client.name}].addresses", address
    for network in sorted({network for host in c.with_duty("jump") for network in host.administrator_networks}):
        yield "host_administrator_networks", network
    for member in c.others():
        for node in member.nodes:
            for address in node.addresses:
                yield f"consortium_members[{member.name}].nodes[{node.name}].addresses", address


def regions(case: Case) -> Iterator[Fault]:
    """Payload data outside the permitted jurisdictions (CONS-03)."""
    permitted, strict = case.c.regions, case.c.profile == "production"
    variable = "consortium_regions"
    for code in permitted:
        yield from _code(CONSORTIUM, variable, code)
    keepers = [host for host in case.hosts() if set(host.duties) & set(PAYLOAD_DUTIES)]
    if strict and keepers and not permitted:
        problem = "no jurisdiction is named in which payload data may be stored"
        yield CONSORTIUM, variable, "", problem, "a list of ISO 3166 codes, as the consortium has agreed: [CH, DE]"
    for host in keepers:
        if strict and not host.region:
            problem = "nobody has said where this host stands, and it keeps payload data"
            yield host.name, "host_region", "", problem, _choice(permitted)
        yield from _place(host.name, "host_region", host.region, permitted)
    for member in case.c.members:
        path = f"consortium_members[{member.name}].region"
        if strict and not member.region and member.nodes and member.name != case.c.organisation:
            problem = "nobody has said where this member's nodes stand, and they keep the ledger's data"
            yield CONSORTIUM, path, "", problem, _choice(permitted)
        yield from _place(CONSORTIUM, path, member.region, permitted)


def _place(host: str, variable: str, region: str, permitted: tuple[str, ...]) -> Iterator[Fault]:
    if not region:
        return
    faults = list(_code(host, variable, region))
    yield from faults
    if not faults and permitted and not {region, region.partition("-")[0]} & set(permitted):
        problem = f"is not among the permitted jurisdictions ({', '.join(permitted)})"
        yield host, variable, region, problem, f"{_choice(permitted)}, once the data has moved there"


def _code(host: str, variable: str, code: str) -> Iterator[Fault]:
    match = _REGION.fullmatch(code)
    if match is None or match[1] not in COUNTRIES:
        advice = "two capital letters of ISO 3166-1, such as CH, or a part of a country as in ISO 3166-2, such as CH-ZH"
        yield host, variable, code, "is no code of ISO 3166", advice


def _choice(permitted: tuple[str, ...]) -> str:
    return "one of " + ", ".join(permitted) if permitted else "the ISO 3166 code of the country"


RULES = (
    Rule("segment-strangers", ("PTM-01", "PTM-06", "PTM-09"), strangers),
    Rule("regions", ("CONS-03",), regions),
)
