#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_bootstrap
short_description: Give the secret store the certificate it needs before its own authority runs
description:
  - Makes an authority on the store's host and lets it sign the first certificate of the listener. Its key lies in
    memory (a tmpfs) until the store's own root has been signed by it, and is then destroyed by
    M(quorum.hardening.vault_state).
  - Its certificate stays. It is the anchor that the store's listener, its clients and the holders trust, so that
    nothing has to be exchanged, and nobody has to unseal a second time, when the store's own authority takes over.
  - The listener's key was made on this host when it was enrolled and is never read by this module, only compared.
  - Does nothing as long as the listener has a valid certificate for its key.
version_added: 0.1.0
author: quorum.hardening contributors (@quorum-hardening)
attributes:
  check_mode: {support: full, description: Says what would be made.}
  diff_mode: {support: none, description: Certificates are not worth a diff.}
options:
  csr:
    description: Certificate request of the listener (PEM).
    type: str
    required: true
  name:
    description: Name of the host, the common name of the certificate.
    type: str
    required: true
  addresses:
    description: Addresses of this host. The loopback address is always added.
    type: list
    elements: str
    required: true
  organisation:
    description: Organisation in the name of the authority.
    type: str
    required: true
  consortium:
    description: Consortium in the name of the authority.
    type: str
    required: true
  directory:
    description: Where key and certificates of the listener are.
    type: path
    default: /etc/openbao/tls
  memory:
    description: Directory on a tmpfs for what must not outlive the birth of the store.
    type: path
    default: /run/quorum.hardening/vault
  state_file:
    description: File that says that the store's own authority runs.
    type: path
    default: /var/lib/quorum.hardening/vault/configured
  owner:
    description: User who runs the store.
    type: str
    default: openbao
"""

EXAMPLES = r"""
- name: First certificate of the listener
  quorum.hardening.vault_bootstrap:
    csr: "{{ consortium_certificate_requests[inventory_hostname] }}"
    name: "{{ inventory_hostname }}"
    addresses: [198.18.3.11]
    organisation: acme
    consortium: demo
"""

RETURN = r"""
made:
  description: What was made, in words.
  returned: always
  type: list
  elements: str
restart:
  description: Whether a running store must be restarted because the anchor is another one.
  returned: always
  type: bool
reload:
  description: Whether a running store must read its certificate again.
  returned: always
  type: bool
ca:
  description: The certificates (PEM) by which the listener can be recognised now.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import vault_birth, x509


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "csr": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "addresses": {"type": "list", "elements": "str", "required": True},
            "organisation": {"type": "str", "required": True},
            "consortium": {"type": "str", "required": True},
            "directory": {"type": "path", "default": "/etc/openbao/tls"},
            "memory": {"type": "path", "default": "/run/quorum.hardening/vault"},
            "state_file": {"type": "path", "default": "/var/lib/quorum.hardening/vault/configured"},
            "owner": {"type": "str", "default": "openbao"},
        },
        supports_check_mode=True,
    )
    p = module.params
    birth = vault_birth.Birth(
        directory=p["directory"], memory=p["memory"], state_file=p["state_file"], owner=p["owner"],
        name=p["name"], addresses=tuple(p["addresses"]), organisation=p["organisation"], consortium=p["consortium"],
    )  # fmt: skip
    try:
        result = vault_birth.bootstrap(birth, p["csr"], module.check_mode)
    except (x509.X509Error, OSError) as error:
        module.fail_json(msg=f"The first certificate of the store cannot be made: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
