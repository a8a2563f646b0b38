#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: units
short_description: Brings all systemd units of a role to their state in one call
version_added: 0.1.0
description:
  - Masks, stops, disables, enables, starts, restarts and reloads units, in this order.
  - Looks at all of them once before and once after.
  - Reads unit files again when systemd says that it needs to.
  - A unit that does not come up fails the task with its result and the last 20 lines of its journal.
  - A unit that is started is not restarted or reloaded as well; a unit that does not run is not reloaded.
  - Restarts and reloads that a landing of M(quorum.hardening.overlay) still waited for are struck out.
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
      - With O(restarted) and O(reloaded) something is done each time.
options:
  masked:
    description: Units that must never run, by nobody's hand. They are stopped as well and need not be there.
    type: list
    elements: str
    default: []
  stopped:
    description: Units that must not run now.
    type: list
    elements: str
    default: []
  disabled:
    description: Units that are not started at boot.
    type: list
    elements: str
    default: []
  enabled:
    description: Units that are started at boot.
    type: list
    elements: str
    default: []
  started:
    description: Units that run now.
    type: list
    elements: str
    default: []
  restarted:
    description: Units that are restarted now.
    type: list
    elements: str
    default: []
  reloaded:
    description: Units that read their configuration again now, if they run; by a restart if they cannot do otherwise.
    type: list
    elements: str
    default: []
  timeout:
    description: How many seconds systemd may take for each kind of action.
    type: int
    default: 120
  settle:
    description: For how many seconds a unit has to stay up after its start to count as started.
    type: float
    default: 0.5
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Set the units of this role
  quorum.hardening.units:
    masked: [rpcbind.service, rpcbind.socket]
    enabled: [ssh.service, quorum-firewall.service]
    started: [ssh.service, quorum-firewall.service]
    reloaded: "{{ __host_overlay.wants.reload }}"
"""

RETURN = r"""
units:
  description: What was done (or would be), for each unit that needed anything.
  returned: success
  type: dict
  sample: {"ssh.service": ["enable", "start"]}
unmet:
  description: Units that systemd did not start because their conditions do not hold on this machine.
  returned: success
  type: list
  elements: str
daemon_reload:
  description: Whether unit files were read again.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import own
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, run
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground
from ansible_collections.quorum.hardening.plugins.module_utils.holding import alone
from ansible_collections.quorum.hardening.plugins.module_utils.keeping import keeper
from ansible_collections.quorum.hardening.plugins.module_utils.memory import settle_wants
from ansible_collections.quorum.hardening.plugins.module_utils.systemd import LISTS, Units, Wish, full_name


def main() -> None:
    lists = {name: {"type": "list", "elements": "str", "default": []} for name in LISTS}
    module = AnsibleModule(
        argument_spec={
            **lists,
            "timeout": {"type": "int", "default": 120},
            "settle": {"type": "float", "default": 0.5},
        },
        supports_check_mode=True,
    )
    wish = Wish(**{name: [full_name(unit) for unit in module.params[name]] for name in LISTS})
    try:
        with alone(not module.check_mode), Ground() as ground:
            keep = None if module.check_mode else keeper(ground).units
            units = Units(run, module.params["timeout"], module.params["settle"], keep=keep)
            with own.changes(() if module.check_mode else [own.UNITS]):
                result = units.apply(wish, module.check_mode)
            if not module.check_mode:
                settle_wants(ground, result.restarted, result.reloaded)
    except (HostError, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(
        changed=bool(result.actions) or result.daemon_reload,
        units=result.actions,
        unmet=result.unmet,
        daemon_reload=result.daemon_reload,
        diff={
            "before": "".join(f"{unit}: {state}\n" for unit, state in sorted(result.before.items())),
            "after": "".join(f"{unit}: {state}\n" for unit, state in sorted(result.after.items())),
        },
    )


if __name__ == "__main__":
    main()
