# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends a program's archive, and only to a host that lacks the program."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.quorum.hardening.plugins.module_utils.archive import file_digest


class ActionModule(ActionBase):
    """``quorum.hardening.program`` on the controller."""

    TRANSFERS_FILES = True
    _requires_connection = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        if "source" in arguments:
            raise AnsibleActionFail("program: source is not for tasks, name the archive on the controller in archive")
        arguments["sha256"] = str(arguments.get("sha256") or "").lower()
        archive = arguments.get("archive") or ""
        if archive:
            archive = os.path.expanduser(archive)
            if not arguments["sha256"] and os.path.isfile(archive):
                # Another archive under the same version must not pass for the one that is there.
                arguments["sha256"] = file_digest(archive)
        answer = self._ask(arguments, task_vars)
        if not answer.get("failed") and answer.get("needed"):
            self._check(arguments, archive, answer)
            if not self._task.check_mode:
                answer = self._send(arguments, archive, task_vars)
        result.update(answer)
        return result

    def _ask(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name="quorum.hardening.program", module_args=arguments, task_vars=task_vars
        )
        return answer

    @staticmethod
    def _check(arguments: dict[str, Any], archive: str, answer: dict[str, Any]) -> None:
        """The archive is there and is the one that is meant."""
        what = f"{arguments.get('name')} {arguments.get('version')}"
        why = "; ".join(answer.get("reasons", ()))
        if not archive or not os.path.isfile(archive):
            where = f"{archive} is not on this controller" if archive else "no archive is named"
            raise AnsibleActionFail(f"program: the host needs {what} ({why}), and {where}")
        found = file_digest(archive)
        if found != arguments["sha256"]:
            raise AnsibleActionFail(f"program: {archive} is not {what}: sha256 {found}, expected {arguments['sha256']}")

    def _send(self, arguments: dict[str, Any], archive: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            remote = self._connection._shell.join_path(folder, "archive")
            self._transfer_file(archive, remote)
            self._fixup_perms2((folder, remote))
            return self._ask({**arguments, "source": remote}, task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
