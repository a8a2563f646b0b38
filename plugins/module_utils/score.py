# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the probes and the preflight saw to one status per control and host, and to the two scores.

Everything here is a pure function of its arguments: no clock, no file, no Ansible.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

#: Every status there is, worst first: the status of a control on a host is the first of these among its observations.
STATUSES = ("fail", "error", "waived", "not_implemented", "attested", "pass", "not_applicable")
#: Severities, worst first.
SEVERITIES = ("critical", "high", "medium", "low")
#: The host that findings about the whole inventory carry.
CONSORTIUM = "consortium"
#: The probe that stands for a promise no machine can make; left failing here, answered by a valid attestation.
ATTESTATION = "register/attestation"
#: Duties in a catalogue record that mean "every managed host".
EVERY_HOST = frozenset({"all", "host", "quorum"})


@dataclass(frozen=True)
class Observation:
    """What one probe, one rule of the preflight or one register entry said about one control on one host."""

    probe: str
    status: str
    expected: str = ""
    found: str = ""
    where: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Result:
    """One cell of the matrix: a control on a host, with its worst observation in front and all of them behind.

    ``source`` is the statement of the checklist with the documents it comes from. ``waiver`` is the waiver that
    changed the status, or None.
    """

    control: str
    host: str
    status: str
    expected: str
    found: str
    where: str
    source: str
    probe: str
    reason: str = ""
    severity: str = "medium"
    observations: tuple[Observation, ...] = ()
    waiver: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain = asdict(self)
        plain["observations"] = [asdict(observation) for observation in self.observations]
        return plain


@dataclass(frozen=True)
class Score:
    """Strict and accepted score in percent (0 to 100, one decimal), None where nothing counts; and how many of each."""

    strict: float | None
    accepted: float | None
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"strict": self.strict, "accepted": self.accepted, "counts": dict(self.counts)}


def text(value: object) -> str:
    """Return ``value`` as a person reads it: a string as it is, a structure as compact JSON, nothing as ''."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int)) for item in value):
        return ", ".join(str(item) for item in value) if value else "none"
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def worst(statuses: Iterable[str]) -> str:
    """Return the worst of ``statuses``, not_applicable for none at all. Raises ValueError for an unknown one."""
    found = set(statuses)
    unknown = found.difference(STATUSES)
    if unknown:
        raise ValueError(f"unknown status: {', '.join(sorted(unknown))}")
    return next((status for status in STATUSES if status in found), "not_applicable")


def severity_rank(severity: str) -> int:
    """Return 0 for the worst severity and more for lesser ones; an unknown word ranks last."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def score(statuses: Iterable[str]) -> Score:
    """Count ``statuses`` and work out both scores. Raises ValueError for an unknown status.

    strict = (pass + attested) / (everything but not_applicable); accepted adds the waived to the numerator.
    """
    counted = Counter(statuses)
    worst(counted)
    counts = {status: counted.get(status, 0) for status in STATUSES}
    base = sum(number for status, number in counts.items() if status != "not_applicable")
    if base == 0:
        return Score(None, None, counts)
    good = counts["pass"] + counts["attested"]
    return Score(_percent(good, base), _percent(good + counts["waived"], base), counts)


def _percent(part: int, whole: int) -> float:
    # Rounded down, so that 100 % is said only when nothing is missing.
    return int(part * 1000 // whole) / 10


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(item) for item in value) if isinstance(value, Iterable) else ()


def _source(record: Mapping[str, Any]) -> str:
    documents = "; ".join(_names(record.get("sources") or record.get("source") or ()))
    statement = str(record.get("statement") or record.get("title") or record["id"]).strip()
    return f"{statement} [{documents}]" if documents else statement


def serves(duties: object, of_host: Iterable[str]) -> bool:
    """Say whether something limited to ``duties`` (empty: not limited) concerns a host with the duties ``of_host``."""
    wanted = set(_names(duties))
    return not wanted or bool(wanted & EVERY_HOST) or bool(wanted & set(of_host))


def concerned(record: Mapping[str, Any], hosts: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the hosts a catalogue record applies to, ``consortium`` among them where it says so.

    hosts: host name -> its duties.
    """
    wanted = set(_names(record.get("duties") or ()))
    named = [CONSORTIUM] if CONSORTIUM in wanted else []
    wanted.discard(CONSORTIUM)
    if named and not wanted:
        return named
    return named + [name for name, duties in hosts.items() if serves(wanted, duties)]


def _observed(raw: Mapping[str, Any]) -> Observation:
    status = str(raw.get("status", "error"))
    return Observation(
        probe=str(raw.get("probe_id") or raw.get("probe") or ""),
        status=status if status in STATUSES else "error",
        expected=text(raw.get("expected")),
        found=text(raw.get("found")),
        where=text(raw.get("where")),
        reason=text(raw.get("reason")),
    )


def _probed(
    record: Mapping[str, Any], host: str, duties: Sequence[str], audit: Sequence[Mapping[str, Any]] | None
) -> list[Observation]:
    """Return what the probes of one control said on one host, with an error for each that should have spoken."""
    wanted = [str(p["id"]) for p in record.get("probes") or () if serves(p.get("duties") or (), duties)]
    if audit is None:
        reason = f"{host} was not reached by the audit"
        return [Observation(", ".join(wanted), "error", reason=reason)] if wanted else []
    said = [_observed(raw) for raw in audit if raw.get("control") == record["id"]]
    silent = [probe for probe in wanted if probe not in {observation.probe for observation in said}]
    return said + [Observation(probe, "error", reason="the probe gave no result") for probe in silent]


def _found(host: str, findings: Sequence[Mapping[str, Any]]) -> list[Observation]:
    return [
        Observation(
            probe=f"preflight/{item.get('rule') or item.get('variable') or 'inventory'}",
            status="fail",
            expected=text(item.get("advice")),
            found=text(item.get("value")),
            where=f"inventory: {item.get('variable') or 'hosts'}",
            reason=text(item.get("problem")),
        )
        for item in findings
        if str(item.get("host") or CONSORTIUM) == host
    ]


def assemble(record: Mapping[str, Any], host: str, observations: Sequence[Observation]) -> Result:
    """Return the result of one control on one host: the worst of ``observations`` (at least one) leads."""
    blank = Result(str(record["id"]), host, "error", "", "", "", _source(record), "")
    return reassemble(replace(blank, severity=str(record.get("severity") or "medium")), observations)


def reassemble(result: Result, observations: Sequence[Observation]) -> Result:
    """Return ``result`` with other ``observations`` (at least one), led by the worst of them."""
    status = worst(observation.status for observation in observations)
    lead = next(observation for observation in observations if observation.status == status)
    return replace(
        result,
        status=status,
        expected=lead.expected,
        found=lead.found,
        where=lead.where,
        probe=lead.probe,
        reason=lead.reason,
        observations=tuple(observations),
    )


def collect(
    catalogue: Sequence[Mapping[str, Any]],
    hosts: Mapping[str, Sequence[str]],
    audits: Mapping[str, Sequence[Mapping[str, Any]] | None],
    findings: Sequence[Mapping[str, Any]] | None = (),
    selected: Iterable[str] = (),
) -> list[Result]:
    """Return one result per control and host it applies to, in the order of the catalogue. Waivers come afterwards.

    catalogue: the records of the controls. hosts: name -> duties. audits: name -> what the ``audit`` module returned
    as ``results``, or None where the host did not answer. findings: what the preflight said, each a mapping with
    host, variable, value, problem, advice, controls, or None where it did not run.
    selected: the ids to report on; none means all.
    """
    wanted = set(selected)
    results = []
    for record in catalogue:
        if wanted and record["id"] not in wanted:
            continue
        about = [item for item in findings or () if record["id"] in _names(item.get("controls"))]
        named = {str(item.get("host") or CONSORTIUM) for item in about}
        applies = concerned(record, hosts)
        for host in applies + sorted(named.difference(applies)):
            seen = _found(host, about)
            if not record.get("implemented"):
                seen.append(Observation("", "not_implemented", reason="No role does this yet."))
            else:
                if host != CONSORTIUM:
                    seen += _probed(record, host, hosts.get(host, ()), audits.get(host))
                if host == CONSORTIUM or not seen:
                    seen += _kept(record, host, bool(seen), findings is not None)
            if seen:
                results.append(assemble(record, host, seen))
    return results


def _kept(record: Mapping[str, Any], host: str, contradicted: bool, judged: bool) -> list[Observation]:
    """Return what no probe can say: the guards that found nothing, and the promise that the consortium is asked for."""
    seen = []
    if record.get("guards") and not contradicted:
        guards = ", ".join(_guard(guard) for guard in record["guards"])
        verdict = ("pass", "no contradiction", "") if judged else ("error", "", "The preflight did not run.")
        seen.append(Observation("preflight", verdict[0], guards, verdict[1], "inventory", verdict[2]))
    if host == CONSORTIUM and "attested" in _names(record.get("kind")):
        wanted = "a document that speaks today"
        seen.append(Observation(ATTESTATION, "fail", wanted, "none", "inventory: consortium_attestations"))
    return seen


def _guard(guard: object) -> str:
    return str(guard.get("id") or guard.get("rule") or text(guard)) if isinstance(guard, Mapping) else str(guard)


def change(result: Result, status: str, reason: str, **more: Any) -> Result:
    """Return ``result`` with another status and the reason for it. Raises ValueError for an unknown status."""
    worst([status])
    return replace(result, status=status, reason=reason, **more)
