# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a probe is run and judged: observation, expectation, result.

A probe is a function ``(args, system) -> Observation``. It only looks and never judges: the expectation of the
catalogue is applied here, so that every result says in the same form what was expected, found, and where.
A probe that cannot answer raises :class:`Unreadable` (status error), :class:`Inapplicable` (the machine lacks the
capability, status not_applicable) or :class:`Absent` (what the host's duty needs is not there, status fail).
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from .system import System

PASSED = "pass"
FAILED = "fail"
ERROR = "error"
NOT_APPLICABLE = "not_applicable"


class Unreadable(Exception):
    """The probe could not see what it must judge: never a pass."""


class Inapplicable(Exception):
    """The machine lacks a capability (named in the message), so the control cannot exist on it."""


class Absent(Exception):
    """A program or service that the host's duty needs is not there."""


class OutOfTime(BaseException):
    """Raised by the timer; a BaseException so that no probe's own ``except Exception`` swallows it."""


@dataclass(frozen=True)
class Observation:
    """What a probe saw: ``found`` is plain JSON and holds no secret, ``where`` names the source."""

    found: Any
    where: str


Args = Mapping[str, Any]
Probe = Callable[[Args, "System"], Observation]
Registry = Mapping[str, Probe]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)
    return [value]


def _extra(found: Any, allowed: Any) -> list[Any]:
    permitted = _as_list(allowed)
    return [item for item in _as_list(found) if item not in permitted]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _equals(found: Any, want: Any) -> str:
    return "" if found == want else f"is {found!r} instead of {want!r}"


def _one_of(found: Any, want: Any) -> str:
    return "" if found in _as_list(want) else f"is {found!r}, allowed are {_as_list(want)!r}"


def _at_most(found: Any, want: Any) -> str:
    number = _number(found)
    return "" if number is not None and number <= float(want) else f"is {found!r}, at most {want!r} is allowed"


def _at_least(found: Any, want: Any) -> str:
    number = _number(found)
    return "" if number is not None and number >= float(want) else f"is {found!r}, at least {want!r} is needed"


def _subset_of(found: Any, want: Any) -> str:
    if found is None:
        return "is not set"
    extra = _extra(found, want)
    return f"also holds {extra!r}" if extra else ""


def _same_set(found: Any, want: Any) -> str:
    extra, missing = _extra(found, want), _extra(want, found)
    parts = [f"also holds {extra!r}" if extra else "", f"lacks {missing!r}" if missing else ""]
    return " and ".join(part for part in parts if part)


def _contains(found: Any, want: Any) -> str:
    missing = _extra(want, found)
    return f"lacks {missing!r}" if missing else ""


def _empty(found: Any, want: Any) -> str:
    is_empty = found is None or found == "" or (isinstance(found, (Mapping, list, tuple)) and len(found) == 0)
    if is_empty == bool(want):
        return ""
    return f"holds {found!r}" if want else "is empty"


def _matches(found: Any, want: Any) -> str:
    return "" if isinstance(found, str) and re.search(str(want), found) else f"is {found!r}, must match {want!r}"


def _each(found: Any, want: Any) -> str:
    items = found.items() if isinstance(found, Mapping) else enumerate(_as_list(found))
    rows = [(name, unmet(item, want)) for name, item in items]
    if not rows:
        return "is empty"
    return "; ".join(f"{name} {problem}" for name, problem in rows if problem)


def _fields(found: Any, want: Any) -> str:
    if not isinstance(found, Mapping):
        return f"is {found!r}, not a set of fields"
    problems = []
    for name, condition in want.items():
        problem = unmet(found.get(name), condition)
        if problem:
            problems.append(f"{name} {problem}")
    return "; ".join(problems)


OPERATORS: Mapping[str, Callable[[Any, Any], str]] = {
    "equals": _equals,
    "one_of": _one_of,
    "at_most": _at_most,
    "at_least": _at_least,
    "subset_of": _subset_of,
    "same_set": _same_set,
    "contains": _contains,
    "empty": _empty,
    "matches": _matches,
    "fields": _fields,
    "each": _each,
}


def unmet(found: Any, expect: Mapping[str, Any]) -> str:
    """Say in words how ``found`` misses the expectation; empty when every operator holds.

    :param expect: ``{operator: value}``; the operators are the keys of :data:`OPERATORS`.
    :raises ValueError: unknown operator, or no operator at all (an expectation that cannot fail proves nothing).
    """
    if not expect:
        raise ValueError("an expectation needs at least one operator")
    problems = []
    for operator, want in expect.items():
        if operator not in OPERATORS:
            raise ValueError(f"unknown operator {operator!r}; known are {', '.join(OPERATORS)}")
        problem = OPERATORS[operator](found, want)
        if problem:
            problems.append(problem)
    return "; ".join(problems)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` in the main thread after ``seconds`` (0 = no limit).

    The timer repeats: a probe that is stuck again while cleaning up is interrupted again.
    """
    if seconds <= 0:
        yield
        return

    def ring(_signal: int, _frame: Any) -> None:
        raise OutOfTime()

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _attempt(probe: Mapping[str, Any], registry: Registry, system: System) -> dict[str, Any]:
    """Status, found, where and reason of one probe, without its head and its duration."""
    unresolved = probe.get("unresolved") or []
    if unresolved:
        names = ", ".join(str(name) for name in unresolved)
        return {"status": ERROR, "reason": f"the inventory gives no value for {names}"}
    function = registry.get(str(probe.get("probe")))
    if function is None:
        return {"status": ERROR, "reason": f"no probe is called {probe.get('probe')!r}"}
    try:
        seen = function(probe.get("args") or {}, system)
        problem = unmet(seen.found, probe["expect"])
    except Inapplicable as lacking:
        return {"status": NOT_APPLICABLE, "reason": str(lacking)}
    except Absent as missing:
        return {"status": FAILED, "found": "absent", "reason": str(missing)}
    except Unreadable as unseen:
        return {"status": ERROR, "reason": str(unseen)}
    except Exception as broken:  # one broken probe must not take the others' results along
        return {"status": ERROR, "reason": f"{type(broken).__name__}: {broken}"}
    status = FAILED if problem else PASSED
    return {"status": status, "found": seen.found, "where": seen.where, "reason": problem}


def run_probe(probe: Mapping[str, Any], registry: Registry, system: System, timeout: float) -> dict[str, Any]:
    """Run one probe under a time limit and judge it.

    :param probe: ``{id, control, probe, args, expect, unresolved?}``
    :param timeout: seconds
    :returns: ``{probe_id, control, status, expected, found, where, took_ms, reason}``
    """
    started = time.monotonic()
    try:
        with time_limit(timeout):
            outcome = _attempt(probe, registry, system)
    except OutOfTime:
        outcome = {"status": ERROR, "reason": f"no answer within {timeout:g} s"}
    return {
        "probe_id": str(probe.get("id", "")),
        "control": str(probe.get("control", "")),
        "status": outcome["status"],
        "expected": probe.get("expect"),
        "found": outcome.get("found"),
        "where": outcome.get("where") or str(probe.get("where", "")),
        "took_ms": round((time.monotonic() - started) * 1000),
        "reason": outcome.get("reason", ""),
    }


def run_probes(
    probes: Sequence[Mapping[str, Any]], registry: Registry, system: System, timeout: float
) -> list[dict[str, Any]]:
    """Results of all probes, in order, one for each whatever happens to the others."""
    return [run_probe(probe, registry, system, timeout) for probe in probes]
