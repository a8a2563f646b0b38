# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule of the preflight is, and what it may look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Callable, NamedTuple

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Host

#: host, variable, value, problem, advice (what to write instead).
Fault = tuple[str, str, Any, str, str]


@dataclass(frozen=True)
class Case:
    """What is judged.

    ``looks``: what was found on the hosts of the play (or ``{"unreachable": true, "msg": ...}``); ``users``: the
    account that the run logs in with, where it is known; ``enrolled``: false while the register is being made;
    ``control_ids``: ids of the catalogue, empty when it cannot be read; ``genesis``: whether the genesis file is there,
    None when nobody looked; ``documents``: attested documents that were read, ``topics``: what each control asks of
    its own (see ``documents``).
    """

    c: Consortium
    hostvars: Mapping[str, Mapping[str, Any]]
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    looks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    enrolled: bool = True
    control_ids: frozenset[str] = frozenset()
    genesis: bool | None = None
    today: date = date.min
    documents: Mapping[str, Any] = field(default_factory=dict)
    topics: Mapping[str, Any] = field(default_factory=dict)

    def hosts(self) -> Iterator[Host]:
        """Managed hosts by name."""
        for name in sorted(self.c.hosts):
            yield self.c.hosts[name]

    def value(self, host: str, variable: str) -> Any:
        """The variable as it stands in the inventory; None when it is not set."""
        return self.hostvars.get(host, {}).get(variable)


class Rule(NamedTuple):
    """One rule: its name, the controls that it guards, and what finds the faults."""

    name: str
    controls: tuple[str, ...]
    faults: Callable[[Case], Iterator[Fault]]
