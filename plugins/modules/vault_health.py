#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_health
short_description: Ask the secret store how it is, and whether it turns strangers away
description:
  - Asks for the health, with a client certificate where one is given.
  - With O(refuse=true) the same address is tried without a certificate as well, and must refuse.
version_added: 0.1.0
author: quorum.hardening contributors (@quorum-hardening)
attributes:
  check_mode: {support: full, description: Only looks.}
  diff_mode: {support: none, description: Changes nothing.}
options:
  address:
    description: Address of the listener.
    type: str
    default: 127.0.0.1
  port:
    description: Port of the listener.
    type: int
    default: 8200
  ca:
    description: File with the certificates by which the listener is recognised.
    type: path
    default: /etc/openbao/tls/ca.crt
  certificate:
    description: File with the client certificate.
    type: path
  key:
    description: File with the client's private key.
    type: path
  refuse:
    description: Also try without the certificate, and fail when that is let in.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Wait for the holders
  quorum.hardening.vault_health:
  register: vault_health
  until: vault_health.status == 200
  retries: 60
  delay: 5
"""

RETURN = r"""
status:
  description: 200 active, 429 standby, 501 not initialised, 503 sealed, 0 not reachable.
  returned: always
  type: int
meaning:
  description: The status in words; while sealed, how many shares were given.
  returned: always
  type: str
refused:
  description: Why a caller without a certificate was turned away.
  returned: with O(refuse=true)
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import openbao


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 8200},
            "ca": {"type": "path", "default": "/etc/openbao/tls/ca.crt"},
            "certificate": {"type": "path"},
            "key": {"type": "path", "no_log": False},
            "refuse": {"type": "bool", "default": False},
        },
        required_together=[("certificate", "key")],
        supports_check_mode=True,
    )
    p = module.params
    result = {"changed": False, "status": 0, "meaning": openbao.HEALTH[0]}
    try:
        bao = openbao.connect(p["address"], p["port"], p["ca"], certificate=p["certificate"], key=p["key"], timeout=10)
        result["status"] = bao.health()
        result["meaning"] = openbao.meaning(bao, result["status"])
        if p["refuse"]:
            stranger = openbao.connect(p["address"], p["port"], p["ca"], timeout=10)
            try:
                stranger.request("GET", "sys/health")
            except openbao.BaoError as error:
                result["refused"] = str(error)
            else:
                module.fail_json(msg=f"{p['address']}:{p['port']} answers a caller that has no certificate", **result)
    except openbao.BaoError as error:
        result["meaning"] = str(error)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
