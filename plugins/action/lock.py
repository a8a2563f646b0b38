# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes and releases a host's lock in the name of this run."""

from __future__ import annotations

import getpass
import os
import socket
import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.quorum.hardening.plugins.module_utils.holding import (
    Holder,
    controller_identity,
    dead,
    started,
)

ARGUMENTS = ("state", "break_other")


def this_run() -> Holder:
    """The run that this worker process belongs to: its parent is the ``ansible-playbook`` that a person started."""
    name, parent = socket.gethostname(), os.getppid()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Holder(f"{user}@{name}", controller_identity(name), parent, started(parent), since)


class ActionModule(ActionBase):
    """``quorum.hardening.lock`` on the controller."""

    _requires_connection = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        unknown = sorted(set(self._task.args) - set(ARGUMENTS))
        if unknown:
            raise AnsibleActionFail(f"lock: unknown arguments {', '.join(unknown)}; it knows {', '.join(ARGUMENTS)}")
        state = self._task.args.get("state", "held")
        asked = self._task.args.get("break_other")
        if asked is None:
            asked = self._templar.template(task_vars.get("host_lock_break", False))
        run = this_run()
        answer = self._ask(state, run, "*" if boolean(asked) else "", task_vars)
        if answer.get("busy") and not self._task.check_mode:
            holder = Holder.from_dict(answer["holder"])
            if dead(holder, run.controller):
                self._display.warning(
                    f"{task_vars.get('inventory_hostname')}: taking over the lock of a run that is no more,"
                    f" {holder.who} (process {holder.pid}) since {holder.since}: this run ends its work"
                )
                answer = self._ask(state, run, holder.run, task_vars)
        if answer.get("busy"):
            holder = answer["holder"]
            answer["failed"] = not self._task.check_mode
            answer["msg"] = (
                f"{task_vars.get('inventory_hostname')} is held by {holder['who']} (process {holder['pid']} on"
                f" {holder['controller']}) since {holder['since']}: wait for that run to end, or, if it is no more,"
                " break its lock with -e host_lock_break=true"
            )
        result.update(answer)
        return result

    def _ask(self, state: str, run: Holder, breaking: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name="quorum.hardening.lock",
            module_args={"state": state, "holder": run.to_dict(), "breaking": breaking},
            task_vars=task_vars,
        )
        return answer
