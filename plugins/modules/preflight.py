#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Judge the whole inventory before any host is touched
version_added: 0.1.0
description:
  - Reads the inventory into one model of the consortium and asks every rule about it, such as two duties on one host,
    a jump host that its own rule would close, a port out of range, or a waiver that has expired.
  - Says all findings at once, each with host, variable, value, what is wrong and what to write instead.
  - Leaves the fact C(consortium), which the filters of this collection start from.
  - Runs on the controller. It reads the variables of the inventory and of the command line, never the facts of a host,
    so the answer is the same under C(--limit).
options:
  looks:
    description:
      - What M(quorum.hardening.look) found, by host. Hosts that are not in it are judged by the inventory alone.
    type: dict
    default: {}
  enrolled:
    description:
      - Whether the register must be complete. V(false) while M(quorum.hardening.identity) is still to fill it.
    type: bool
    default: true
  fail:
    description:
      - Whether findings fail the task. With V(false) they are only returned.
    type: bool
    default: true
extends_documentation_fragment:
  - action_common_attributes
  - action_common_attributes.conn
  - action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: none
  bypass_host_loop:
    support: none
  check_mode:
    support: full
  connection:
    support: none
  delegation:
    support: none
  diff_mode:
    support: none
  platform:
    platforms: all
seealso:
  - module: quorum.hardening.look
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Judge the whole inventory
  quorum.hardening.preflight:
  run_once: true

- name: Report findings and go on, as the audit does
  quorum.hardening.preflight:
    looks: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'look'))) }}"
    fail: false
  register: preflight
  run_once: true
"""

RETURN = r"""
findings:
  description: All findings, those about the whole inventory (host C(consortium)) first.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: The host, or C(consortium).
      type: str
    variable:
      description: The variable, with the path inside it.
      type: str
    value:
      description: What is written there, cut short.
      type: str
    problem:
      description: What is wrong with it.
      type: str
    advice:
      description: What to write instead.
      type: str
    controls:
      description: Ids of the controls that the rule guards.
      type: list
      elements: str
    rule:
      description: Name of the rule.
      type: str
  sample:
    - host: consortium
      variable: groups.jump
      value: (empty)
      problem: there is no jump host, and no other host answers administrators directly
      advice: one host in the group jump
      controls: [HOST-02]
      rule: jump-missing
ansible_facts:
  description: The model of the consortium.
  returned: success
  type: dict
  contains:
    consortium:
      description: Plain data that the filters of this collection take.
      type: dict
"""
