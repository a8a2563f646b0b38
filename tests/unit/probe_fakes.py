# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine made of dictionaries, for the probes."""

from __future__ import annotations

from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import (
    Completed,
    FileStat,
    Listener,
    Process,
    System,
)
from ansible_collections.quorum.hardening.plugins.module_utils.wire import TlsOutcome

ABSENT = Completed(127, "", "not found")


class FakeSystem:
    """Answers from what the test gives; whatever was not given is not there."""

    def __init__(self, **given):
        self.files = given.get("files", {})
        self.stats = given.get("stats", {})
        self.commands = given.get("commands", {})
        self.programs = given.get("programs", [])
        self.sockets = given.get("sockets", [])
        self.held = given.get("held", {})
        self.rpc = given.get("rpc", {})
        self.plain = given.get("plain", {})
        self.handshakes = given.get("handshakes", {})
        self.read_only = given.get("read_only", ())
        self.asked = []

    def stat(self, path):
        if path in self.stats:
            return self.stats[path]
        if path in self.files:
            return FileStat(0o644, 0, 0, "file", len(self.files[path]))
        if self.listdir(path) is not None:
            return FileStat(0o755, 0, 0, "directory", 0)
        return None

    def read(self, path):
        text = self.files.get(path)
        if isinstance(text, Exception):
            raise text
        return text

    def listdir(self, path):
        inside = {name[len(path) + 1 :].split("/")[0] for name in self.files if name.startswith(path + "/")}
        return sorted(inside) if inside else None

    def writable(self, path):
        return path not in self.read_only

    def user(self, uid):
        return {0: "root", 998: "goquorum"}.get(uid, str(uid))

    def run(self, argv, stdin=""):
        self.asked.append((tuple(argv), stdin))
        key = " ".join(argv)
        for known in sorted(self.commands, key=len, reverse=True):
            if key.startswith(known):
                answer = self.commands[known]
                return answer if isinstance(answer, Completed) else Completed(0, answer, "")
        return ABSENT

    def unit(self, name):
        """As the real one, but that each unit is asked about on its own."""
        return System.unit(self, name, together=())

    def processes(self):
        return [Process(pid, argv[0].rsplit("/", 1)[-1], tuple(argv), 998) for pid, argv in self.programs]

    def listeners(self):
        return [Listener(*row) for row in self.sockets]

    def socket_inodes(self, pid):
        return set(self.held.get(pid, ()))

    def json_rpc(self, path, method):
        if path not in self.rpc:
            raise Absent(f"nobody answers on {path}")
        answer = self.rpc[path][method]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def exchange(self, address, port, payload):
        answer = self.plain.get((address, port))
        return answer(payload) if callable(answer) else answer

    def tls(self, address, port, maximum="", authority=""):
        return self.handshakes.get((address, port, authority or maximum), TlsOutcome(False, detail="refused"))


def unreadable(path):
    """An exception to put in the place of a file's text."""
    return Unreadable(f"{path}: denied")
