#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: overlay
short_description: Lands the whole file tree of a role in one call
version_added: 0.1.0
description:
  - Renders the C(overlay/) tree of the role that calls it on the controller and lands it on the host with one call.
  - The manifest C(overlay.yml) of the role says for each file who owns it, which daemon judges it, which controls it
    serves and which unit wants to hear of a change.
  - The staged whole is judged by the daemons themselves before anything lands. When one refuses, nothing is changed.
  - Each file is replaced in one step, without following symbolic links. When a step fails, everything is put back.
  - Files that were landed by an earlier run and have left the tree are removed, unless somebody has altered them since.
    Where the distribution or a person had a file before ours, that one is put back.
  - What is replaced is kept on the host, for M(quorum.hardening.rollback). Of a secret nothing is kept.
  - Secret files appear in a diff as a fingerprint only.
extends_documentation_fragment:
  - quorum.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  root:
    description:
      - Directory of the tree on the controller.
      - Defaults to C(overlay/) in the directory of the calling role.
    type: path
  manifest:
    description:
      - Manifest file on the controller.
      - Defaults to C(overlay.yml) in the directory of the calling role.
    type: path
  role:
    description:
      - Name under which the host remembers the files.
      - Defaults to the name of the calling role.
    type: str
  controls:
    description:
      - Only rows that serve one of these controls take part, and nothing is pruned.
      - Defaults to the control ids among the tags that the run was started with.
    type: list
    elements: str
  skip:
    description: Rows that serve these controls only do not take part; what they landed earlier is removed.
    type: list
    elements: str
    default: []
  prune:
    description: Whether files of ours that have left the tree are removed.
    type: bool
    default: true
  undo_seconds:
    description:
      - After how many seconds the host takes back a change of rows that name an undo, unless it is confirmed.
      - With V(0) nothing is armed.
    type: int
    default: 45
  payload:
    description: The rendered tree. Set by the action, never in a task.
    type: str
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Land the files of this role
  quorum.hardening.overlay:
    skip: "{{ host_skip_controls }}"
    undo_seconds: "{{ host_undo_seconds }}"
  register: __host_overlay

- name: Let the daemons hear of it
  quorum.hardening.units:
    restarted: "{{ __host_overlay.wants.restart }}"
    reloaded: "{{ __host_overlay.wants.reload }}"
"""

RETURN = r"""
paths:
  description: Files and directories that changed (or would change), in the order of the manifest.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/sshd_config.d/50-quorum.conf]
removed:
  description: Files that had left the tree and were removed.
  returned: success
  type: list
  elements: str
restored:
  description: Files that had left the tree, and in whose place what stood there before us was put back.
  returned: success
  type: list
  elements: str
kept:
  description: Files that have left the tree and were left alone, because they are no longer as they were landed.
  returned: success
  type: list
  elements: str
wants:
  description:
    - What has to follow. C(reload) and C(restart) are lists of units; an earlier run that was cut short adds its own.
    - C(daemon_reload), C(sysusers) and C(tmpfiles) say what the landing did by itself.
  returned: success
  type: dict
  sample: {"reload": ["ssh.service"], "restart": [], "daemon_reload": false, "sysusers": false, "tmpfiles": false}
armed:
  description: Names of the undos that were armed.
  returned: success
  type: list
  elements: str
  sample: [sshd]
validated:
  description: Validators that judged the staged whole and agreed.
  returned: success
  type: list
  elements: str
notes:
  description: What a person should know, a validator that is not installed yet (check mode) for example.
  returned: success
  type: list
  elements: str
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import own
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, run
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground, Names
from ansible_collections.quorum.hardening.plugins.module_utils.holding import alone
from ansible_collections.quorum.hardening.plugins.module_utils.keeping import keeper
from ansible_collections.quorum.hardening.plugins.module_utils.memory import Memory
from ansible_collections.quorum.hardening.plugins.module_utils.overlaying import Order, Overlay
from ansible_collections.quorum.hardening.plugins.module_utils.rope import HostRope
from ansible_collections.quorum.hardening.plugins.module_utils.tree import secret_lines, unpack


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path"},
            "manifest": {"type": "path"},
            "role": {"type": "str"},
            "controls": {"type": "list", "elements": "str"},
            "skip": {"type": "list", "elements": "str", "default": []},
            "prune": {"type": "bool", "default": True},
            "undo_seconds": {"type": "int", "default": 45},
            "payload": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    if not module.params["payload"] or not module.params["role"]:
        module.fail_json(msg="overlay: the tree is rendered by the action of the same name; call it from a role")
    entries = unpack(module.params["payload"])
    module.no_log_values.update(secret_lines(entries))
    order = Order(
        role=module.params["role"],
        entries=entries,
        prune=module.params["prune"] and not module.params["controls"],
        check_mode=module.check_mode,
        undo_seconds=module.params["undo_seconds"],
    )
    try:
        with alone(not module.check_mode), Ground() as ground:
            wanted = [entry.path.rstrip("/") for entry in entries]
            places = [*wanted, *Memory.load(ground, order.role).files, *own.ACCOUNTS, own.UNITS, *own.OWN]
            with own.changes(() if module.check_mode else places):
                result = asdict(Overlay(ground, run, Names(), HostRope(), keeper(ground)).apply(order))
    except (HostError, OSError) as problem:
        module.fail_json(msg=f"overlay of {order.role}: {problem}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
