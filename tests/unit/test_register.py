# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The register of members, and the comparing of running services with their files."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import register, staleness
from ansible_collections.quorum.hardening.plugins.module_utils.chain import ChainError
from ansible_collections.quorum.hardening.plugins.module_utils.ipc import Ipc, IpcError

KEY = "ab" * 64
OTHER = {"name": "globex", "trust": "untrusted", "nodes": [{"name": "g1", "enode": "cd" * 64, "validator": True}]}


def address_of(enode: str) -> str:
    return "0x" + enode[:40]


def own(name: str = "v1", enode: str = KEY, validator: bool = True) -> dict[str, Any]:
    return register.own_node(name, enode, ["198.18.1.21"], port=30303, validator=validator, address_of=address_of)


def test_own_node() -> None:
    assert own()["validator_address"] == "0x" + "ab" * 20
    assert "validator_address" not in own(validator=False)


def test_merging_keeps_what_others_say() -> None:
    members = register.merged([OTHER], "acme", "CH", [own()], [])
    assert [member["name"] for member in members] == ["acme", "globex"]
    assert members[1] == OTHER
    again = register.merged(members, "acme", "XX", [own()], [{"name": "t", "addresses": [], "port": 9000}])
    assert again[0]["region"] == "CH"
    assert again[0]["nodes"] == members[0]["nodes"]
    third = register.merged(again, "acme", "CH", [own("v2", "ef" * 64)], [])
    assert [node["name"] for node in third[0]["nodes"]] == ["v1", "v2"]
    assert third[0]["tessera"] == again[0]["tessera"]


def test_validators() -> None:
    members = register.merged([OTHER], "acme", "CH", [own(), own("v2", "ef" * 64, False)], [])
    assert register.validators(members, "qbft", address_of) == ["0x" + "ab" * 20, "0x" + "cd" * 20]
    assert register.validators(members, "clique", address_of) == ["0x" + "ab" * 20]
    members[1]["nodes"][0]["validator_address"] = "0x" + "11" * 20
    with pytest.raises(ChainError, match="does not belong"):
        register.validators(members, "qbft", address_of)


def test_without_key() -> None:
    members = register.merged([], "acme", "CH", [own()], [])
    assert register.without_key(["v1", "v2"], members, "acme") == ["v2"]
    assert register.without_key(["v1"], [{"name": "acme"}], "acme") == ["v1"]


def test_a_process_and_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("")
    os.utime(old, (time.time() - 60, time.time() - 60))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert abs(staleness.started(child.pid) - time.time()) < 5
        assert child.pid in staleness.children(os.getpid())
        new.write_text("")
        os.utime(new, (time.time() + 60, time.time() + 60))
        monkeypatch.setattr(staleness, "main_pid", lambda _unit: child.pid)
        files = [str(old), str(new), str(tmp_path / "absent")]
        assert staleness.needs({"name": "x", "restart": files}) == {"restart": [str(new)], "reload": []}
        assert staleness.needs({"name": "x", "reload": files}) == {"restart": [], "reload": [str(new)]}
        assert staleness.needs({"name": "x", "program": sys.executable}) == {"restart": [], "reload": []}
        assert staleness.needs({"name": "x", "program": "/bin/other"})["restart"] == ["/bin/other"]
    finally:
        child.communicate(b"\n")
    assert staleness.needs({"name": "x", "restart": files}) == {"restart": [], "reload": []}
    assert not staleness.other_program(child.pid, "/bin/sh")
    monkeypatch.setattr(staleness, "main_pid", lambda _unit: 0)
    assert staleness.needs({"name": "x"}) == {"restart": [], "reload": []}


def test_processes_that_end_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "12").mkdir()
    assert staleness.children(1, str(tmp_path)) == []


@pytest.mark.parametrize(("shown", "pid"), [("17\n", 17), ("\n", 0)])
def test_main_pid(shown: str, pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 0, shown, "")
    monkeypatch.setattr(staleness.subprocess, "run", lambda *_arguments, **_more: done)
    assert staleness.main_pid("x.service") == pid


def serve(path: Path, answers: list[bytes]) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def run() -> None:
        line, _peer = listener.accept()
        # The test may hang up in the middle of an answer.
        with listener, line, contextlib.suppress(ConnectionError):
            for answer in answers:
                line.recv(65536)
                for piece in (answer[:5], answer[5:]):
                    line.sendall(piece)
            line.recv(65536)

    threading.Thread(target=run, daemon=True).start()


def result(value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode() + b"\n"


def test_ipc(tmp_path: Path) -> None:
    error = b'{"id": 4, "error": {"code": -32601, "message": "no such method"}}\n'
    serve(tmp_path / "ipc", [result("0x1f"), result(["x"]), result(None), error, b"rubbish\n", b"[1, 2]\n"])
    with Ipc(str(tmp_path / "ipc"), 5) as line:
        assert line.number("eth_blockNumber") == 31
        assert line.call("x") == ["x"]
        with pytest.raises(IpcError, match="not a quantity"):
            line.number("x")
        with pytest.raises(IpcError, match="no such method"):
            line.call("x")
        with pytest.raises(IpcError, match="no proper answer"):
            line.call("x")
        with pytest.raises(IpcError, match="no JSON object"):
            line.call("x")
        with pytest.raises(IpcError, match="hung up"):
            line.call("x")


def test_ipc_without_anybody(tmp_path: Path) -> None:
    with pytest.raises(IpcError, match="nobody answers"):
        Ipc(str(tmp_path / "ipc"))


def test_ipc_that_dribbles(tmp_path: Path) -> None:
    serve(tmp_path / "ipc", [b"123456"])
    with Ipc(str(tmp_path / "ipc"), 5) as line:
        line._timeout = -1
        with pytest.raises(IpcError, match="timed out"):
            line.call("x")
