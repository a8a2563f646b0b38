# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Close the shared connection before the module asks whether its own one is fresh.

``meta: reset_connection`` takes no condition; so every run would pay for a reconnect, needed or not.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Reset the connection where a change is to be confirmed, then run the module."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        confirms = self._task.args.get("state", "disarmed") == "disarmed"
        if confirms and not self._task.check_mode:
            # Not every kind of connection can; one that cannot is judged by the module like any other.
            getattr(self._connection, "reset", lambda: None)()
        result.update(self._execute_module(task_vars=task_vars))
        return result
