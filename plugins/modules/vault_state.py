#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_state
short_description: Bring the secret store to its desired state, or say where it drifted
description:
  - Runs on the store's host. As long as an encrypted root token lies there, it is decrypted in memory and used to make
    the authorities, certificate roles, logins, policies and limits; then it is revoked and the one-run key destroyed.
  - Later runs log in with a certificate of this host (C(site)) whose rights end at looking and at signing for names
    that the roles allow. They report every difference. What only a root token could heal is an error that says how
    the holders make one.
  - Renews the certificates of the listener and of C(site) when a third of their life is left.
version_added: 0.1.0
author: quorum.hardening contributors (@quorum-hardening)
attributes:
  check_mode: {support: full, description: Compares as far as the login may look. Changes nothing.}
  diff_mode: {support: full, description: Shows wanted and found values of the configuration.}
options:
  addresses:
    description: Addresses of this host. The first is that of the listener that asks for client certificates.
    type: list
    elements: str
    required: true
  port:
    description: Port of both listeners.
    type: int
    default: 8200
  name:
    description: Name of the store's host.
    type: str
    required: true
  csr:
    description: Certificate request of the listener (PEM).
    type: str
    required: true
  organisation:
    description: Organisation in the names of the authorities.
    type: str
    required: true
  consortium:
    description: Consortium in the names of the authorities.
    type: str
    required: true
  subjects:
    description:
      - Who may get a certificate, each with C(name), C(addresses) and C(usages) (any of C(server), C(client), C(peer)).
    type: list
    elements: dict
    required: true
  life:
    description: Longest life of a certificate.
    type: str
    default: 2160h
  site_life:
    description: Life of this host's own login certificate.
    type: str
    default: 8760h
  logins:
    description: Logins per second before the store answers no more.
    type: int
    default: 20
  audit:
    description: Labels of the audit devices in the configuration file.
    type: list
    elements: str
    required: true
  directory:
    description: Where key and certificates of the listener are.
    type: path
    default: /etc/openbao/tls
  site_directory:
    description: Where the login certificate of this host is.
    type: path
    default: /etc/quorum.hardening/vault
  memory:
    description: Directory on a tmpfs with the one-run key and the encrypted root token.
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
- name: Configure the store
  quorum.hardening.vault_state:
    addresses: [198.18.3.11]
    name: vault
    csr: "{{ consortium_certificate_requests.vault }}"
    organisation: acme
    consortium: demo
    subjects: [{name: validator1, addresses: [198.18.1.21], usages: [server, client]}]
    audit: [file-1a2b3c4d]
"""

RETURN = r"""
actions:
  description: What was done, in words.
  returned: always
  type: list
  elements: str
drift:
  description: What differs and could not be healed with the rights of this host.
  returned: always
  type: list
  elements: dict
reload:
  description: Whether the server must read its certificate again.
  returned: always
  type: bool
ca:
  description: The anchor (PEM) that leads to every certificate of the store.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import openbao, pgp, vault_birth, vault_life, x509


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "port": {"type": "int", "default": 8200},
            "name": {"type": "str", "required": True},
            "csr": {"type": "str", "required": True},
            "organisation": {"type": "str", "required": True},
            "consortium": {"type": "str", "required": True},
            "subjects": {"type": "list", "elements": "dict", "required": True},
            "life": {"type": "str", "default": "2160h"},
            "site_life": {"type": "str", "default": "8760h"},
            "logins": {"type": "int", "default": 20},
            "audit": {"type": "list", "elements": "str", "required": True},
            "directory": {"type": "path", "default": "/etc/openbao/tls"},
            "site_directory": {"type": "path", "default": "/etc/quorum.hardening/vault"},
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
    wishes = vault_life.Wishes(
        csr=p["csr"], subjects=tuple(p["subjects"]), life=p["life"], site_life=p["site_life"], logins=p["logins"],
        audit=tuple(p["audit"]), port=p["port"], site_directory=p["site_directory"],
    )  # fmt: skip
    try:
        result = vault_life.bring(birth, wishes, module.check_mode)
    except vault_life.HelpNeeded as error:
        module.fail_json(msg=str(error), drift=error.drift)
    except (openbao.BaoError, pgp.PgpError, x509.X509Error, OSError, KeyError) as error:
        module.fail_json(msg=f"The store cannot be configured: {type(error).__name__}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
