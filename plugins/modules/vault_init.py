#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_init
short_description: Initialise the secret store so that nobody ever sees a share
description:
  - Runs on the store's host and asks the server there. A store that is initialised already is left alone.
  - First the PGP keys of all holders are tried by encrypting to them, because a store that meets an unusable key while
    it initialises can never be initialised again.
  - Each share leaves the server encrypted to its holder; the first root token leaves it encrypted to a key that is made
    for this one run, in memory.
version_added: 0.1.0
author: quorum.hardening contributors (@quorum-hardening)
attributes:
  check_mode: {support: full, description: The holders' keys are tried and the server is asked. Nothing is initialised.}
  diff_mode: {support: none, description: There is nothing that may be shown.}
options:
  address:
    description: Address of the management listener.
    type: str
    default: 127.0.0.1
  port:
    description: Port of the management listener.
    type: int
    default: 8200
  ca:
    description: File with the certificates by which the listener is recognised.
    type: path
    default: /etc/openbao/tls/ca.crt
  holders:
    description: The people who hold the shares, each with C(name) and C(pgp_key) (armored public key).
    type: list
    elements: dict
    required: true
  threshold:
    description: How many of them together can unseal the store.
    type: int
    required: true
  shares:
    description: Directory for the encrypted shares, one file per holder that only this holder can read.
    type: path
    default: /etc/openbao/shares
  memory:
    description: Directory on a tmpfs for the one-run key and the encrypted root token.
    type: path
    default: /run/quorum.hardening/vault
  timeout:
    description: Seconds to wait for the server to answer.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Initialise the store
  quorum.hardening.vault_init:
    holders: "{{ vault_holders }}"
    threshold: "{{ vault_threshold }}"
"""

RETURN = r"""
status:
  description: Health of the store; 200 active, 503 sealed, 501 not initialised, 0 not reachable (in check mode only).
  returned: always
  type: int
waiting_for:
  description: Names of the holders whose shares unseal the store.
  returned: always
  type: list
  elements: str
without_account:
  description: Holders who have no account on this host yet and so cannot fetch their share.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import openbao, pgp, vault_ceremony


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 8200},
            "ca": {"type": "path", "default": "/etc/openbao/tls/ca.crt"},
            "holders": {"type": "list", "elements": "dict", "required": True},
            "threshold": {"type": "int", "required": True},
            "shares": {"type": "path", "default": "/etc/openbao/shares"},
            "memory": {"type": "path", "default": "/run/quorum.hardening/vault"},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        ceremony = vault_ceremony.Ceremony(
            holders=tuple((str(h["name"]), str(h["pgp_key"])) for h in p["holders"]),
            threshold=p["threshold"],
            shares=p["shares"],
            memory=p["memory"],
        )
        result = vault_ceremony.initialise(
            lambda: openbao.connect(p["address"], p["port"], p["ca"]), ceremony, module.check_mode, p["timeout"]
        )
    except KeyError as error:
        module.fail_json(msg=f"Each holder needs a name and a pgp_key; {error} is missing")
    except (openbao.BaoError, pgp.PgpError, vault_ceremony.CeremonyError, OSError) as error:
        module.fail_json(msg=f"The store cannot be initialised: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
