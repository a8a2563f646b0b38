# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the virtual machine for its tests: root out of band through the guest agent, in band over ssh, playbooks.

Shares no code with the collection.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import socket
import subprocess
import time
from typing import Any

from tests.driver import ROOT, RUNS, Done

HERE = ROOT / "build/lab/vm"
SSH_CONFIG = HERE / "ssh_config"
INVENTORY = ROOT / "build/lab/vm-inventory/hosts.yml"
REPORT = ROOT / "build/report-vm"
ENVIRONMENT = {
    "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
}
#: Where the key lies that the secret store signs for, on a host that has one.
KEY = "/etc/quorum.hardening/tls/host.key"
#: An emulated processor takes twenty seconds to boot on an idle machine.
BOOT_SECONDS = 420


class Agent:
    """The guest agent's socket, for one conversation."""

    def __init__(self, seconds: float) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(str(HERE / "agent.sock"))
        self.lines = self.socket.makefile("rb")
        # What an earlier conversation left unread ends with this byte.
        self.socket.sendall(b"\xff")
        number = int(time.monotonic() * 1000) % 10**9
        self.send("guest-sync-delimited", id=number)
        while True:
            line = self.lines.readline()
            if not line:
                raise OSError("the guest agent hung up")
            if b"\xff" in line and json.loads(line.rpartition(b"\xff")[2]).get("return") == number:
                return

    def send(self, command: str, **arguments: Any) -> None:
        """Send one command, not waiting."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send one command and give what it returns; ValueError with what the agent says."""
        self.send(command, **arguments)
        answer = json.loads(self.lines.readline())
        if "error" in answer:
            raise ValueError(answer["error"]["desc"])
        return answer["return"]

    def close(self) -> None:
        """Hang up, so that the next conversation gets in."""
        self.lines.close()
        self.socket.close()


def root(script: str, *, text_in: str = "", seconds: float = 90) -> Done:
    """Run a shell script as root, out of band: it needs no network, no sshd, no sudo."""
    agent = Agent(seconds)
    try:
        said = base64.b64encode(text_in.encode()).decode()
        run = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True, "input-data": said}
        pid = agent.ask("guest-exec", **run)["pid"]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = agent.ask("guest-exec-status", pid=pid)
            if state["exited"]:
                out, err = (
                    base64.b64decode(state.get(key, "")).decode(errors="replace") for key in ("out-data", "err-data")
                )
                return Done(state.get("exitcode", 128 + state.get("signal", 0)), out, err)
            time.sleep(0.1)
        raise TimeoutError(f"{script!r} did not end within {seconds} s")
    finally:
        agent.close()


def ssh(script: str, *options: str, seconds: float = 60) -> Done:
    """Run a shell script as the administrator, in a fresh session over the network."""
    command = ["ssh", "-F", str(SSH_CONFIG), "-o", "ControlPath=none", *options, "vm", script]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def boot_id() -> str:
    """Which boot this is; empty while nobody answers."""
    try:
        return root("cat /proc/sys/kernel/random/boot_id", seconds=5).out.strip()
    except (OSError, ValueError):
        return ""


def reboot() -> float:
    """Reboot the machine and wait until the administrator comes in again; gives the seconds it took."""
    before, begun = boot_id(), time.monotonic()
    assert before
    root("systemctl --no-block reboot")
    while time.monotonic() < begun + BOOT_SECONDS:
        # Over ssh, as it must come back by itself.
        done = ssh("cat /proc/sys/kernel/random/boot_id")
        if done.ok and done.out.strip() != before:
            return time.monotonic() - begun
        time.sleep(1)
    raise TimeoutError(f"nobody came in within {BOOT_SECONDS} s after a reboot")


def ansible(program: str, *arguments: str, seconds: float = 600) -> Done:
    """Run ansible or ansible-playbook against the machine; the output is kept in build/runs."""
    RUNS.mkdir(parents=True, exist_ok=True)
    command = [program, "-i", str(INVENTORY), *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    label = re.sub(r"[^a-z.]", "", arguments[0])
    log = RUNS / f"{time.strftime('%H%M%S')}-vm-{label}.log"
    log.write_text(shlex.join(command) + "\n" + done.stdout + done.stderr)
    return Done(done.returncode, done.stdout, done.stderr)


def results(phase: str) -> dict[str, dict[str, Any]]:
    """Control id -> its row in the report of a phase (before or after), as the audit of the machine wrote it."""
    document = json.loads((REPORT / f"{phase}.json").read_text())
    return {row["control"]: row for row in document["results"] if row["host"] == "vm"}
