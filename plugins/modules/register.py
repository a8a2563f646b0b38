#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: register
short_description: Write the consortium's register, and the genesis of a new network
version_added: "0.1.0"
description:
  - Gathers the public parts that M(quorum.hardening.identity) brought back from the hosts of the play, and writes them
    into the inventory's register, a YAML file to be read, reviewed and committed. Entries of other members stay.
  - Computes the genesis of a new network from the register. An existing genesis is never overwritten.
  - Works on the controller alone.
author:
  - quorum.hardening contributors (@quorum-hardening)
options:
  path:
    description: The register.
    type: path
    required: true
  genesis:
    description: The genesis file of the network.
    type: path
    required: true
  hosts:
    description: Names of the hosts that speak in this run.
    type: list
    elements: str
    required: true
  nodes:
    description: Names of all hosts of the inventory that run a node; the genesis waits until each has a key.
    type: list
    elements: str
    required: true
  result:
    description: Name of the variable in which each host registered what M(quorum.hardening.identity) returned.
    type: str
    default: enrol_identity
  organisation:
    description: The member whose hosts these are.
    type: str
    required: true
  region:
    description: The region of a member that is not in the register yet.
    type: str
    default: ""
  members:
    description: The register so far (C(consortium_members)).
    type: list
    elements: dict
    default: []
  requests:
    description: The certificate requests so far (C(consortium_certificate_requests)).
    type: dict
    default: {}
  consensus:
    description: The consensus of the network.
    type: str
    required: true
  chain_id:
    description: The chain's number.
    type: int
    required: true
  block_period:
    description: Seconds between blocks, for a new network.
    type: int
    default: 5
attributes:
  check_mode:
    support: full
    description: Shows both files as they would become, as far as the keys are there already.
  diff_mode:
    support: full
    description: Both files are public.
"""

EXAMPLES = r"""
- name: Write down what the hosts gave away
  quorum.hardening.register:
    path: "{{ inventory_dir }}/group_vars/all/register.yml"
    genesis: "{{ consortium_genesis_file }}"
    hosts: "{{ ansible_play_hosts }}"
    nodes: "{{ groups['goquorum'] }}"
    organisation: "{{ consortium_organisation }}"
    members: "{{ consortium_members | default([]) }}"
    requests: "{{ consortium_certificate_requests | default({}) }}"
    consensus: "{{ consortium_consensus }}"
    chain_id: "{{ consortium_chain_id }}"
  run_once: true
"""

RETURN = r"""
written:
  description: The files that were written.
  returned: always
  type: list
  elements: str
waiting:
  description: Nodes without a key, for which the genesis waits.
  returned: always
  type: list
  elements: str
validators:
  description: Addresses of the validators in the register.
  returned: always
  type: list
  elements: str
"""
