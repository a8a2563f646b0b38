#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: packages
short_description: Brings all packages of a role to their state in one transaction
version_added: 0.1.0
description:
  - Installs what is missing and purges what must not be there, in one transaction of apt, without recommended packages.
  - Waits for dpkg's lock, and names the process that holds it when the wait is over.
  - Finishes what an earlier run of apt that was cut short has left halfway.
  - Refuses to purge a package when others that nobody named would go with it.
  - Says in a sentence what a full disk, a read-only file system or a mirror that does not answer means.
  - Configuration files that were changed stay as they are. Fetches no package list when nothing is to be installed.
extends_documentation_fragment:
  - quorum.hardening.attributes
attributes:
  check_mode:
    support: full
    details:
      - Versions are shown as far as the package lists that are on the host know them.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  present:
    description: Packages that are there; C(name:architecture) is understood.
    type: list
    elements: str
    default: []
  absent:
    description: Packages that are not there. They are purged.
    type: list
    elements: str
    default: []
  released:
    description: Packages that are on hold no longer.
    type: list
    elements: str
    default: []
  update:
    description: Whether the package lists are fetched before something is installed.
    type: bool
    default: true
  start:
    description: Whether a package may start its services. If not, a role does, when their files are in place.
    type: bool
    default: true
  lock_seconds:
    description: For how many seconds another user of dpkg is waited for.
    type: int
    default: 300
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Bring the packages of this role
  quorum.hardening.packages:
    present: [nginx]
    absent: [telnet, rsh-client]
    start: false
"""

RETURN = r"""
installed:
  description: Packages that were (or would be) installed or replaced, with their version.
  returned: success
  type: dict
  sample: {"nginx": "1.22.1-9"}
removed:
  description: Packages that were (or would be) removed.
  returned: success
  type: list
  elements: str
released:
  description: Packages that were (or would be) taken off hold.
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
from ansible_collections.quorum.hardening.plugins.module_utils.packages import Apt, Quiet


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "present": {"type": "list", "elements": "str", "default": []},
            "absent": {"type": "list", "elements": "str", "default": []},
            "released": {"type": "list", "elements": "str", "default": []},
            "update": {"type": "bool", "default": True},
            "start": {"type": "bool", "default": True},
            "lock_seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    apt = Apt(run, lock_seconds=wanted["lock_seconds"])
    try:
        if not module.check_mode:
            apt.free()
        with Quiet(not wanted["start"] and not module.check_mode):
            if not module.check_mode:
                apt.repair()
            plan = apt.change(wanted["present"], wanted["absent"], wanted["update"], module.check_mode)
        released = apt.release(wanted["released"], module.check_mode)
    except (HostError, OSError) as problem:
        module.fail_json(msg=f"packages: {problem}")
    for note in apt.notes:
        module.warn(note)
    held = "".join(f"{name} on hold\n" for name in released)
    module.exit_json(
        changed=bool(plan.steps or released or (apt.notes and not module.check_mode)),
        installed={name: after for name, (_before, after) in plan.steps.items() if after},
        removed=sorted(name for name, (_before, after) in plan.steps.items() if not after),
        released=released,
        notes=apt.notes,
        diff={"before": plan.lines(False) + held, "after": plan.lines(True)},
    )


if __name__ == "__main__":
    main()
