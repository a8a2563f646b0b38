# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of the ssh that answers for a second factor."""

from __future__ import annotations

DOCUMENTATION = r"""
name: one_time_code
short_description: The ssh with which Ansible gets through a second factor
version_added: 0.1.0
description:
  - Gives the path of a program that takes the place of C(ssh), for C(ansible_ssh_executable) of hosts that want a
    one-time code after the key.
  - The code is made when the host asks for it and not before, so a task over a shared connection needs none. No code is
    given twice. Where the present ones are used up, a new connection waits, up to 30 seconds.
  - The secrets lie outside the inventory, in the folder that the environment variable E(QUORUM_SECOND_FACTOR) names,
    or C(~/.config/quorum.hardening/second_factor). It is nobody else's to read.
  - For each login it holds a file C(user@host) with the secret, in base32 or as otpauth URI; or one program C(command),
    which gets C(user@host) as its argument and prints a code, from a password manager for example.
  - The host is called as ssh calls it when it asks, by its C(HostKeyAlias), else by its address.
notes:
  - Set C(ansible_timeout) to 60 or more for these hosts, because a new connection may wait for an unused code.
author:
  - quorum.hardening contributors (@quorum-hardening)
options:
  _terms:
    description: None.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
# group_vars/vault.yml
- name: Log in to hosts with a second factor
  ansible.builtin.set_fact:
    ansible_ssh_executable: "{{ lookup('quorum.hardening.one_time_code') }}"
    ansible_timeout: 60
"""

RETURN = r"""
_raw:
  description: Path of the program.
  type: list
  elements: path
"""

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

# Not resolved: the collection may be a link, and the program is found beside the rest of it.
PROGRAM = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "playbooks", "files", "ssh-with-code"
)


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core ships no types
    """The ``one_time_code`` lookup."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """Return the path; AnsibleError where it cannot be run."""
        self.set_options(var_options=variables, direct=kwargs)
        if terms:
            raise AnsibleError("one_time_code: takes no terms; the secrets lie in a folder of their own")
        if not os.access(PROGRAM, os.X_OK):
            raise AnsibleError(f"one_time_code: {PROGRAM} cannot be run; install the collection anew")
        return [PROGRAM]
