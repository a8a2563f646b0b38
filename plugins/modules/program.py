#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: program
short_description: Installs one version of a program from an archive on the controller
version_added: 0.1.0
description:
  - Unpacks chosen members of a tar or zip archive into a directory of the version's own, owned by root and writable
    by nobody.
  - The archive travels only when the host does not have the version yet, or no longer as it was installed.
  - The archive's SHA-256 is checked on the controller and again on the host.
  - The C(current) link is turned in one step, and only if asked to.
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
  name:
    description: Name of the program.
    type: str
    required: true
  version:
    description: Version of the program; the name of its directory.
    type: str
    required: true
  archive:
    description: Archive on the controller. It need not be there when the host has the version already.
    type: path
  sha256:
    description:
      - SHA-256 of the archive, in hexadecimal.
      - Without it the archive is only checked to arrive as it was sent.
    type: str
    default: ""
  members:
    description: What to take from the archive. Everything, when empty.
    type: list
    elements: dict
    default: []
    suboptions:
      from:
        description: Name of a member, a pattern, or a directory with a trailing slash.
        type: str
        required: true
      to:
        description: File below the version's directory, or a directory with a trailing slash.
        type: str
        default: /
      mode:
        description:
          - Mode as a quoted octal number; write permissions are never given.
          - Defaults to C(0555) for what is executable, C(0444) else.
        type: str
  base:
    description: Directory of all versions. Defaults to C(/opt/) and the name.
    type: path
  link:
    description: Whether C(current) is turned to this version.
    type: bool
    default: true
  source:
    description: The archive on the host. Set by the action, never in a task.
    type: path
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Install the client
  quorum.hardening.program:
    name: goquorum
    version: 24.4.1
    archive: "{{ goquorum_archive }}"
    sha256: "{{ goquorum_archive_sha256 }}"
    members:
      - {from: geth, to: bin/geth, mode: "0555"}
    link: false
"""

RETURN = r"""
path:
  description: Directory of the version.
  returned: success
  type: str
  sample: /opt/goquorum/24.4.1
sha256:
  description: SHA-256 of the archive that it was installed from.
  returned: success
  type: str
files:
  description: SHA-256 of every installed file, by its path below the directory.
  returned: success
  type: dict
current:
  description: Version that C(current) points to after the task; empty when there is no such link.
  returned: success
  type: str
restart_needed:
  description: Whether what C(current) leads to is another program than before.
  returned: success
  type: bool
reasons:
  description: Why the version had to be installed; empty when it was there.
  returned: success
  type: list
  elements: str
needed:
  description: Whether the archive has to be sent. For the action.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import own, programs
from ansible_collections.quorum.hardening.plugins.module_utils.archive import picks
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "archive": {"type": "path"},
            "sha256": {"type": "str", "default": ""},
            "members": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "from": {"type": "str", "required": True},
                    "to": {"type": "str", "default": "/"},
                    "mode": {"type": "str"},
                },
            },
            "base": {"type": "path"},
            "link": {"type": "bool", "default": True},
            "source": {"type": "path"},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        program = programs.Program(
            given["name"], given["version"], given["sha256"].lower(), picks(given["members"]), given["base"] or ""
        )
        if program.problems():
            raise HostError("; ".join(program.problems()))
        state = programs.inspect(program)
        before = programs.current(program)
        reasons = state.reasons
        needed = not state.whole
        if needed and given["source"] and not module.check_mode:
            state = programs.install(program, given["source"])
            needed = False
        turned = given["link"] and before != program.version
        if turned and not needed and not module.check_mode:
            programs.point(program)
        if not module.check_mode and ((reasons and not needed) or turned):
            # All of it is as the pinned archive says.
            own.landed([f"{program.home}/"])
        after = program.version if given["link"] else before
    except (HostError, OSError) as problem:
        module.fail_json(msg=f"program: {problem}")
    there = "" if "not installed" in reasons else f"{program.path}: {'; '.join(reasons) or 'as installed'}\n"
    module.exit_json(
        changed=bool(reasons) or turned,
        path=program.path,
        sha256=state.sha256,
        files=programs.checksums(state),
        current=after,
        restart_needed=turned or (bool(reasons) and before == program.version),
        reasons=reasons,
        needed=needed,
        diff={
            "before": there + (f"current: {before}\n" if before else ""),
            "after": f"{program.path}: as installed\n" + (f"current: {after}\n" if after else ""),
        },
    )


if __name__ == "__main__":
    main()
