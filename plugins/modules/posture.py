#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: posture
short_description: Brings the live state of a host that no file holds into line, in one call
version_added: 0.1.0
description:
  - Sets kernel parameters, unloads modules, adds mount options, narrows modes, takes setuid bits away, ends swap.
  - What somebody changed on the running host is put right, though no file has changed.
  - What an SSH session may not do itself is asked of the first process, as a unit that systemd runs.
  - What this machine does not have, or cannot set, is named in RV(lacking) with the reason and is no error.
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
  parameters:
    description:
      - Kernel parameters and their values; a star in a name stands for every interface.
      - They are set in the order given.
    type: dict
    default: {}
  modules:
    description: Kernel modules to unload where they are loaded and not in use.
    type: list
    elements: str
    default: []
  mounts:
    description:
      - Mount points and the options to add to each; options that they have already stay.
      - A path that is no mount is never touched, but for O(bound). C(gid) takes the name of a group.
    type: dict
    default: {}
  bound:
    description:
      - Those of O(mounts) that become a mount where they are none, a directory bound onto itself with its content.
    type: list
    elements: path
    default: []
  paths:
    description: Files and directories whose owner and mode matter, where they are there.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path. A symbolic link is not followed and is left alone.
        type: path
        required: true
      owner:
        description: Name of the owner.
        type: str
        required: true
      group:
        description: Name of the group. Without it the group stays, and what belongs to somebody else is left alone.
        type: str
      mode:
        description: The widest mode, as a quoted octal number. A tighter one is left alone.
        type: str
        required: true
  setuid:
    description:
      - The only programs that may keep a setuid or setgid bit. Without this option no bit is looked at.
      - The bit of a package's program is taken by C(dpkg-statoverride), so that its next version does not bring it.
    type: list
    elements: path
  swap:
    description:
      - V(off) ends all swapping to disks, V(encrypted) that to areas which are not encrypted.
      - Without it, and where kernel parameters cannot be set (swap is the machine's below then), none is ended.
    type: str
    choices: ["off", encrypted]
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Bring the live state into line
  quorum.hardening.posture:
    parameters:
      net.ipv4.ip_forward: "0"
      net.ipv4.conf.*.rp_filter: "1"
    modules: [usb_storage]
    mounts:
      /dev/shm: [nosuid, nodev, noexec]
      /var/tmp: [nosuid, nodev, noexec]
    bound: [/var/tmp]
    paths:
      - {path: /etc/shadow, owner: root, group: shadow, mode: "0640"}
    setuid: [/usr/bin/sudo, /usr/bin/passwd]
    swap: "off"
"""

RETURN = r"""
done:
  description: What was put right (or would be), with the state before and after.
  returned: success
  type: list
  elements: dict
  sample: [{"what": "net.ipv4.ip_forward", "before": "1", "after": "0"}]
lacking:
  description: What this machine does not have or cannot set, and why.
  returned: success
  type: dict
  sample: {"kernel.io_uring_disabled": "this kernel does not have it"}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import own
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, run
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Names
from ansible_collections.quorum.hardening.plugins.module_utils.machine import Machine
from ansible_collections.quorum.hardening.plugins.module_utils.postures import Posture

PATH = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "required": True},
    "group": {"type": "str"},
    "mode": {"type": "str", "required": True},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "parameters": {"type": "dict", "default": {}},
            "modules": {"type": "list", "elements": "str", "default": []},
            "mounts": {"type": "dict", "default": {}},
            "bound": {"type": "list", "elements": "path", "default": []},
            "paths": {"type": "list", "elements": "dict", "default": [], "options": PATH},
            "setuid": {"type": "list", "elements": "path"},
            "swap": {"type": "str", "choices": ["off", "encrypted"]},
        },
        supports_check_mode=True,
    )
    wanted, can = module.params, Machine().capabilities()
    posture = Posture(run)
    try:
        posture.parameters(wanted["parameters"])
        # In a container both belong to the machine below, though they can be seen.
        if can["modules"]:
            posture.modules(wanted["modules"])
        if can["kernel_parameters"] and wanted["swap"]:
            posture.swap(wanted["swap"])
        posture.mounts(wanted["mounts"], wanted["bound"])
        posture.paths(wanted["paths"], Names())
        if wanted["setuid"] is not None:
            posture.privileged(wanted["setuid"])
        if not module.check_mode:
            with own.changes([step.what for step in posture.plan.steps if step.what.startswith("/")]):
                posture.carry_out()
    except (HostError, OSError, ValueError) as problem:
        module.fail_json(msg=f"posture: {problem}")
    lacking = posture.plan.lacking
    steps = [one for one in posture.plan.differences if one.what not in lacking]
    module.exit_json(
        changed=bool(steps),
        done=[{"what": step.what, "before": step.before, "after": step.after} for step in steps],
        lacking=lacking,
        diff={
            "before": "".join(f"{step.what}: {step.before}\n" for step in steps),
            "after": "".join(f"{step.what}: {step.after}\n" for step in steps),
        },
    )


if __name__ == "__main__":
    main()
