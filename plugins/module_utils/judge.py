# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight's judgement: every rule asked, every finding kept, each one said once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import (
    documents,
    inputs,
    rules_credentials,
    rules_hosts,
    rules_patching,
    rules_people,
    rules_placement,
    rules_register,
    rules_system,
)
from ansible_collections.quorum.hardening.plugins.module_utils.entities import CONSORTIUM, Consortium, Finding
from ansible_collections.quorum.hardening.plugins.module_utils.reader import show
from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Rule

RULES: tuple[Rule, ...] = (
    *rules_hosts.RULES,
    *rules_people.RULES,
    *rules_credentials.RULES,
    *rules_placement.RULES,
    *rules_system.RULES,
    *rules_patching.RULES,
    *rules_register.RULES,
    *documents.RULES,
    *inputs.RULES,
)

#: Findings of the reader and of the argument specifications: where both see the same variable, one is enough.
_READING = ("type", "range", "address", "name", "unknown")


def judge(
    c: Consortium, hostvars: Mapping[str, Mapping[str, Any]], specs: Mapping[str, inputs.Spec], **known: Any
) -> list[Finding]:
    """All findings about a consortium.

    ``hostvars``: the inventory's variables by host; ``specs``: see ``inputs``; ``known``: the other fields of ``Case``.
    """
    return judge_case(Case(c=c, hostvars=hostvars, specs=specs, **known))


def judge_case(case: Case) -> list[Finding]:
    """All findings about a case, in the order of the rules."""
    return [
        Finding(host, variable, show(value), _line(problem), _line(advice), controls, rule.name)
        for rule in RULES
        for host, variable, value, problem, advice in rule.faults(case)
        for controls in [rule.controls or documents.controls_of(case, variable)]
    ]


def _line(text: str) -> str:
    return " ".join(text.split())


def settle(found: Iterable[Finding], hosts: Iterable[str]) -> list[Finding]:
    """Findings said once each, sorted by host and variable.

    What every host says about the same variable and value is one finding of the consortium.  What a rule says about a
    variable that could not even be read is left out.
    """
    found = list(found)
    unread = {(f.host, f.variable) for f in found if f.rule in _READING}
    kept = [f for f in found if f.rule in _READING or (f.host, f.variable) not in unread]
    roots = {(f.host, root(f.variable)) for f in kept if f.rule not in ("argument", "required")}
    kept = [f for f in kept if f.rule not in ("argument", "required") or (f.host, root(f.variable)) not in roots]
    everybody = set(hosts)
    said: dict[tuple[Any, ...], list[Finding]] = {}
    for finding in kept:
        key = (finding.variable, finding.value, finding.problem, finding.advice, finding.rule, finding.controls)
        said.setdefault(key, []).append(finding)
    settled = []
    for group in said.values():
        names = {f.host for f in group}
        if len(everybody) > 1 and names >= everybody:
            first = group[0]
            settled.append(Finding(CONSORTIUM, *key_of(first)))
            names -= everybody
        settled += [Finding(name, *key_of(group[0])) for name in names]
    return sorted(set(settled), key=lambda f: (f.host != CONSORTIUM, f.host, f.variable, f.problem))


def withhold(found: Iterable[Finding], specs: Mapping[str, inputs.Spec]) -> list[Finding]:
    """Findings without the values of variables whose option says ``no_log``."""
    secret = {variable for spec in specs.values() for variable, option in spec.items() if option.get("no_log")}
    return [replace(f, value="(withheld)") if root(f.variable) in secret else f for f in found]


def key_of(finding: Finding) -> tuple[Any, ...]:
    """All of a finding but its host."""
    f = finding
    return (f.variable, f.value, f.problem, f.advice, f.controls, f.rule)


def root(variable: str) -> str:
    """The variable's name without the path inside it."""
    return variable.partition("[")[0].partition(".")[0]


def message(found: list[Finding]) -> str:
    """All findings as one message, numbered."""
    count = f"{len(found)} finding{'s' if len(found) != 1 else ''}"
    lines = [f"{number}. {finding.line()}" for number, finding in enumerate(found, 1)]
    return "\n".join([f"The inventory cannot be used as it is: {count}. No host has been changed.", *lines])
