#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patch
short_description: Brings all updates to a host and says what has to follow
version_added: 0.1.0
description:
  - Fetches the package lists and installs everything that is newer, also what the daily run leaves to the
    C(patch) playbook. Nothing is removed; packages that a person put on hold stay.
  - Says whether a reboot is needed and why, and which units still run code that was replaced. It restarts none itself.
  - Writes down where the host stands, so that the audit knows it at once.
extends_documentation_fragment:
  - quorum.hardening.attributes
attributes:
  check_mode:
    support: full
    details:
      - What would come is told by the package lists that are on the host; none is fetched.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  lock_seconds:
    description: For how many seconds another user of dpkg, the daily run for example, is waited for.
    type: int
    default: 900
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Bring all updates
  quorum.hardening.patch:
  register: patch_brought
"""

RETURN = r"""
upgraded:
  description: Packages that were (or would be) replaced or added, with their new version.
  returned: success
  type: dict
  sample: {"nginx": "1.22.1-9+deb12u1"}
reboot:
  description: Why the host wants a reboot; empty when it does not.
  returned: success
  type: list
  elements: str
units:
  description: Units that run code which an update has replaced, and that a restart renews.
  returned: success
  type: list
  elements: str
programs:
  description: Programs of no unit, in somebody's session for example, that run replaced code.
  returned: success
  type: list
  elements: str
notes:
  description: What a person should know, an interrupted run that was finished for example.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, run
from ansible_collections.quorum.hardening.plugins.module_utils.packages import Apt
from ansible_collections.quorum.hardening.plugins.module_utils.patching import follow_up, record, upgrade
from ansible_collections.quorum.hardening.plugins.module_utils.system import System


def main() -> None:
    module = AnsibleModule(
        argument_spec={"lock_seconds": {"type": "int", "default": 900}},
        supports_check_mode=True,
    )
    apt = Apt(run, lock_seconds=module.params["lock_seconds"])
    try:
        plan = upgrade(apt, run, module.check_mode)
        if not module.check_mode:
            record(run, plan)
        found = follow_up(plan, System())
    except (HostError, OSError) as problem:
        module.fail_json(msg=f"patch: {problem}")
    for note in apt.notes:
        module.warn(note)
    module.exit_json(
        changed=bool(plan.steps) or bool(apt.notes),
        upgraded={name: after for name, (_before, after) in plan.steps.items() if after},
        reboot=found.reboot,
        units=found.units,
        programs=found.programs,
        notes=apt.notes,
        diff={"before": plan.lines(False), "after": plan.lines(True)},
    )


if __name__ == "__main__":
    main()
