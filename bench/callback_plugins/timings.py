# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one JSON line for each task and host: how long it took, as the controller saw it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: timings
type: aggregate
short_description: Writes task times as JSON lines
description: [Writes one JSON line for each task and host to the file named by the variable QUORUM_TIMINGS.]
requirements: [a file name in the environment variable QUORUM_TIMINGS]
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    """Measures from the moment a host starts a task to the moment its result is in."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "timings"

    def __init__(self) -> None:
        super().__init__()
        self._path = os.environ["QUORUM_TIMINGS"]
        self._begun: dict[tuple[str, str], float] = {}

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._begun[(host.get_name(), task._uuid)] = time.monotonic()

    def _ended(self, result: Any, outcome: str) -> None:
        task, host = result._task, result._host.get_name()
        begun = self._begun.pop((host, task._uuid), time.monotonic())
        row = {
            "host": host,
            "task": task.get_name(),
            "action": task.resolved_action or task.action,
            "tags": sorted(task.tags),
            "outcome": outcome,
            "changed": bool(result._result.get("changed")),
            "seconds": round(time.monotonic() - begun, 4),
        }
        with open(self._path, "a", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._ended(result, "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._ended(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._ended(result, "failed")
