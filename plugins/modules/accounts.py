#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: accounts
short_description: Makes the accounts of a host match the lists of those who may enter it
version_added: 0.1.0
description:
  - Makes missing accounts, each with a group of its own and no password.
  - Puts everybody into the group of their list.
  - Accounts made by others are only put into the group.
  - Who has left both lists leaves the groups, is locked and expired, and their sessions end.
  - Refuses to touch system accounts, and to show out the account that the run itself uses.
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
  administrators:
    description: Names of those who administer the host; they get a home and a shell.
    type: list
    elements: str
    required: true
  tunnels:
    description: Names of those who only pass through; what they may run is fixed by the SSH server, they have no home.
    type: list
    elements: str
    default: []
  administrator_group:
    description: Group of the administrators.
    type: str
    default: quorum-admin
  tunnel_group:
    description: Group of those who pass through.
    type: str
    default: quorum-tunnel
author:
  - quorum.hardening contributors (@quorum-hardening)
"""

EXAMPLES = r"""
- name: Let in whom the inventory names, and nobody else
  quorum.hardening.accounts:
    administrators: "{{ host_administrators | map(attribute='name') | list }}"
"""

RETURN = r"""
created:
  description: Accounts that were made.
  returned: success
  type: list
  elements: str
removed:
  description: Accounts that left the lists; they are locked, not deleted.
  returned: success
  type: list
  elements: str
actions:
  description: What changed for other accounts and for the groups.
  returned: success
  type: dict
  sample: {"ops": ["joins quorum-admin"]}
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import accounts, own
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, run


def login_uid() -> str:
    try:
        with open("/proc/self/loginuid", encoding="utf-8") as handle:
            return handle.read()
    except OSError:
        return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "administrators": {"type": "list", "elements": "str", "required": True},
            "tunnels": {"type": "list", "elements": "str", "default": []},
            "administrator_group": {"type": "str", "default": "quorum-admin"},
            "tunnel_group": {"type": "str", "default": "quorum-tunnel"},
        },
        supports_check_mode=True,
    )
    wish = accounts.Wish(**module.params)
    try:
        book = accounts.read()
        user = accounts.user_of_session(os.environ, login_uid(), book) or ""
        accounts.refuse(accounts.problems(wish, book, user))
        plan = accounts.plan(wish, book)
        if not module.check_mode:
            with own.changes(own.ACCOUNTS):
                accounts.carry_out(run, plan)
            accounts.end_sessions(run, plan.uids)
    except (HostError, OSError) as problem:
        module.fail_json(msg=f"accounts: {problem}")
    before = {group: sorted(book.groups.get(group, ())) for group in (wish.administrator_group, wish.tunnel_group)}
    after = {wish.administrator_group: sorted(set(wish.administrators)), wish.tunnel_group: sorted(set(wish.tunnels))}
    module.exit_json(
        changed=bool(plan.commands),
        created=plan.created,
        removed=plan.removed,
        actions=plan.changed,
        diff={
            "before": "".join(f"{group}: {', '.join(names)}\n" for group, names in before.items()),
            "after": "".join(f"{group}: {', '.join(names)}\n" for group, names in after.items()),
        },
    )


if __name__ == "__main__":
    main()
