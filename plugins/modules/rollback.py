#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Puts back what the last run replaced on a host
version_added: 0.1.0
description:
  - Each run keeps what it replaces on a host. That is files, the states of units, and the table of the packet filter.
  - This module brings the host to how it was before a kept run, and so takes back that run and all after it.
  - Files that daemons judge are judged before they land.
  - The host takes the way back itself back unless M(quorum.hardening.undo) confirms it over a fresh connection.
  - Accounts, packages, keys, certificates, programs and secrets stay as they are. Of a secret nothing is kept but that
    there was one.
  - The next run of the playbook C(site) brings the wanted state again.
extends_documentation_fragment:
  - quorum.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Without O(run) each call goes one run further back.
options:
  state:
    description: V(listed) names the kept runs and changes nothing; V(taken_back) goes back.
    type: str
    choices: [listed, taken_back]
    default: taken_back
  run:
    description:
      - The first run to take back.
      - Defaults to the last one that is no way back itself and was not taken back.
    type: str
    default: ""
  held:
    description:
      - Units that are never stopped or restarted here, because somebody else has to say when.
      - Those whose files came back are returned. Where one would have to be stopped for good, nothing is done.
    type: list
    elements: str
    default: [goquorum.service, openbao.service]
  undo_seconds:
    description:
      - After how many seconds the host takes the way back itself back, unless it is confirmed.
      - With V(0) nothing is armed.
    type: int
    default: 45
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: See what could be taken back
  quorum.hardening.rollback:
    state: listed
  register: __kept

- name: Take the last run back
  quorum.hardening.rollback:
  register: __back

- name: Confirm it over a fresh connection
  quorum.hardening.undo:
    names: "{{ __back.armed }}"
    from_addresses: [198.18.0.2]
"""

RETURN = r"""
runs:
  description: The kept runs, oldest first, each with who ran it, when, and what it replaced.
  returned: success
  type: list
  elements: dict
  contains:
    run: {description: Its name., type: str}
    who: {description: Who started it., type: str}
    began: {description: 'When it took the lock, ISO 8601.', type: str}
    files: {description: Paths it replaced., type: list}
    units: {description: Units it changed., type: list}
    ruleset: {description: Whether it changed the packet filter., type: bool}
    taken_back: {description: 'The run that took it back, or empty.', type: str}
    takes_back: {description: 'The run that this one took back, or empty.', type: str}
run:
  description: The host is (or would be) as before this run.
  returned: with O(state=taken_back)
  type: str
taken_back:
  description: All runs that are taken back.
  returned: with O(state=taken_back)
  type: list
  elements: str
paths:
  description: Files, links and directories that become others.
  returned: with O(state=taken_back)
  type: list
  elements: str
units:
  description: Units that get another state.
  returned: with O(state=taken_back)
  type: list
  elements: str
ruleset:
  description: Whether the table of the packet filter becomes another.
  returned: with O(state=taken_back)
  type: bool
held:
  description: Units of O(held) whose files came back. They still run what they were started with.
  returned: with O(state=taken_back)
  type: list
  elements: str
left:
  description: What stays as it is although a run replaced it, and why.
  returned: with O(state=taken_back)
  type: list
  elements: str
armed:
  description: Names of the undos that wait for a confirmation.
  returned: with O(state=taken_back)
  type: list
  elements: str
notes:
  description: What a person should know.
  returned: with O(state=taken_back)
  type: list
  elements: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, run
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground, Names
from ansible_collections.quorum.hardening.plugins.module_utils.holding import alone
from ansible_collections.quorum.hardening.plugins.module_utils.keeping import keeper, kept_runs
from ansible_collections.quorum.hardening.plugins.module_utils.nft import NftError
from ansible_collections.quorum.hardening.plugins.module_utils.rope import HostRope
from ansible_collections.quorum.hardening.plugins.module_utils.taking_back import Back


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["listed", "taken_back"], "default": "taken_back"},
            "run": {"type": "str", "default": ""},
            "held": {"type": "list", "elements": "str", "default": ["goquorum.service", "openbao.service"]},
            "undo_seconds": {"type": "int", "default": 45},
        },
        supports_check_mode=True,
    )
    result = {"changed": False}
    wanted, seconds = module.params["run"], module.params["undo_seconds"]
    try:
        with alone(not module.check_mode), Ground() as ground:
            if module.params["state"] == "taken_back":
                back = Back(ground, run, Names(), HostRope(), keeper(ground))
                result = asdict(back.apply(wanted, module.params["held"], module.check_mode, seconds))
            runs = [kept.summary() for kept in kept_runs(ground)]
    except (HostError, NftError, OSError) as problem:
        module.fail_json(msg=f"rollback: {problem}")
    module.exit_json(runs=runs, **result)


if __name__ == "__main__":
    main()
