# SPDX-License-Identifier: GPL-3.0-or-later
"""A judge that we did not write: ssh-audit sees what an administrator sees, on Debian 12 and 13."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.driver import CONTROLLER, ROOT, SSH, SSH_CONFIG, address, ctl

AUDIT = str(ROOT / ".venv/bin/ssh-audit")
#: The packet filter refuses any other way: behind the jump host a host is asked through a forwarded port.
LOCAL_PORT = 20222


@contextlib.contextmanager
def way_to(host: str) -> Iterator[tuple[str, int]]:
    """Address and port at which the controller reaches a host's sshd."""
    if host == "jump":
        yield address(host), 22
        return
    forward = ["-N", "-L", f"127.0.0.1:{LOCAL_PORT}:{address(host)}:22", "-o", "ExitOnForwardFailure=yes"]
    fresh = ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
    tunnel = subprocess.Popen([str(CONTROLLER), SSH, "-F", str(SSH_CONFIG), *fresh, *forward, "jump"])
    try:
        deadline = time.monotonic() + 30
        knock = f"import socket; socket.create_connection(('127.0.0.1', {LOCAL_PORT}), 3)"
        while not ctl("python3", "-c", knock).ok:
            assert tunnel.poll() is None, "the way through the jump host closed"
            assert time.monotonic() < deadline, "the way through the jump host did not open"
            time.sleep(0.3)
        yield "127.0.0.1", LOCAL_PORT
    finally:
        tunnel.terminate()
        tunnel.wait(10)


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", ["jump", "vault", "tessera", "validator2"])
def test_ssh_audit_finds_no_failure_and_no_warning(host: str) -> None:
    with way_to(host) as (target, port):
        # Without its flood of connections: how a host bears one is tried elsewhere, by itself.
        done = ctl(AUDIT, "--json", "--skip-rate-test", "--port", str(port), target)
    assert done.rc in (0, 1, 2, 3), done.out + done.err
    report = json.loads(done.out)
    judged = [(kind, entry) for kind in ("kex", "key", "enc", "mac") for entry in report[kind]]
    assert len(judged) >= 4, "nothing was judged"
    spoken = {
        f"{kind} {entry['algorithm']}": found
        for kind, entry in judged
        for found in [{level: entry["notes"].get(level) for level in ("fail", "warn") if entry["notes"].get(level)}]
        if found
    }
    assert spoken == {}
    assert report.get("cves", []) == []
    assert done.rc == 0, done.out
