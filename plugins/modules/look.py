#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: look
short_description: Says what a host is, has and can do, in one cheap call
version_added: 0.1.0
description:
  - Reads the distribution, the installed packages, files and certificates, and asks the machine what it can carry.
  - Takes the place of gathering facts and of a package task on a host that has everything already.
  - Changes nothing and installs nothing.
extends_documentation_fragment:
  - quorum.hardening.attributes
  - quorum.hardening.attributes.look
options:
  packages:
    description: Packages that the role needs; C(name:architecture) is understood.
    type: list
    elements: str
    default: []
  files:
    description: Files to describe. A symbolic link is described itself, not what it points to.
    type: list
    elements: path
    default: []
  certificates:
    description: Certificate files (PEM) to describe. In a file with several the first counts.
    type: list
    elements: path
    default: []
  unwanted:
    description: Packages that the host's duty does not need.
    type: list
    elements: str
    default: []
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: See what is there
  quorum.hardening.look:
    packages: [nftables, openssh-server]
    certificates: [/etc/goquorum/tls/rpc.crt]
  register: __host_look

- name: Install what is missing
  quorum.hardening.packages:
    present: "{{ __host_look.missing_packages }}"
  when: __host_look.missing_packages | length > 0
"""

RETURN = r"""
distribution:
  description: C(ID) of the distribution.
  returned: success
  type: str
  sample: debian
version:
  description: C(VERSION_ID) of the distribution.
  returned: success
  type: str
  sample: "12"
codename:
  description: Code name of the distribution's version.
  returned: success
  type: str
  sample: bookworm
architecture:
  description: Architecture as the packages call it.
  returned: success
  type: str
  sample: amd64
capabilities:
  description:
    - What the machine can carry; found by asking it, never by its name.
    - C(kernel_parameters) and C(network_parameters) can be set, C(audit) answers, C(apparmor) takes profiles.
    - C(modules) can be loaded, C(memory_ceiling) is enforced on services, C(tpm) is there.
    - C(kernel_log) can be read, C(clock) can be set.
  returned: success
  type: dict
  sample: {"kernel_parameters": false, "network_parameters": true, "audit": false}
missing_packages:
  description: Those of O(packages) that are not installed.
  returned: success
  type: list
  elements: str
held_packages:
  description: Packages that somebody put on hold.
  returned: success
  type: list
  elements: str
halfway_packages:
  description: Packages that an interrupted run of dpkg left halfway.
  returned: success
  type: list
  elements: str
versions:
  description: Versions of those of O(packages) that are installed.
  returned: success
  type: dict
files:
  description:
    - For each of O(files) whether it C(exists), its C(kind) (file, directory, link, other or absent), C(sha256) of a
      file, target of a C(link), C(mode), C(owner), C(group) and C(size) in bytes.
  returned: success
  type: dict
certificates:
  description:
    - For each of O(certificates) whether it C(exists), C(not_after) in UTC, C(days_left), C(issuer), C(subject),
      C(sha256), C(public_key_sha256) of the subject's public key (DER), and C(error) when it cannot be read.
  returned: success
  type: dict
credentials:
  description:
    - Who can authenticate beyond a key. C(passwords) names the accounts that have a password, C(second_factors) those
      that have a second factor for SSH. Names alone, never what would open anything.
    - C(user) is the account through which this very call came in; empty where it is not known.
  returned: success
  type: dict
  sample: {"passwords": ["ops"], "second_factors": ["ops"], "user": "ops"}
unwanted_packages:
  description: Those of O(unwanted) that are installed and can go without taking another package along.
  returned: success
  type: list
  elements: str
needed_packages:
  description: Those of O(unwanted) that are installed and that another package needs, with its name.
  returned: success
  type: dict
  sample: {"rpcbind": "nfs-common"}
mounts:
  description: What is mounted where, with C(type) and C(options).
  returned: success
  type: dict
memory_mb:
  description: Memory of the host in MiB.
  returned: success
  type: int
tmp_mb:
  description: Size of the file system that holds C(/tmp), in MiB.
  returned: success
  type: int
armed:
  description: Names of the undos that wait for a confirmation, those of a run that was cut short.
  returned: success
  type: list
  elements: str
connected_from:
  description: Address that the session of this very call comes from; empty where it is no SSH session.
  returned: success
  type: str
  sample: 198.18.0.2
undone:
  description: Records of changes that the host took back by itself because nobody confirmed them.
  returned: success
  type: list
  elements: dict
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import certificates, session, undo
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, run
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground, Names
from ansible_collections.quorum.hardening.plugins.module_utils.machine import Machine, describe, missing, settled


def connected_from() -> str:
    """The address that this very session comes from; empty where it is no SSH session."""
    try:
        return session.find(session.Proc(), os.getpid()).peer
    except session.SessionError:
        return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
            "certificates": {"type": "list", "elements": "path", "default": []},
            "unwanted": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    machine, names = Machine(), Names()
    packages = machine.packages()
    held, halfway = machine.marked()
    try:
        with Ground() as ground:
            files = {path: describe(ground.seen(settled(path)), names) for path in wanted["files"]}
            there = {
                path: ground.seen(settled(path), content=False).kind != "absent" for path in wanted["certificates"]
            }
    except (HostError, OSError) as problem:
        module.fail_json(msg=f"look: {problem}")
    module.exit_json(
        changed=False,
        **machine.release(packages),
        **machine.ground(),
        **machine.purge(wanted["unwanted"]),
        connected_from=connected_from(),
        capabilities=machine.capabilities(),
        missing_packages=missing(wanted["packages"], packages),
        held_packages=held,
        halfway_packages=halfway,
        versions={name: packages[name][0] for name in wanted["packages"] if name in packages},
        files=files,
        certificates={path: certificates.read(run, path, exists, time.time()) for path, exists in there.items()},
        credentials={**machine.credentials(), "user": os.environ.get("SUDO_USER", "")},
        armed=[row["name"] for row in undo.status() if row["armed"]],
        undone=machine.undone(),
    )


if __name__ == "__main__":
    main()
