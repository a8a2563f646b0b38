# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of controls: order, consistency, and the choice of probes for a host.

Pure functions over parsed records; reading the files is the lookup's work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]


def _numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:02d}" for number in range(1, count + 1)]


def _lettered(stem: str) -> list[str]:
    return [stem + letter for letter in "abcdef"]


#: Every id of the checklist, in its order.
IDS: tuple[str, ...] = (
    *_numbered("HOST", 7),
    *_numbered("NODE", 10),
    *_numbered("USER", 2),
    *_numbered("CONS", 3),
    *_lettered("CONS-04"),
    "CONS-05",
    "CONS-06",
    "MON-01",
    *_lettered("MON-02"),
    "MON-03",
    "MON-04",
    *_numbered("PTM", 14),
)
#: Duties in a record that mean every managed host; ``consortium`` is no host.
EVERY_HOST = frozenset({"all", "host", "quorum"})
REFERENCE = re.compile(r"^\$([a-z_][a-z0-9_]*(?:\.(?:[a-z0-9_]+|\*))*)$")
_NOTHING = object()


def in_order(records: Iterable[Record]) -> list[Record]:
    """Records in the order of the checklist, unknown ids last."""
    place = {control: number for number, control in enumerate(IDS)}
    return sorted(records, key=lambda record: (place.get(str(record.get("id")), len(place)), str(record.get("id"))))


def problems(records: Mapping[str, Record], probe_names: Iterable[str], operators: Iterable[str]) -> list[str]:
    """What is wrong with the catalogue as a whole, beyond what the JSON Schema says of each file.

    :param records: file name without suffix -> record
    :param probe_names: probes that exist
    :param operators: expectations that exist
    """
    known, names, words = set(IDS), set(probe_names), set(operators)
    found = [f"{control}: no file" for control in IDS if control not in records]
    seen: dict[str, str] = {}
    for name, record in sorted(records.items()):
        if record.get("id") != name:
            found.append(f"{name}: its id is {record.get('id')!r}")
        if name not in known:
            found.append(f"{name}: not an id of the checklist")
        for probe in record.get("probes", []):
            if probe["id"] in seen:
                found.append(f"{name}: probe {probe['id']} is in {seen[probe['id']]} too")
            seen[probe["id"]] = name
            if probe["probe"] not in names:
                found.append(f"{name}: there is no probe {probe['probe']}")
            found += [f"{name}: {probe['id']}: unknown operator {word}" for word in _words(probe["expect"]) - words]
        for way in record.get("sabotage", []):
            found += [f"{name}: {way['id']} breaks unknown {broken}" for broken in set(way["breaks"]) - known]
            if name not in way["breaks"]:
                found.append(f"{name}: {way['id']} does not break {name} itself")
        if record.get("implemented") and not (record.get("probes") or record.get("guards")):
            found.append(f"{name}: implemented, but nothing looks at it")
    return found


def _words(expect: Mapping[str, Any]) -> set[str]:
    """Operators of an expectation, those of its fields too."""
    found = set(expect)
    for condition in expect.get("fields", {}).values():
        found |= _words(condition)
    if "each" in expect:
        found |= _words(expect["each"])
    return found


def controls_of(tags: Iterable[str]) -> list[str]:
    """Ids that tags name (``host-04`` is HOST-04), in order; none when the tags select nothing of ours.

    A tag such as ``cons-04`` names all its lettered parts.
    """
    wanted = {str(tag).upper() for tag in tags}
    return [control for control in IDS if control.upper() in wanted or _stem(control) in wanted]


def _stem(control: str) -> str:
    return control.rstrip("abcdef").upper()


def serves(limit: Iterable[str] | None, duties: Iterable[str]) -> bool:
    """Whether something limited to some duties (none: not limited) concerns a host with these duties."""
    wanted = set(limit or ())
    return not wanted or bool(wanted & EVERY_HOST) or bool(wanted & set(duties))


def resolve(value: Any, context: Mapping[str, Any], missing: set[str]) -> Any:
    """Replace ``$name`` by its value; in a list, the items of a list take its place. Unknown names go to ``missing``.

    ``$addresses.secrets`` goes into a mapping, ``$addresses.*`` takes all its values in one list.
    """
    if isinstance(value, Mapping):
        return {key: resolve(item, context, missing) for key, item in value.items()}
    if isinstance(value, list):
        items: list[Any] = []
        for item in value:
            solved = resolve(item, context, missing)
            if isinstance(item, str) and REFERENCE.match(item) and isinstance(solved, (list, tuple)):
                items.extend(solved)
            else:
                items.append(solved)
        return items
    match = REFERENCE.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    solved = _follow(match.group(1).split("."), context)
    if solved is _NOTHING:
        missing.add(value)
        return None
    return list(solved) if isinstance(solved, tuple) else solved


def _follow(path: Sequence[str], context: Mapping[str, Any]) -> Any:
    current: Any = context
    for part in path:
        if not isinstance(current, Mapping):
            return _NOTHING
        if part == "*":
            lists = (item if isinstance(item, (list, tuple)) else [item] for item in current.values())
            return [item for items in lists for item in items]
        current = current.get(part, _NOTHING)
    return current


def probes_for(
    records: Iterable[Record], context: Mapping[str, Any], controls: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Probes for one host, with the values of its inventory filled in.

    :param context: values by name; ``duties`` (list) decides which probes concern the host.
    :param controls: ids to look at; none means all.
    :returns: ``{id, control, probe, args, expect}``, and ``unresolved`` (names without a value) where there are any.
    """
    wanted, duties = set(controls), list(context.get("duties", []))
    chosen = []
    for record in in_order(records):
        if not record.get("implemented") or (wanted and record["id"] not in wanted):
            continue
        if not serves(record.get("duties"), duties):
            continue
        for probe in record.get("probes", []):
            if not serves(probe.get("duties"), duties):
                continue
            missing: set[str] = set()
            row = {
                "id": probe["id"],
                "control": record["id"],
                "probe": probe["probe"],
                "args": resolve(probe.get("args", {}), context, missing),
                "expect": resolve(probe["expect"], context, missing),
            }
            if missing:
                row["unresolved"] = sorted(missing)
            chosen.append(row)
    return chosen
