#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lock
short_description: Lets one run at a time work on a host
version_added: 0.1.0
description:
  - Takes or releases the host's lock. Who holds it and since when is kept below C(/run), so that a reboot releases it.
  - When another run holds it, the task fails and names that run.
  - Who lets a host go tells its file watch of what the run has changed, when it has changed anything.
  - A lock left behind by a run of the same controller that is no longer alive is broken by itself.
  - The lock says nothing about the host's configuration, so that taking and releasing it does not count as a change.
extends_documentation_fragment:
  - quorum.hardening.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is taken or released.
  diff_mode:
    support: N/A
    details:
      - The lock is not part of the configuration.
  idempotent:
    support: full
options:
  state:
    description: Whether this run holds the host or lets it go.
    type: str
    choices: [held, released]
    default: held
  break_other:
    description:
      - Take the lock even though another run holds it.
      - Defaults to the variable C(host_lock_break).
    type: bool
  holder:
    description: The run that asks. Set by the action, never in a task.
    type: dict
  breaking:
    description: The run whose lock may be broken. Set by the action, never in a task.
    type: str
    default: ""
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Hold the host
  quorum.hardening.lock:

- name: Let the host go
  quorum.hardening.lock:
    state: released
"""

RETURN = r"""
holder:
  description: Who holds the host after the task; empty when nobody does.
  returned: success
  type: dict
  sample: {"who": "alice@laptop", "controller": "laptop:0123456789ab", "pid": 4711, "since": "2026-11-21T13:22:52Z"}
busy:
  description: Whether another run holds it.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import own
from ansible_collections.quorum.hardening.plugins.module_utils.commands import run as runner
from ansible_collections.quorum.hardening.plugins.module_utils.holding import Holder, Lock


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
            "break_other": {"type": "bool"},
            "holder": {"type": "dict"},
            "breaking": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    lock = Lock()
    try:
        run = Holder.from_dict(module.params["holder"] or {})
        if module.params["state"] == "released":
            if not module.check_mode:
                lock.release(run)
                problem = own.tell(runner)
                if problem:
                    module.warn(f"the file watch was not started: {problem}")
            other = None
        elif module.check_mode:
            present = lock.holder()
            other = present if present is not None and present.run != run.run else None
        else:
            other = lock.hold(run, module.params["breaking"])
        present = lock.holder()
    except (OSError, ValueError) as problem:
        module.fail_json(msg=f"lock: {problem}")
    module.exit_json(changed=False, busy=other is not None, holder=present.to_dict() if present else {})


if __name__ == "__main__":
    main()
