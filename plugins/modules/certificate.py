#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate
short_description: Show the certificate in use, or put a new one beside its key
description:
  - Without O(content) it only reads what is there, so that the store can judge whether to sign again.
  - With O(content) the certificate with its chain and the anchor are put in place, each by one rename, after it was
    made sure that they belong to the key of the request and to each other.
version_added: 0.1.0
author: quorum.hardening contributors (@quorum-hardening)
attributes:
  check_mode: {support: full, description: Says whether a file would change.}
  diff_mode: {support: none, description: Certificates are not worth a diff.}
options:
  path:
    description: The certificate's file.
    type: path
    required: true
  ca_path:
    description: The anchor's file.
    type: path
    required: true
  csr:
    description: The certificate request (PEM) with whose key the certificate must agree.
    type: str
  content:
    description: Certificate and intermediates (PEM).
    type: str
  ca:
    description: The anchor (PEM).
    type: str
  make_directory:
    description: Make the directory where it is missing.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: What is in use
  quorum.hardening.certificate:
    path: /etc/goquorum/tls/rpc.crt
    ca_path: /etc/goquorum/tls/ca.crt
"""

RETURN = r"""
present:
  description: The certificate in use with its chain, empty where there is none.
  returned: always
  type: str
ca_present:
  description: The anchor in use.
  returned: always
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import own, vault_birth, x509


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "ca_path": {"type": "path", "required": True},
            "csr": {"type": "str"},
            "content": {"type": "str"},
            "ca": {"type": "str"},
            "make_directory": {"type": "bool", "default": False},
        },
        required_together=[("content", "ca", "csr")],
        supports_check_mode=True,
    )
    p = module.params
    try:
        result = {
            "changed": False,
            "present": vault_birth.read_text(p["path"]),
            "ca_present": vault_birth.read_text(p["ca_path"]),
        }
        if p["content"]:
            if x509.read_certificate(p["content"]).key_sha256 != x509.read_request(p["csr"]).key_sha256:
                module.fail_json(msg=f"The certificate for {p['path']} is for another key")
            if not x509.verifies(p["content"], p["ca"]):
                module.fail_json(msg=f"The certificate for {p['path']} does not lead to the anchor that came with it")
            for path, text in ((p["ca_path"], p["ca"]), (p["path"], p["content"])):
                if module.check_mode:
                    result["changed"] |= vault_birth.read_text(path) != text
                    continue
                if p["make_directory"]:
                    with own.changes([os.path.dirname(path)]):
                        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                result["changed"] |= vault_birth.write_file(path, text, 0o644)
            result.update(present=p["content"], ca_present=p["ca"])
    except (x509.X509Error, OSError) as error:
        module.fail_json(msg=f"{p['path']}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
