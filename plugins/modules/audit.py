#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Look at a host with the probes of the catalogue
version_added: 0.1.0
description:
  - Runs a list of read-only probes and says of each what was expected, what was found, and where.
  - Changes nothing, installs nothing, sends no credential. A probe that cannot see what it must judge is an error,
    never a pass. One that fails, breaks or hangs does not hide the others.
author:
  - quorum.hardening contributors (@quorum-hardening)
options:
  probes:
    description: What to look at, as the P(quorum.hardening.catalog#lookup) lookup gives it.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: Identifier of the probe in the catalogue.
        type: str
        required: true
      control:
        description: Identifier of the control that the probe serves.
        type: str
        required: true
      probe:
        description: Name of the probe function.
        type: str
        required: true
      args:
        description: What the function needs to know.
        type: dict
        default: {}
      expect:
        description: Operators and values that the finding must meet.
        type: dict
        required: true
      unresolved:
        description: Names that the inventory gives no value for. Such a probe is not run; its result is an error.
        type: list
        elements: str
        default: []
  timeout:
    description: Seconds that each probe may take; V(0) is no limit.
    type: float
    default: 15
attributes:
  check_mode:
    description: The module never changes anything, so check mode makes no difference.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Look whether root may log in
  quorum.hardening.audit:
    probes:
      - id: ptm-11-sshd
        control: PTM-11
        probe: sshd_settings
        args: {user: root, settings: [permitrootlogin]}
        expect: {fields: {permitrootlogin: {equals: "no"}}}
  register: quorum_audit
"""

RETURN = r"""
results:
  description: One entry for each probe, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    probe_id: {description: Identifier of the probe., type: str}
    control: {description: Identifier of the control., type: str}
    status: {description: 'V(pass), V(fail), V(error) or V(not_applicable).', type: str}
    expected: {description: The expectation as given., type: dict}
    found: {description: What was seen; no secret is ever in it., type: raw}
    where: {description: File or command or address that was looked at or into., type: str}
    took_ms: {description: Milliseconds that the probe took., type: int}
    reason: {description: 'In words, why the status is not V(pass).', type: str}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils.probes_all import probes_for
from ansible_collections.quorum.hardening.plugins.module_utils.probing import run_probes
from ansible_collections.quorum.hardening.plugins.module_utils.system import System

PROBE = {
    "id": {"type": "str", "required": True},
    "control": {"type": "str", "required": True},
    "probe": {"type": "str", "required": True},
    "args": {"type": "dict", "default": {}},
    "expect": {"type": "dict", "required": True},
    "unresolved": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    """Run the probes and hand back their results."""
    module = AnsibleModule(
        argument_spec={
            "probes": {"type": "list", "elements": "dict", "required": True, "options": PROBE},
            "timeout": {"type": "float", "default": 15},
        },
        supports_check_mode=True,
    )
    probes = module.params["probes"]
    registry = probes_for(probe["probe"] for probe in probes)
    results = run_probes(probes, registry, System(), module.params["timeout"])
    # Each answer repeats its question, so the questions as they were asked would double what is sent back.
    module.exit_json(changed=False, results=results, invocation={})


if __name__ == "__main__":
    main()
