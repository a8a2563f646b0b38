# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network picture: who may talk to whom, as one inline SVG.

It is drawn as a score: each duty or outside party is a vertical line, each segment a lane, each flow a row in the lane
of its segment. No line ever crosses another row, so it stays readable however many flows there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

LABELS, COLUMN, ROW, PAD, LINE = 122, 108, 36, 16, 15
#: Duties from the way in to the innermost; what is not listed stands behind them.
ORDER = ("jump", "goquorum", "tessera", "database", "vault", "monitoring")
EVERYBODY = frozenset({"all", "any", "every", "every host", "every_host", "host", "hosts", "quorum"})


@dataclass(frozen=True)
class Party:
    """One vertical line: a duty with its hosts, or somebody outside (``inside`` False). ``segments`` it stands in."""

    name: str
    lines: tuple[str, ...]
    inside: bool
    segments: frozenset[str]


@dataclass(frozen=True)
class Row:
    """One flow between parties, by name: all that share name and port, whatever the protocol and the direction."""

    name: str
    port: str
    protocols: tuple[str, ...]
    whys: tuple[str, ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name, port and protocols, as the picture writes them."""
        return f"{self.name} {'/'.join([self.port, *self.protocols])}"


@dataclass(frozen=True)
class Lane:
    """One segment with its networks and the flows in it."""

    name: str
    cidrs: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass
class _Outside:
    """What is known of a party that the inventory does not manage, gathered flow by flow."""

    addresses: list[str] = field(default_factory=list)
    segments: set[str] = field(default_factory=set)
    speaks: bool = False


def _listed(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [address for item in value.values() for address in _listed(item)]
    return [str(item) for item in value] if isinstance(value, Iterable) else []


def _duty(host: Mapping[str, Any]) -> str:
    duties = _listed(host.get("duties") or host.get("duty"))
    return "+".join(sorted(duties)) if duties else str(host["name"])


def _segments(picture: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """Return name and networks of each segment; the picture may hold them as a list or as a mapping."""
    raw = picture.get("segments") or ()
    if isinstance(raw, Mapping):
        raw = [{"name": n, "cidrs": v.get("cidrs") if isinstance(v, Mapping) else v} for n, v in raw.items()]
    return [(str(item["name"]), tuple(_listed(item.get("cidrs")))) for item in raw]


def _short(address: str) -> str:
    return address[:-3] if address.endswith("/32") else address[:-4] if address.endswith("/128") else address


def _ends(
    edge: Mapping[str, Any], end: str, hosts: Sequence[Mapping[str, Any]], by_address: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return the duties at one end of a flow, and the addresses there which belong to no managed host."""
    name = str(edge.get(end) or "")
    members = _listed(edge.get(f"{end}_hosts"))
    addresses = [_short(address) for address in _listed(edge.get(f"{end}_addresses"))]
    duties = [_duty(host) for host in hosts if str(host["name"]) in members]
    duties += [by_address[address] for address in addresses if address in by_address]
    strangers = [address for address in addresses if address not in by_address]
    if not addresses and not duties:
        known = {_duty(host) for host in hosts}
        named = [_duty(host) for host in hosts if name in (str(host["name"]), *_duty(host).split("+"))]
        duties = sorted(known) if name.lower() in EVERYBODY else named
    return list(dict.fromkeys(duties)), list(dict.fromkeys(strangers))


def layout(picture: Mapping[str, Any]) -> tuple[list[Party], list[Lane]]:
    """Return the parties from left to right and the lanes from top to bottom.

    picture: ``segments`` (list of {name, cidrs}), ``hosts`` (list of {name, duties, addresses: segment -> addresses}),
    ``edges`` (list of {name, source, source_addresses, target, target_addresses, protocol, port, segment, why}).
    Flow ends are matched to hosts by address, and by name where an end has no addresses.
    """
    hosts = [host for host in picture.get("hosts") or () if host.get("managed", True)]
    by_address = {_short(a): _duty(host) for host in hosts for a in _listed(host.get("addresses"))}
    outside: dict[str, _Outside] = {}
    rows: dict[str, dict[tuple[str, str], Row]] = {}
    for edge in picture.get("edges") or ():
        ends = {}
        segment = str(edge.get("segment") or "")
        for end in ("source", "target"):
            duties, strangers = _ends(edge, end, hosts, by_address)
            if strangers or not duties:
                name = str(edge.get(end) or "outside").replace("_", " ")
                party = outside.setdefault(name, _Outside())
                party.addresses += [address for address in strangers if address not in party.addresses]
                party.segments.add(segment)
                party.speaks = party.speaks or end == "source"
                duties.append(name)
            ends[end] = tuple(duties)
        _merge(rows.setdefault(segment, {}), edge, ends)
    parties = _parties(hosts, outside)
    known = _segments(picture)
    known += [(name, ()) for name in rows if name not in {segment for segment, _cidrs in known}]
    return parties, [Lane(name, cidrs, tuple(rows.get(name, {}).values())) for name, cidrs in known]


def _merge(rows: dict[tuple[str, str], Row], edge: Mapping[str, Any], ends: Mapping[str, tuple[str, ...]]) -> None:
    """Add a flow to the rows of its lane; one that is there already only gains what is new about it."""
    name, port = str(edge.get("name") or "flow"), str(edge.get("port") or "any")
    protocol, why = str(edge.get("protocol") or edge.get("proto") or ""), str(edge.get("why") or "")
    old = rows.get((name, port), Row(name, port, (), (), (), ()))
    rows[name, port] = Row(
        name,
        port,
        _union(old.protocols, [protocol] if protocol else []),
        _union(old.whys, [why] if why else []),
        _union(old.sources, ends["source"]),
        _union(old.targets, ends["target"]),
    )


def _union(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*old, *new)))


def _parties(hosts: Sequence[Mapping[str, Any]], outside: Mapping[str, _Outside]) -> list[Party]:
    duties = dict.fromkeys(_duty(host) for host in hosts)
    ranked = sorted(duties, key=lambda duty: ORDER.index(duty) if duty in ORDER else len(ORDER))
    inside = []
    for duty in ranked:
        members = [host for host in hosts if _duty(host) == duty]
        stands = {str(s) for host in members for s, a in dict(host.get("addresses") or {}).items() if a}
        inside.append(Party(duty, tuple(str(host["name"]) for host in members), True, frozenset(stands)))
    strangers = [(Party(n, _some(o.addresses), False, frozenset(o.segments)), o.speaks) for n, o in outside.items()]
    left = [party for party, speaks in strangers if speaks]
    return [*left, *inside, *(party for party, speaks in strangers if not speaks)]


def _some(addresses: Sequence[str]) -> tuple[str, ...]:
    return tuple(addresses) if len(addresses) <= 4 else (*addresses[:3], f"and {len(addresses) - 3} more")


def svg(picture: Mapping[str, Any]) -> str:
    """Return the picture as one ``<svg>`` element, styled by the classes of the page; '' when there is nothing."""
    parties, lanes = layout(picture)
    if not parties:
        return ""
    x = {party.name: LABELS + COLUMN * number + COLUMN // 2 for number, party in enumerate(parties)}
    width = LABELS + COLUMN * len(parties)
    top = 30 + LINE * max(len(party.lines) + len(_words(party)) - 1 for party in parties) + 16
    heights = [max(58, 2 * PAD + ROW * len(lane.rows)) for lane in lanes]
    height = top + sum(heights) + 8
    said = f"{len(parties)} parties in {len(lanes)} network segments; the table below lists every flow."
    out = [
        f'<svg class="net" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' aria-label={quoteattr(said)} xmlns="http://www.w3.org/2000/svg">'
    ]
    y = top
    for number, (lane, tall) in enumerate(zip(lanes, heights)):
        out += _lane(lane, number, y, tall, width)
        out += [_lifeline(x[party.name], y, tall, lane.name in party.segments) for party in parties]
        y += tall
    y = top
    for lane, tall in zip(lanes, heights):
        for row_number, row in enumerate(lane.rows):
            out += _flow(row, x, y + PAD + ROW * row_number + ROW - 12)
        y += tall
    for party in parties:
        out += _box(party, x[party.name], top)
    return "\n".join([*out, "</svg>"])


def _lane(lane: Lane, number: int, y: int, tall: int, width: int) -> list[str]:
    shade = "lane odd" if number % 2 else "lane"
    out = [f'<rect class="{shade}" x="0" y="{y}" width="{width}" height="{tall}" rx="6"/>']
    out.append(f'<text class="lane-name" x="14" y="{y + 26}">{escape(lane.name)}</text>')
    out += [
        f'<text class="lane-net" x="14" y="{y + 42 + 13 * line}">{escape(cidr)}</text>'
        for line, cidr in enumerate(lane.cidrs[:3])
    ]
    return out


def _lifeline(x: int, y: int, tall: int, stands: bool) -> str:
    name = "life here" if stands else "life"
    return f'<line class="{name}" x1="{x}" y1="{y}" x2="{x}" y2="{y + tall}"/>'


def _flow(row: Row, x: Mapping[str, int], y: int) -> list[str]:
    """Draw one flow: a line over all its ends, a dot at each source, an arrow head at each target, ring where both."""
    sources, targets = [x[name] for name in row.sources], [x[name] for name in row.targets]
    ends = sorted({*sources, *targets})
    alone = len(ends) == 1
    first, last = ends[0], ends[-1] + (34 if alone else 0)
    out = [f'<g class="flow"><title>{escape("; ".join([row.label, *row.whys]))}</title>']
    out.append(f'<line class="wire" x1="{first}" y1="{y}" x2="{last}" y2="{y}"/>')
    for place in ends:
        if place in sources and place in targets:
            out.append(f'<circle class="both" cx="{place}" cy="{y}" r="5"/>')
        elif place in sources:
            out.append(f'<circle class="from" cx="{place}" cy="{y}" r="4"/>')
        else:
            rightwards = min((abs(source - place), source) for source in sources)[1] < place
            tail = place - 9 if rightwards else place + 9
            out.append(f'<path class="to" d="M{tail} {y - 5} L{place} {y} L{tail} {y + 5} Z"/>')
    middle, anchor = (first + 8, "start") if alone else ((first + _next(ends, first)) // 2, "middle")
    name = f'<text class="flow-name" x="{middle}" y="{y - 7}" text-anchor="{anchor}">'
    out.append(f"{name}{escape(row.label)}</text></g>")
    return out


def _next(ends: Sequence[int], first: int) -> int:
    return min(end for end in ends if end > first)


def _box(party: Party, x: int, top: int) -> list[str]:
    kind = "party inside" if party.inside else "party"
    left, wide = x - COLUMN // 2 + 5, COLUMN - 10
    out = [f'<rect class="{kind}" x="{left}" y="4" width="{wide}" height="{top - 10}" rx="8"/>']
    said = [("party-name", word) for word in _words(party)] + [("party-line", line) for line in party.lines]
    out += [
        f'<text class="{style}" x="{x}" y="{24 + LINE * line}" text-anchor="middle">{escape(word)}</text>'
        for line, (style, word) in enumerate(said)
    ]
    return out


def _words(party: Party) -> list[str]:
    """Return the name in the lines it is written in: two where it has a space, since a column is narrow."""
    return party.name.rsplit(" ", 1)


def flow_rows(picture: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the flows for a table, in the order of the picture: segment, name, from, to, port, why, controls."""
    return [
        {
            "segment": str(edge.get("segment") or ""),
            "name": str(edge.get("name") or ""),
            "source": str(edge.get("source") or ""),
            "source_addresses": ", ".join(_short(address) for address in _listed(edge.get("source_addresses"))),
            "target": str(edge.get("target") or ""),
            "target_addresses": ", ".join(_short(address) for address in _listed(edge.get("target_addresses"))),
            "port": f"{edge.get('port') or 'any'}/{edge.get('protocol') or edge.get('proto') or 'any'}",
            "why": str(edge.get("why") or ""),
            "controls": ", ".join(_listed(edge.get("controls"))),
        }
        for edge in picture.get("edges") or ()
    ]
