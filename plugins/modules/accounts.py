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
  - Accounts made by others are put into the group; their other groups stay, but for those that lead to root.
  - An account is closed after its last day by the host itself, and does not age otherwise.
  - Who has left both lists leaves all groups, is locked and expired. Their processes end, and their keys, crontab, jobs
    of C(at) and lingering go.
  - Files of keys that belong to nobody listed are removed.
  - Services have no login shell and no password; there is one root, no empty password, and nobody in the group that may
    use C(su).
  - Refuses an empty list, to touch system accounts, and to show out the account that the run itself uses.
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
  expiries:
    description: Last day of access (YYYY-MM-DD) by name. Who is not named has access without end.
    type: dict
    default: {}
  memberships:
    description: Further groups by name, each a list. None of them may lead to root.
    type: dict
    default: {}
  keys_directory:
    description: Directory of the authorised keys, one file for each name.
    type: path
    default: /etc/ssh/authorized_keys.d
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

- name: Let in a person for the time of an engagement, who may read the logs
  quorum.hardening.accounts:
    administrators: [ops, erin]
    expiries: {erin: "2027-03-31"}
    memberships: {erin: [adm, systemd-journal]}
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
ended:
  description: How many processes of people who left still ran.
  returned: success
  type: int
files:
  description: Files of people who left, or of keys of nobody listed, that were removed.
  returned: success
  type: list
  elements: str
  sample: [/etc/ssh/authorized_keys.d/mallory]
actions:
  description: What changed for other accounts and for the groups.
  returned: success
  type: dict
  sample: {"ops": ["joins quorum-admin"]}
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import accounts, accounts_book, accounts_host, own
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
            "expiries": {"type": "dict", "default": {}},
            "memberships": {"type": "dict", "default": {}},
            "keys_directory": {"type": "path", "default": "/etc/ssh/authorized_keys.d", "no_log": False},
            "administrator_group": {"type": "str", "default": "quorum-admin"},
            "tunnel_group": {"type": "str", "default": "quorum-tunnel"},
        },
        supports_check_mode=True,
    )
    keys = module.params.pop("keys_directory")
    wish = accounts.Wish(**module.params)
    try:
        book = accounts_book.read()
        user = accounts_host.user_of_session(os.environ, login_uid(), book) or ""
        accounts.refuse(accounts.problems(wish, book, user))
        plan = accounts.plan(wish, book)
        running = accounts_host.processes_of(set(plan.uids.values()))
        files = [*accounts_host.traces(plan.uids), *accounts_host.strange_keys(keys, wish.people)]
        if not module.check_mode:
            # Keys and timers go before the processes: nothing may come back meanwhile.
            with own.changes([*own.ACCOUNTS, *files]):
                accounts_host.carry_out(run, plan)
                accounts_host.take_away(files)
            accounts_host.end_sessions(run, plan.uids)
    except (HostError, OSError) as problem:
        module.fail_json(msg=f"accounts: {problem}")
    before = {group: sorted(book.groups.get(group, ())) for group in (wish.administrator_group, wish.tunnel_group)}
    after = {wish.administrator_group: sorted(set(wish.administrators)), wish.tunnel_group: sorted(set(wish.tunnels))}
    told = "".join(f"{name}: {', '.join(what)}\n" for name, what in plan.changed.items())
    module.exit_json(
        changed=bool(plan.commands or running or files),
        created=plan.created,
        removed=plan.removed,
        actions=plan.changed,
        ended=len(running),
        files=files,
        diff={
            "before": "".join(f"{group}: {', '.join(names)}\n" for group, names in before.items())
            + "".join(f"{path}\n" for path in files),
            "after": "".join(f"{group}: {', '.join(names)}\n" for group, names in after.items()) + told,
        },
    )


if __name__ == "__main__":
    main()
