#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_sign
short_description: Have the secret store sign the certificate requests that are in the register
description:
  - Runs on the store's host, with the rights of its login C(site). Any number of requests in one call.
  - A request is signed only if it asks for nothing beyond the name and addresses given for it. The keys never move.
  - A request is not signed again while the certificate in use is for the same key, leads to the same anchor and has
    more than a third of its life left.
version_added: 0.1.0
author: quorum.hardening contributors (@quorum-hardening)
attributes:
  check_mode: {support: full, description: Says for whom a certificate would be signed.}
  diff_mode: {support: none, description: Certificates are not worth a diff.}
options:
  address:
    description: Address of the listener that asks for client certificates.
    type: str
    required: true
  port:
    description: Port of the listener.
    type: int
    default: 8200
  directory:
    description: Where the certificates of the listener are.
    type: path
    default: /etc/openbao/tls
  site_directory:
    description: Where the login certificate of this host is.
    type: path
    default: /etc/quorum.hardening/vault
  ttl:
    description: Life of the certificates, always sent.
    type: str
    default: 2160h
  requests:
    description: What to sign.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the host or client, the common name.
        type: str
        required: true
      csr:
        description: The certificate request (PEM).
        type: str
        required: true
      role:
        description: Role of the store's authority.
        type: str
        choices: [server, client, peer]
        required: true
      dns:
        description: DNS names that the certificate may carry beside its name.
        type: list
        elements: str
        default: []
      addresses:
        description: Addresses that the certificate may carry.
        type: list
        elements: str
        default: []
      present:
        description: The certificate in use (PEM, with its chain).
        type: str
        default: ""
"""

EXAMPLES = r"""
- name: Sign
  quorum.hardening.vault_sign:
    address: 198.18.3.11
    requests:
      - name: validator1
        csr: "{{ consortium_certificate_requests.validator1 }}"
        role: server
        addresses: [198.18.1.21]
"""

RETURN = r"""
certificates:
  description: Name to C(certificate) (leaf and intermediates, PEM), C(serial) and C(not_after) (seconds since 1970).
  returned: always
  type: dict
reasons:
  description: Name to the reason why its certificate was signed.
  returned: always
  type: dict
ca:
  description: The anchor (PEM) that leads to every certificate of the store.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import openbao, vault_signing, x509


def main() -> None:
    request = {
        "name": {"type": "str", "required": True},
        "csr": {"type": "str", "required": True},
        "role": {"type": "str", "choices": ["server", "client", "peer"], "required": True},
        "dns": {"type": "list", "elements": "str", "default": []},
        "addresses": {"type": "list", "elements": "str", "default": []},
        "present": {"type": "str", "default": ""},
    }
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 8200},
            "directory": {"type": "path", "default": "/etc/openbao/tls"},
            "site_directory": {"type": "path", "default": "/etc/quorum.hardening/vault"},
            "ttl": {"type": "str", "default": "2160h"},
            "requests": {"type": "list", "elements": "dict", "required": True, "options": request},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        desk = vault_signing.Desk(p["address"], p["port"], p["directory"], p["site_directory"])
        result = vault_signing.sign_all(desk, p["requests"], p["ttl"], module.check_mode)
    except (openbao.BaoError, x509.X509Error, OSError) as error:
        module.fail_json(msg=f"Not signed: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
