#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Make the report of audit and preflight
version_added: 0.1.0
author:
  - quorum.hardening contributors (@quorum-hardening)
description:
  - Collects what M(quorum.hardening.audit) found on each host (registered there as C(quorum_audit)) and what the
    preflight found in the inventory, and works out the status of each control on each host and both scores.
  - Keeps one file per phase, C(before.json) and C(after.json), and writes C(index.html), C(report.json), C(junit.xml)
    and C(report.sarif) from both.
  - Where no host was audited in this run, the files are made again from the phases kept.
  - Runs on the controller, once for all hosts of the play. No host is contacted.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details:
      - The score card is shown; no file is written.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
    support: none
options:
  phase:
    description:
      - Whether the hosts were audited before or after hardening.
      - V(before) opens a new comparison and removes the V(after) kept from an earlier one.
    type: str
    choices: [before, after]
    default: after
  directory:
    description: Where the files go, on the controller, seen from the folder the playbook was started in.
    type: path
    default: build/report
  hosts:
    description:
      - The hosts to report on. Those that gave no audit result are reported with status C(error).
      - By default those of the group C(quorum) that the play is about.
    type: list
    elements: str
  findings:
    description:
      - What the preflight found, each with C(host), C(variable), C(value), C(problem), C(advice) and C(controls).
      - Not given means that the preflight did not run; its guards then have status C(error).
    type: list
    elements: dict
  picture:
    description: The network with C(segments), C(hosts) and C(edges), as the filter C(network_picture) returns it.
    type: dict
    default: {}
  waivers:
    description: Each with C(control), C(hosts), C(reason), C(owner) and C(ends).
    type: list
    elements: raw
    default: []
  attestations:
    description: Each with C(control), C(document), C(owner), C(approved) and C(expires).
    type: list
    elements: raw
    default: []
  controls:
    description: Ids to report on. By default those among the run's tags, or all.
    type: list
    elements: str
  programs:
    description:
      - The programs the consortium runs, each with C(name), C(version), C(kind) and C(note).
      - By default worked out from the variables of the hosts.
    type: list
    elements: dict
  run_id:
    description: Name of the run. By default made of the time and a random part.
    type: str
  today:
    description: The day that waivers and attestations are judged against, as YYYY-MM-DD. By default the controller's.
    type: str
  card:
    description: Whether to show the score card on the terminal.
    type: bool
    default: true
seealso:
  - module: quorum.hardening.audit
"""

EXAMPLES = r"""
- name: Make the report of the hardened hosts
  quorum.hardening.report:
    phase: after
    findings: "{{ quorum_findings | default(omit) }}"
    waivers: "{{ consortium_waivers | default([]) }}"
    attestations: "{{ consortium_attestations | default([]) }}"
"""

RETURN = r"""
card:
  description: The lines of the score card.
  type: list
  elements: str
  returned: success
scores:
  description: The scores of both phases, or none for a phase that was not seen.
  type: dict
  returned: success
  contains:
    before:
      description: Before hardening. C(strict) and C(accepted) in percent, C(counts) by status.
      type: dict
    after:
      description: After hardening, as before.
      type: dict
counts:
  description: How many results have each status in the later phase.
  type: dict
  returned: success
  sample: {"pass": 61, "fail": 0, "not_implemented": 211}
path:
  description: The page for people.
  type: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Say that the action plugin of the same name does the work: this part never runs."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"type": "str", "choices": ["before", "after"], "default": "after"},
            "directory": {"type": "path", "default": "build/report"},
            "hosts": {"type": "list", "elements": "str"},
            "findings": {"type": "list", "elements": "dict"},
            "picture": {"type": "dict", "default": {}},
            "waivers": {"type": "list", "elements": "raw", "default": []},
            "attestations": {"type": "list", "elements": "raw", "default": []},
            "controls": {"type": "list", "elements": "str"},
            "programs": {"type": "list", "elements": "dict"},
            "run_id": {"type": "str"},
            "today": {"type": "str"},
            "card": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="quorum.hardening.report runs on the controller, as an action plugin.")


if __name__ == "__main__":
    main()
