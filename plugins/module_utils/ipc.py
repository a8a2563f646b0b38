# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON-RPC over a node's IPC socket, with the standard library alone. Reads; never asks a node to change anything."""

from __future__ import annotations

import json
import socket
import time
from typing import Any


class IpcError(Exception):
    """The node did not answer, or answered with an error; the message says which."""


class Ipc:
    """One connection to a node's IPC socket.

    The node answers every request with one line of JSON. C(timeout) is in seconds and holds for a whole call.
    """

    def __init__(self, path: str, timeout: float = 10.0) -> None:
        """Connect; IpcError when nobody listens at C(path)."""
        self._timeout = timeout
        self._number = 0
        self._rest = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise IpcError(f"nobody answers at {path}: {error.strerror or error}") from error

    def __enter__(self) -> Ipc:
        return self

    def __exit__(self, *_unused: object) -> None:
        self._socket.close()

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of one call; IpcError for silence, for rubbish, or for the node's own error."""
        self._number += 1
        request = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": list(params)}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(self._line())
        except (OSError, ValueError) as error:
            raise IpcError(f"{method}: no proper answer: {error}") from error
        if not isinstance(answer, dict):
            raise IpcError(f"{method}: the answer is no JSON object")
        if answer.get("error"):
            raise IpcError(f"{method}: {answer['error'].get('message', answer['error'])}")
        return answer.get("result")

    def number(self, method: str, *params: Any) -> int:
        """Return the result of a call that answers with a hexadecimal quantity."""
        result = self.call(method, *params)
        try:
            return int(result, 16)
        except (TypeError, ValueError) as error:
            raise IpcError(f"{method}: not a quantity: {result!r}") from error

    def _line(self) -> bytes:
        ends = time.monotonic() + self._timeout
        while b"\n" not in self._rest:
            if time.monotonic() > ends:
                raise OSError("timed out")
            piece = self._socket.recv(65536)
            if not piece:
                raise OSError("the node hung up")
            self._rest += piece
        line, _newline, self._rest = self._rest.partition(b"\n")
        return line
