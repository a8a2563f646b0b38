#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a node's chain before it stops, after it started, and whether it lives; changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: chain_gate
short_description: Ask the chain whether it can spare this node, and whether the node is back
version_added: "0.1.0"
description:
  - Runs on a ledger node and asks it over its IPC socket. Never changes anything.
  - Knows IBFT and QBFT (who sealed the last blocks), clique (who made them) and raft (who is active).
author:
  - quorum.hardening contributors (@quorum-hardening)
options:
  ask:
    description:
      - V(spare), before a stop, whether new blocks come and the chain can do without this node.
      - V(back), after a start, whether the node is in step and, as a validator, seals blocks again.
      - V(alive), whether new blocks come and the expected peers are connected.
    type: str
    choices: [spare, back, alive]
    required: true
  ipc:
    description: The node's IPC socket.
    type: path
    default: /var/lib/goquorum/geth.ipc
  unit:
    description: The node's unit. For V(spare), a node that does not run can be spared.
    type: str
    default: goquorum.service
  within:
    description: Seconds to wait for a good answer; V(0) with O(ask=alive) asks nothing of the chain.
    type: int
    default: 120
  leave_spare:
    description: With O(ask=spare), how many further faults the chain must bear meanwhile; V(-1) lets it stand still.
    type: int
    default: 0
  peers:
    description: With O(ask=alive), public keys (128 hex digits) of the peers that must be connected.
    type: list
    elements: str
    default: []
  units:
    description: Units that are compared with their files, to see whether they still run what the files say.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The unit.
        type: str
        required: true
      program:
        description: The program that it should run.
        type: path
      restart:
        description: Files that it reads at its start only.
        type: list
        elements: path
        default: []
      reload:
        description: Files that it reads again at a reload.
        type: list
        elements: path
        default: []
attributes:
  check_mode:
    support: full
    description: A node that is not there yet is no failure in check mode.
  diff_mode:
    support: none
    description: Nothing changes.
"""

EXAMPLES = r"""
- name: Ask the chain whether it can miss this node
  quorum.hardening.chain_gate:
    ask: spare
    leave_spare: 0

- name: Wait until the node seals again
  quorum.hardening.chain_gate:
    ask: back
    within: 180
"""

RETURN = r"""
why:
  description: The verdict in words.
  returned: always
  type: str
head:
  description: Number of the newest block.
  returned: when the node answers
  type: int
validators:
  description: Who makes the chain.
  returned: for O(ask=spare) and O(ask=back)
  type: list
  elements: str
signing:
  description: Which validators took part lately.
  returned: for O(ask=spare)
  type: list
  elements: str
spare:
  description: How many further faults the chain could bear without this node.
  returned: for O(ask=spare)
  type: int
peers:
  description: Public keys of the connected peers.
  returned: for O(ask=alive)
  type: list
  elements: str
missing_peers:
  description: Expected peers that are not connected.
  returned: for O(ask=alive)
  type: list
  elements: str
restart:
  description: Unit to the files because of which it wants a restart; units that want none are left out.
  returned: always
  type: dict
reload:
  description: Unit to the files because of which it wants a reload.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import chain_view, staleness


def main() -> None:
    """Run as a module."""
    files = {"type": "list", "elements": "path", "default": []}
    unit = {"name": {"type": "str", "required": True}, "program": {"type": "path"}, "restart": files, "reload": files}
    module = AnsibleModule(
        argument_spec={
            "ask": {"type": "str", "choices": ["spare", "back", "alive"], "required": True},
            "ipc": {"type": "path", "default": "/var/lib/goquorum/geth.ipc"},
            "unit": {"type": "str", "default": "goquorum.service"},
            "within": {"type": "int", "default": 120},
            "leave_spare": {"type": "int", "default": 0},
            "peers": {"type": "list", "elements": "str", "default": []},
            "units": {"type": "list", "elements": "dict", "default": [], "options": unit},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    needs = {row["name"]: staleness.needs(row) for row in wanted["units"]}
    result: dict[str, Any] = {
        "changed": False,
        "restart": {name: need["restart"] for name, need in needs.items() if need["restart"]},
        "reload": {name: need["reload"] for name, need in needs.items() if need["reload"]},
    }
    if wanted["ask"] == "alive" and not wanted["within"]:
        module.exit_json(why="not asked", **result)
    if wanted["ask"] == "spare" and not staleness.main_pid(wanted["unit"]):
        module.exit_json(why=f"{wanted['unit']} does not run: its start takes nothing away", **result)
    judge = {
        "spare": lambda: chain_view.spare(wanted["leave_spare"]),
        "back": chain_view.back,
        "alive": lambda: chain_view.alive(wanted["peers"]),
    }[wanted["ask"]]()
    # In check mode nothing was started, so there is nothing to wait for.
    found = chain_view.wait_for(wanted["ipc"], 0 if module.check_mode else wanted["within"], judge)
    answer = {key: value for key, value in found.items() if key not in ("open", "silent")}
    if found["open"] or module.check_mode:
        module.exit_json(**result, **answer)
    module.fail_json(msg=f"{wanted['ask']}: {found['why']} (waited {wanted['within']} s)", **result, **answer)


if __name__ == "__main__":
    main()
