#!/usr/bin/python
# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the packet filter's table, loaded and persisted, under an undo."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nftables
short_description: Keep the table inet quorum_hardening of the packet filter
version_added: 0.1.0
author:
  - quorum.hardening contributors (@quorum-hardening)
description:
  - Makes the loaded table V(inet quorum_hardening) and its persisted file equal to the given ruleset.
  - The comparison is one of meaning. Handles, counters and the elements of dynamic sets do not count, so a table that
    says the same in other words is left alone.
  - A change is loaded in one transaction. A ruleset that C(nft) refuses is neither loaded nor written.
  - Before a change the host's own undo is armed. Unless M(quorum.hardening.undo) confirms the change over a fresh
    connection in time, the host restores the table and the file by itself.
  - No other table is touched, and a ruleset that names one is refused.
options:
  ruleset:
    description:
      - Text of exactly one table, V(inet quorum_hardening).
      - Empty where neither the table nor its file is to be there.
      - The statements that replace the table as a whole (C(table inet quorum_hardening), C(delete table inet
        quorum_hardening)) are put in front where they are missing.
      - Interfaces are to be matched by name (C(iifname), C(oifname)), since the text is also loaded into an empty
        network namespace.
    type: str
    required: true
  path:
    description: File that holds the ruleset for the next boot.
    type: path
    default: /etc/quorum.hardening/firewall.nft
  undo_seconds:
    description:
      - Seconds after which the host takes the change back unless it is confirmed.
      - V(0) makes the change without an undo.
    type: int
    default: 45
  undo_name:
    description: Name of the undo.
    type: str
    default: nftables
extends_documentation_fragment:
  - quorum.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: quorum.hardening.undo
"""

EXAMPLES = r"""
- name: Land the ruleset that follows from the flows
  quorum.hardening.nftables:
    ruleset: "{{ consortium | quorum.hardening.ruleset(inventory_hostname) }}"
    undo_seconds: 45
  register: __host_firewall

- name: Confirm the change over a fresh connection
  quorum.hardening.undo:
    names: "{{ __host_firewall.armed }}"
    from_addresses: [198.18.0.2]
  when: __host_firewall.armed | length > 0
"""

RETURN = r"""
loaded:
  description: Whether the table was loaded anew.
  returned: success
  type: bool
written:
  description: Whether the file was written anew.
  returned: success
  type: bool
armed:
  description:
    - Names of the undos that wait for a confirmation. It names the module's own also where an earlier run armed it and
      never confirmed.
  returned: success
  type: list
  elements: str
  sample: [nftables]
note:
  description: What the module could not see, in check mode.
  returned: when there is something to say
  type: str
  sample: nft is not installed yet
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quorum.hardening.plugins.module_utils import nft, own, undo
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground
from ansible_collections.quorum.hardening.plugins.module_utils.holding import alone
from ansible_collections.quorum.hardening.plugins.module_utils.keeping import keeper
from ansible_collections.quorum.hardening.plugins.module_utils.undo_restore import HOST, write_durable

MODE = 0o640


def persisted(path: str) -> tuple[str, bool]:
    """Content of the file and whether its owner and mode are right; an absent file is empty and wrong."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            status = os.fstat(file.fileno())
            right = (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (MODE, 0, 0)
            return file.read(), right and not os.path.islink(path)
    except FileNotFoundError:
        return "", False


def rules(listing: nft.Listing | None) -> dict | None:
    """Meaning of a table, None where there is none."""
    return listing.rules if listing else None


def persist(path: str, text: str) -> None:
    """Write the file for the next boot; without a text there is none."""
    if text:
        write_durable(path, text.encode(), MODE, (0, 0))
    elif os.path.lexists(path):
        os.unlink(path)


def differences(old: nft.Listing | None, new: nft.Listing | None, path: str, before: str, after: str) -> list[dict]:
    """Diff of the table and, where its text changes without the table's meaning, of the file."""
    if rules(old) != rules(new) or (new is None and after):
        header = f"table {nft.TABLE}"
        shown = {"before": old.text if old else "", "after": new.text if new else after}
        return [{"before_header": header, "after_header": header, **shown}]
    if before != after:
        return [{"before_header": path, "after_header": path, "before": before, "after": after}]
    return []


def swap(text: str, goal: nft.Listing | None, old: nft.Listing | None, path: str) -> None:
    """Load the text, see that it is what the kernel has now, and persist it; otherwise put the old table back."""
    nft.load(text or nft.FRESH, check=True)
    try:
        nft.load(text or nft.FRESH)
        if old is None:
            nft.adopt(text)
        if rules(nft.live()) != rules(goal):
            raise nft.NftError("the loaded table is not the one that was asked for; the old one is back")
        persist(path, text)
    except BaseException:
        nft.load(nft.FRESH + (old.text if old else ""))
        raise


def change(module: AnsibleModule, text: str, goal: nft.Listing | None, old: nft.Listing | None) -> None:
    """Swap the table under an undo."""
    path, name, seconds = (module.params[key] for key in ("path", "undo_name", "undo_seconds"))
    armed = None
    before = nft.FRESH + (old.text if old else "")
    with Ground() as ground:
        kept = keeper(ground)
        kept.ruleset(before)
        kept.files([(path, ground.seen(path), False)])
    if seconds:
        commands = [["nft", "-f", os.path.join(HOST.directory(name), "live.nft")]]
        armed = undo.arm(name, [path], commands, seconds, files={"live.nft": before})
    try:
        swap(text, goal, old, path)
    except BaseException:
        # Nothing is left to take back, except what an earlier run has changed and not confirmed.
        if armed and not armed["extended"]:
            undo.disarm(name)
        raise
    undo.settle(name)


def work(module: AnsibleModule) -> dict:
    """Compare, change what differs, and say so."""
    path = module.params["path"]
    text = nft.prepared(module.params["ruleset"]) if module.params["ruleset"].strip() else ""
    before, right = persisted(path)
    if not module.get_bin_path("nft"):
        if not text:
            return {"changed": False, "loaded": False, "written": False, "armed": []}
        if not module.check_mode:
            raise nft.NftError("nft is not installed (package nftables)")
        diff = differences(None, None, path, before, text)
        return {
            "changed": True,
            "loaded": True,
            "written": True,
            "armed": [],
            "diff": diff,
            "note": "nft is not installed yet: the ruleset is not checked",
        }
    goal = nft.wanted(text) if text else None
    old = nft.live()
    loaded = rules(old) != rules(goal)
    written = before != text or (bool(text) and not right)
    diff = differences(old, goal, path, before, text)
    if loaded and not module.check_mode:
        change(module, text, goal, old)
    elif written and not module.check_mode:
        persist(path, text)
    waiting = [row["name"] for row in undo.status() if row["armed"] and row["name"] == module.params["undo_name"]]
    return {"changed": loaded or written, "loaded": loaded, "written": written, "armed": waiting, "diff": diff}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "ruleset": {"type": "str", "required": True},
            "path": {"type": "path", "default": "/etc/quorum.hardening/firewall.nft"},
            "undo_seconds": {"type": "int", "default": 45},
            "undo_name": {"type": "str", "default": "nftables"},
        },
        supports_check_mode=True,
    )
    try:
        places = () if module.check_mode else [module.params["path"], own.UNITS, *own.OWN]
        with alone(not module.check_mode), own.changes(places):
            result = work(module)
    except (nft.NftError, undo.UndoError, HostError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
