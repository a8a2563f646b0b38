# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of the catalogue of controls."""

from __future__ import annotations

DOCUMENTATION = r"""
name: catalog
short_description: Controls of the catalogue, and the probes that concern a host
version_added: 0.1.0
description:
  - Reads the collection's catalogue, one YAML file for each control.
author:
  - quorum.hardening contributors (@quorum-hardening)
options:
  _terms:
    description:
      - What to hand back, each as one list.
      - V(probes) is the list of probes for one host, ready for the M(quorum.hardening.audit) module.
      - V(controls) is the list of all records; V(ids) the list of their identifiers.
      - V(rows) is one short row for each control, for tables.
    type: list
    elements: str
    choices: [probes, controls, ids, rows]
    required: true
  context:
    description: For V(probes), the values that probes refer to by name, from P(quorum.hardening.audit_context#filter).
    type: dict
    default: {}
  controls:
    description: Identifiers to choose; none means all. Upper or lower case.
    type: list
    elements: str
    default: []
  tags:
    description: Tags of a run; those that name a control choose it, like O(controls).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Look at what the tags of this run ask for
  quorum.hardening.audit:
    probes: "{{ lookup('quorum.hardening.catalog', 'probes', context=my_context, tags=ansible_run_tags) }}"
"""

RETURN = r"""
_raw:
  description: The list that was asked for.
  type: list
  elements: raw
"""

import functools
import os
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.quorum.hardening.plugins.module_utils.catalog import IDS, controls_of, in_order, probes_for

FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "catalog")
ROW = ("id", "title", "kind", "severity", "implemented", "disruption")


@functools.lru_cache(maxsize=1)
def load(folder: str = FOLDER) -> dict[str, dict[str, Any]]:
    """File name without suffix -> record, for every YAML file of the folder."""
    records = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".yml"):
            with open(os.path.join(folder, name), encoding="utf-8") as handle:
                # The C loader reads the whole catalogue in a fraction of the time.
                loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(handle)
                records[name[:-4]] = loader.get_single_data()
    return records


# At once: an action that brings this module does so before Ansible starts the processes of tasks; none reads it again.
load()


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core ships no types
    """The ``catalog`` lookup."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[Any]:
        """Return one list; AnsibleError for an unknown term or control."""
        self.set_options(var_options=variables, direct=kwargs)
        controls = self._chosen()
        answer: list[Any] = []
        for term in terms:
            answer += self._answer(term, controls)
        # wantlist or not: a lookup's list would be joined by commas, so it is wrapped once.
        return [answer]

    def _chosen(self) -> list[str]:
        named = [str(control) for control in self.get_option("controls") or []]
        chosen = controls_of(named)
        unknown = [control for control in named if not controls_of([control])]
        if unknown:
            raise AnsibleError(f"catalog: no control is called {', '.join(unknown)}; known are {', '.join(IDS)}")
        return chosen or controls_of(self.get_option("tags") or [])

    def _answer(self, term: str, controls: list[str]) -> list[Any]:
        records = in_order(load().values())
        if term == "probes":
            return probes_for(records, self.get_option("context") or {}, controls)
        chosen = [record for record in records if not controls or record["id"] in controls]
        if term == "controls":
            return [dict(record) for record in chosen]
        if term == "ids":
            return [record["id"] for record in chosen]
        if term == "rows":
            return [{name: record.get(name) for name in ROW} for record in chosen]
        raise AnsibleError(f"catalog: {term!r} is not one of probes, controls, ids, rows")
