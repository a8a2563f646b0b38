#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a host's missing keys in one call, and give away their public halves only."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: identity
short_description: Make a host's keys, which never leave it
version_added: "0.1.0"
description:
  - Makes the keys that are missing on a host, a GoQuorum node key (secp256k1) and keys for TLS (EC P-384), each with a
    certificate request beside it. An existing key is never overwritten.
  - Gives back public parts only, the node's public key and the certificate requests.
  - Needs nothing on the host but Python and the C(openssl) program.
author:
  - quorum.hardening contributors (@quorum-hardening)
options:
  node_key:
    description: The GoQuorum node's key; leave it out on a host without a node.
    type: dict
    suboptions:
      path:
        description: The key file, 64 hex digits, mode 0600.
        type: path
        required: true
      owner:
        description: The user the client runs as.
        type: str
        default: goquorum
      group:
        description: The group the client runs as.
        type: str
        default: goquorum
  keys:
    description: The keys for TLS.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The key file, PEM, mode 0600. The request lies beside it and ends in C(.csr).
        type: path
        required: true
      owner:
        description: Who may read the key.
        type: str
        default: root
      group:
        description: The group of the key file.
        type: str
        default: root
      csr:
        description: Whom the certificate request speaks for.
        type: dict
        required: true
        suboptions:
          cn:
            description: The common name.
            type: str
            required: true
          dns:
            description: DNS names.
            type: list
            elements: str
            default: []
          ips:
            description: IP addresses.
            type: list
            elements: str
            default: []
  directories:
    description:
      - Directories that have to be there with an owner and a mode before a key can lie in them.
      - A directory that is not named and not there is made for root, mode 0755.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: path
        required: true
      owner:
        description: Its owner.
        type: str
        default: root
      group:
        description: Its group.
        type: str
        default: root
      mode:
        description: Its mode, in octal digits.
        type: str
        default: "0755"
  sysusers:
    description:
      - Lines for systemd-sysusers(8), the very ones that the service's role lays down later.
      - They bring the service users into being on a host that no role has seen yet.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Says what it would make, and makes nothing; what is not there yet has no public part.
  diff_mode:
    support: full
    description: Names files, owners and modes, never content.
"""

EXAMPLES = r"""
- name: Make the identity of a validator
  quorum.hardening.identity:
    sysusers:
      - u goquorum - "GoQuorum client" /var/lib/goquorum
    node_key:
      path: /var/lib/goquorum/geth/nodekey
    keys:
      - path: /etc/goquorum/tls/rpc.key
        csr: {cn: validator1, dns: [validator1], ips: [198.18.1.21]}
"""

RETURN = r"""
node_public_key:
  description: The node's public key, 128 hex digits; empty without a node key.
  returned: always
  type: str
requests:
  description: Path of a key to its certificate request (PEM); empty text in check mode where it is still to be made.
  returned: always
  type: dict
made:
  description: What was made or put right, in words.
  returned: always
  type: list
  elements: str
"""

import os
import subprocess

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import own
from ansible_collections.quorum.hardening.plugins.module_utils.identity import Identity
from ansible_collections.quorum.hardening.plugins.module_utils.keys import KeyFileError


def main() -> None:
    """Run as a module."""
    place = {"owner": {"type": "str", "default": "root"}, "group": {"type": "str", "default": "root"}}
    path = {"type": "path", "required": True}
    csr = {
        "cn": {"type": "str", "required": True},
        "dns": {"type": "list", "elements": "str", "default": []},
        "ips": {"type": "list", "elements": "str", "default": []},
    }
    service = {"owner": {"type": "str", "default": "goquorum"}, "group": {"type": "str", "default": "goquorum"}}
    module = AnsibleModule(
        argument_spec={
            "node_key": {"type": "dict", "no_log": False, "options": {"path": path, **service}},
            "keys": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "no_log": False,
                "options": {"path": path, **place, "csr": {"type": "dict", "required": True, "options": csr}},
            },
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": path, **place, "mode": {"type": "str", "default": "0755"}},
            },
            "sysusers": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    os.umask(0o077)
    identity = Identity(module.check_mode)
    wanted = module.params
    try:
        rows = [*wanted["directories"], *wanted["keys"], *filter(None, [wanted["node_key"]])]
        with own.changes([row["path"] for row in rows] + [*own.ACCOUNTS]):
            identity.users(wanted["sysusers"])
            for row in wanted["directories"]:
                identity.directory(row["path"], row["owner"], row["group"], int(row["mode"], 8))
            public = identity.node(wanted["node_key"]) if wanted["node_key"] else ""
            requests = {row["path"]: identity.request(row) for row in wanted["keys"]}
    except (KeyFileError, ValueError, OSError, subprocess.CalledProcessError) as error:
        module.fail_json(msg=f"identity: {error}", made=identity.made)
    after = "".join(f"{line}\n" for line in identity.made)
    module.exit_json(
        changed=bool(identity.made),
        node_public_key=public,
        requests=requests,
        made=identity.made,
        diff={"before": "", "after": after},
    )


if __name__ == "__main__":
    main()
