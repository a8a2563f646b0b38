#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirm changes that the host would otherwise take back by itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: undo
short_description: Confirm a change over a fresh connection, so that the host does not take it back
version_added: 0.1.0
author:
  - quorum.hardening contributors (@quorum-hardening)
description:
  - A change that can end the administrator's own connection is made under an undo. The host restores its last good
    state after some seconds, or at its next boot, unless this module confirms the change.
  - The module confirms nothing unless its own SSH session began after the change and comes from one of
    O(from_addresses). A connection that stood before proves nothing, because established flows are let through. So the
    shared connection is closed first, by the action of the same name.
  - Where it refuses, the undo stays armed, and the message says when it fires.
options:
  names:
    description:
      - Names of the undos.
      - With O(state=disarmed), a name whose undo has fired since it was armed is an error, because the change is gone.
      - The default is every undo that is armed (for O(state=acknowledged), that has fired).
    type: list
    elements: str
    default: []
  state:
    description:
      - V(disarmed) confirms the changes.
      - V(status) reports and changes nothing.
      - V(acknowledged) drops the records of undos that fired.
    type: str
    choices: [disarmed, status, acknowledged]
    default: disarmed
  from_addresses:
    description:
      - Addresses or CIDRs, one of which the session must come from.
      - On most hosts these are the jump hosts' addresses.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - quorum.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: quorum.hardening.nftables
"""

EXAMPLES = r"""
- name: Confirm whatever was changed under an undo
  quorum.hardening.undo:
    from_addresses: [198.18.0.2]

- name: See what is armed, and what was taken back
  quorum.hardening.undo:
    state: status
  register: __host_undo
"""

RETURN = r"""
disarmed:
  description: Names of the undos that were disarmed.
  returned: success
  type: list
  elements: str
undos:
  description: Every undo of the host that is armed or has fired, as it is after the module's work.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    armed:
      description: Whether it waits for a confirmation.
      type: bool
    armed_at:
      description: When it was armed, in ISO 8601.
      type: str
    since:
      description: When the change became live, in seconds since boot.
      type: float
    seconds_left:
      description: Seconds until it fires.
      type: float
    paths:
      description: Files it restores.
      type: list
    fired:
      description: Record of its firing, or null. It holds the reason (V(timer) or V(boot)), the times and the paths.
      type: dict
session:
  description: The connection that served as proof, as its server process, its start in seconds since boot and its peer.
  returned: when something was armed
  type: dict
"""

import os
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import own, session, undo


def disarm(module: AnsibleModule) -> dict:
    """Confirm what is armed among the names, all of it or nothing."""
    rows = {row["name"]: row for row in undo.status()}
    armed = [row for name, row in rows.items() if row["armed"] and name in (module.params["names"] or rows)]
    if module.check_mode:
        return {"changed": bool(armed), "disarmed": [row["name"] for row in armed]}
    proof = {}
    gone = [rows[name]["fired"] for name in module.params["names"] if name in rows and not rows[name]["armed"]]
    if gone:
        # Before anything else is confirmed: half of a change is a state that nobody asked for.
        told = ", ".join(f"{row['name']} at {row['fired_at']} ({row['reason']})" for row in gone)
        raise undo.UndoError(f"The change is not confirmed, the host has taken it back: {told}.")
    if armed:
        try:
            found = session.find(session.Proc(), os.getpid())
            for row in armed:
                session.prove(found, row["since"], module.params["from_addresses"])
        except session.SessionError as error:
            times = ", ".join(f"{row['name']} fires in {row['seconds_left']} s" for row in armed)
            raise undo.UndoError(f"The change is not confirmed: {error}. The undo stays armed: {times}.") from error
        proof = {"session": asdict(found)}
    names = module.params["names"] or [row["name"] for row in armed]
    with own.changes([own.UNITS]):
        done = [name for name in names if undo.disarm(name)]
    return {"changed": bool(done), "disarmed": done, **proof}


def acknowledge(module: AnsibleModule) -> dict:
    """Drop the records of what fired among the names."""
    fired = [row["name"] for row in undo.status() if row["fired"]]
    names = [name for name in fired if name in (module.params["names"] or fired)]
    if not module.check_mode:
        for name in names:
            undo.acknowledge(name)
    return {"changed": bool(names), "disarmed": []}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["disarmed", "status", "acknowledged"], "default": "disarmed"},
            "from_addresses": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    result = {"changed": False, "disarmed": []}
    try:
        if module.params["state"] == "disarmed":
            result = disarm(module)
        elif module.params["state"] == "acknowledged":
            result = acknowledge(module)
        result["undos"] = undo.status()
    except (undo.UndoError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
