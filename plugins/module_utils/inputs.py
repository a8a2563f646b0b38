# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of the collection, from its argument specifications: which variables there are, and which are ours.

A specification is a mapping ``variable -> option`` (the ``options`` of an entry point); ``specs`` maps a role's name,
or ``consortium`` for what belongs to none, to its specification.  Reading the files and checking the types with
Ansible's own validator is the preflight plugin's part, because this module imports nothing of Ansible.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.quorum.hardening.plugins.module_utils.rules import Case, Fault, Rule

#: First words of our variables, each with the name of the specification that lists them.
PREFIXES = ("consortium", "host", "vault", "database", "tessera", "goquorum", "monitoring")
#: Specifications that hold for every managed host; the others hold for the hosts of the duty of that name.
FOR_ALL = ("consortium", "host")

Spec = Mapping[str, Mapping[str, Any]]


class Check(NamedTuple):
    """One variable of one host, to be checked against its option."""

    host: str
    variable: str
    option: Mapping[str, Any]
    value: Any


def options(document: object, entry: str = "main") -> dict[str, dict[str, Any]]:
    """The options of an entry point of a parsed ``argument_specs.yml``; empty when the document has none."""
    found: object = document
    for key in ("argument_specs", entry, "options"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return {str(k): dict(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


def checks(case: Case) -> Iterator[Check]:
    """All variables that are set and have an option, host by host."""
    for host in case.hosts():
        for name in sorted(case.specs):
            for variable, option in case.specs[name].items():
                value = case.value(host.name, variable)
                if value is not None:
                    yield Check(host.name, variable, option, value)


def missing(case: Case) -> Iterator[Fault]:
    """Variables that a host's duties require and that are not set; ``enrol`` runs no duty's role and needs none."""
    for host in case.hosts():
        for name in (*FOR_ALL, *(host.duties if case.enrolled else ())):
            for variable, option in case.specs.get(name, {}).items():
                if option.get("required") and case.value(host.name, variable) is None:
                    yield host.name, variable, "", "is required and not set", describe(variable, option)


def unknown(case: Case) -> Iterator[Fault]:
    """Variables of ours that nobody reads: most often a typo."""
    known = {variable for spec in case.specs.values() for variable in spec}
    judged = tuple(f"{prefix}_" for prefix in PREFIXES if any(v.startswith(f"{prefix}_") for v in known))
    for host in case.hosts():
        for variable in sorted(str(v) for v in case.hostvars.get(host.name, {})):
            if variable.startswith(judged) and variable not in known:
                near = difflib.get_close_matches(variable, sorted(known), n=1, cutoff=0.6)
                advice = near[0] if near else "nothing: no variable of ours is near to it"
                yield host.name, variable, case.value(host.name, variable), "is no variable of ours", advice


def describe(variable: str, option: Mapping[str, Any]) -> str:
    """What to write for a variable, from its option."""
    kind = str(option.get("type", "str"))
    if option.get("elements"):
        kind += f" of {option['elements']}"
    choices = option.get("choices")
    text = option.get("description") or ""
    words = text if isinstance(text, str) else " ".join(str(part) for part in text)
    shape = " | ".join(map(str, choices)) if choices else kind
    return f"{variable}: <{shape}>" + (f" ({words.strip(' .')})" if words else "")


RULES = (
    Rule("required", (), missing),
    Rule("unknown", (), unknown),
)
