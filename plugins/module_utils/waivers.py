# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers and attestations: read, judged against a day, and applied to results.

A waiver changes the reporting only: a failing control becomes ``waived``. It holds to the end of its last day.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.documents import is_url
from ansible_collections.quorum.hardening.plugins.module_utils.score import (
    ATTESTATION,
    CONSORTIUM,
    Observation,
    Result,
    assemble,
    change,
    reassemble,
)


@dataclass(frozen=True)
class Waiver:
    """A failure that somebody answers for until a day. ``hosts`` empty: on every host."""

    control: str
    hosts: tuple[str, ...]
    reason: str
    owner: str
    ends: datetime.date

    def covers(self, control: str, host: str) -> bool:
        """Say whether the waiver is about this control on this host."""
        return control == self.control and (not self.hosts or host in self.hosts)

    def days_left(self, today: datetime.date) -> int:
        """Return the days after today on which it still holds: 0 on its last day, negative once it has ended."""
        return (self.ends - today).days

    def valid(self, today: datetime.date) -> bool:
        """Say whether it holds today; the last day counts."""
        return self.days_left(today) >= 0

    def to_dict(self, today: datetime.date) -> dict[str, Any]:
        """Return plain JSON types, with the days left seen from ``today``."""
        return {
            "control": self.control,
            "hosts": list(self.hosts),
            "reason": self.reason,
            "owner": self.owner,
            "ends": self.ends.isoformat(),
            "days_left": self.days_left(today),
            "valid": self.valid(today),
        }


@dataclass(frozen=True)
class Attestation:
    """An organisation's promise that no machine can make: a document, who approved it and until when it speaks."""

    control: str
    document: str
    owner: str
    approved: datetime.date
    expires: datetime.date

    def valid(self, today: datetime.date) -> bool:
        """Say whether it speaks today; both its first and its last day count."""
        return self.approved <= today <= self.expires

    def to_dict(self, today: datetime.date) -> dict[str, Any]:
        """Return plain JSON types, with the days left seen from ``today``."""
        return {
            "control": self.control,
            "document": self.document,
            "owner": self.owner,
            "approved": self.approved.isoformat(),
            "expires": self.expires.isoformat(),
            "days_left": (self.expires - today).days,
            "valid": self.valid(today),
        }


@dataclass(frozen=True)
class Problem:
    """An entry of a register that cannot stand: its place, what was written, what is wrong and what to write."""

    variable: str
    control: str
    value: str
    problem: str
    advice: str

    def to_finding(self) -> dict[str, Any]:
        """Return it in the shape of a finding of the preflight."""
        return {
            "host": CONSORTIUM,
            "variable": self.variable,
            "value": self.value,
            "problem": self.problem,
            "advice": self.advice,
            "controls": [self.control] if self.control else [],
        }


def parse_date(value: object) -> datetime.date:
    """Return the day that ``value`` names: a date, a date with a time, or text as YYYY-MM-DD.

    Raises ValueError for anything else.
    """
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    if isinstance(value, str):
        return datetime.datetime.strptime(value.strip(), "%Y-%m-%d").date()
    raise ValueError(f"{value!r} is not a date")


def _line(entry: Mapping[str, Any], key: str) -> str:
    return str(entry.get(key) or "").strip()


def _read(
    variable: str, entries: Sequence[object], known: Collection[str], texts: Sequence[str], dates: Sequence[str]
) -> tuple[list[tuple[Mapping[str, Any], dict[str, datetime.date]]], list[Problem]]:
    """Return the entries that can stand, each with its dates, and one problem for each that cannot."""
    good: list[tuple[Mapping[str, Any], dict[str, datetime.date]]] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries):
        place = f"{variable}[{number}]"
        if not isinstance(entry, Mapping):
            advice = f"Write a mapping with control, {', '.join([*texts, *dates])}."
            problems.append(Problem(place, "", str(entry), "is not a mapping", advice))
            continue
        problem, days = _judged(place, entry, known, texts, dates)
        if problem is None:
            good.append((entry, days))
        else:
            problems.append(problem)
    return good, problems


def _judged(
    place: str, entry: Mapping[str, Any], known: Collection[str], texts: Sequence[str], dates: Sequence[str]
) -> tuple[Problem | None, dict[str, datetime.date]]:
    control = _line(entry, "control")
    if control not in known:
        return Problem(place, "", control, "names no control of the catalogue", "Write an id such as HOST-02."), {}
    for key in texts:
        if not _line(entry, key):
            advice = f"Write {key}: in words that a reader can judge."
            return Problem(place, control, "", f"has no {key}", advice), {}
    days = {}
    for key in dates:
        try:
            days[key] = parse_date(entry.get(key))
        except ValueError:
            advice = f'Write {key}: "2027-01-31" (a day, year first).'
            return Problem(place, control, _line(entry, key), f"has no date in {key}", advice), {}
    return None, days


def _hosts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    names = tuple(str(host) for host in value) if isinstance(value, Sequence) else ()
    return () if "all" in names else names


def read_waivers(entries: Sequence[object], known: Collection[str]) -> tuple[list[Waiver], list[Problem]]:
    """Read ``consortium_waivers``: each control, hosts (a list; absent: every host), reason, owner, ends.

    known: the ids of the catalogue. Returns the waivers that can stand and one problem for each entry that cannot.
    """
    good, problems = _read("consortium_waivers", entries, known, ("reason", "owner"), ("ends",))
    waivers = [
        Waiver(_line(e, "control"), _hosts(e.get("hosts")), _line(e, "reason"), _line(e, "owner"), days["ends"])
        for e, days in good
    ]
    return waivers, problems


def read_attestations(entries: Sequence[object], known: Collection[str]) -> tuple[list[Attestation], list[Problem]]:
    """Read ``consortium_attestations``: each control, document, owner, approved, expires. As :func:`read_waivers`."""
    texts, dates = ("document", "owner"), ("approved", "expires")
    good, problems = _read("consortium_attestations", entries, known, texts, dates)
    attestations = [
        Attestation(_line(e, "control"), _line(e, "document"), _line(e, "owner"), days["approved"], days["expires"])
        for e, days in good
    ]
    return attestations, problems


def apply(
    results: Sequence[Result],
    catalogue: Sequence[Mapping[str, Any]],
    waivers: Sequence[Waiver],
    attestations: Sequence[Attestation],
    today: datetime.date,
) -> list[Result]:
    """Return ``results`` with valid waivers and attestations applied, and a failure for each that has expired.

    A valid waiver turns ``fail`` into ``waived``; nothing else: what could not be looked at stays an error.
    An expired one leaves the failure standing, says so, and adds a failure of its own on ``consortium``.
    An attestation answers only where an implemented control asks for one.
    """
    judged = [_waived(_attested(result, attestations, today), waivers, today) for result in results]
    records = {str(record["id"]): record for record in catalogue}
    ended = [("waiver", item.control, item.ends) for item in waivers if not item.valid(today)]
    ended += [("attestation", item.control, item.expires) for item in attestations if item.expires < today]
    for what, control, day in ended:
        if any(result.control == control for result in results):
            judged = _with(judged, records[control], _expired(what, day))
    return judged


def _expired(what: str, day: datetime.date) -> Observation:
    return Observation(
        probe=f"register/{what}",
        status="fail",
        expected=f"every {what} holds today",
        found=f"ended on {day.isoformat()}",
        where=f"inventory: consortium_{what}s",
        reason=f"The {what} has expired: renew it or take it out.",
    )


def _with(results: list[Result], record: Mapping[str, Any], observation: Observation) -> list[Result]:
    """Add ``observation`` to the result of ``record`` on ``consortium``, which is made where there is none."""
    place = (record["id"], CONSORTIUM)
    said = [seen for result in results if (result.control, result.host) == place for seen in result.observations]
    kept = [result for result in results if (result.control, result.host) != place]
    return [*kept, assemble(record, CONSORTIUM, [*said, observation])]


def _waived(result: Result, waivers: Sequence[Waiver], today: datetime.date) -> Result:
    covering = [waiver for waiver in waivers if waiver.covers(result.control, result.host)]
    if result.status != "fail" or not covering:
        return result
    latest = max(covering, key=lambda waiver: waiver.ends)
    if latest.valid(today):
        reason = f"{result.reason} Waived: {latest.reason}".strip()
        return change(result, "waived", reason, waiver=latest.to_dict(today))
    reason = f"{result.reason} A waiver ended on {latest.ends.isoformat()}.".strip()
    return change(result, "fail", reason, waiver=latest.to_dict(today))


def _attested(result: Result, attestations: Sequence[Attestation], today: datetime.date) -> Result:
    """Answer the question for a document, which ``collect`` leaves open, by the one that speaks longest."""
    speaking = [item for item in attestations if item.control == result.control and item.valid(today)]
    if not speaking or not any(seen.probe == ATTESTATION for seen in result.observations):
        return result
    best = max(speaking, key=lambda item: item.expires)
    # A document that does not hold is a finding of the preflight, and makes the result a failure past this promise.
    read = (
        "A URL is not fetched: its owner and its dates alone were looked at."
        if is_url(best.document)
        else "Its text is judged by the preflight (rule document)."
    )
    answer = Observation(
        probe=ATTESTATION,
        status="attested",
        expected="a document that speaks today",
        found=best.document,
        where="inventory: consortium_attestations",
        reason=f"Approved by {best.owner} on {best.approved.isoformat()}, speaks until {best.expires.isoformat()}. "
        + read,
    )
    others = [seen for seen in result.observations if seen.probe != ATTESTATION]
    return reassemble(result, [*others, answer])
