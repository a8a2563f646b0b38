# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the lab for the tests: a shell on a host (out of band), a run of a playbook (in band, through the jump host).

Shares no code with the collection: what it finds is a second opinion.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INVENTORY = ROOT / "build" / "lab" / "inventory"
SSH_CONFIG = ROOT / "build" / "lab" / "ssh_config"
#: The ssh that answers for a second factor where a host wants one; elsewhere it is ssh.
SSH = str(ROOT / "playbooks/files/ssh-with-code")
PASSWORD = ROOT / "build" / "lab" / "credentials" / "sudo"
FACTORS = ROOT / "build" / "lab" / "second_factor"
CONTROLLER = ROOT / "lab" / "ctl"
RUNS = ROOT / "build" / "runs"
PREFIX = "qh-"
#: Where a host writes what its own audit found.
OWN_AUDIT = "/var/lib/quorum.hardening/audit/last.json"

VALIDATORS = ("validator1", "validator2", "validator3", "validator4")
MANAGED = ("jump", "vault", "database", "tessera", "monitoring", *VALIDATORS)
#: Every host's address in the management segment; the last byte is the same in every other segment.
ADDRESS = {"jump": 2, "vault": 11, "database": 12, "tessera": 13, "monitoring": 14} | {
    name: 21 + index for index, name in enumerate(VALIDATORS)
}
SEGMENT = {"management": "198.18.0", "ledger": "198.18.1", "privacy": "198.18.2", "secrets": "198.18.3"}


def address(host: str, segment: str = "management") -> str:
    """The IPv4 address of a managed host in a segment."""
    return f"{SEGMENT[segment]}.{ADDRESS[host]}"


@dataclass(frozen=True)
class Done:
    """What a command left: exit status and both streams as text."""

    rc: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.rc == 0

    def __bool__(self) -> bool:
        raise TypeError("say .ok")


def sh(host: str, script: str, *, user: str = "root", text_in: str | None = None, timeout: int = 60) -> Done:
    """Run a shell script on a container of the lab, out of band."""
    command = ["docker", "exec", "-i", "-u", user, PREFIX + host, "sh", "-c", script]
    done = subprocess.run(command, input=text_in or "", capture_output=True, text=True, timeout=timeout, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def ctl(*command: str, timeout: int = 120, text_in: str = "", **environment: str) -> Done:
    """Run a command on the controller, which has the management segment alone."""
    done = subprocess.run(
        [str(CONTROLLER), *command],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=ROOT,
        # Molecule asks for colours, which no test wants to read.
        env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"} | environment,
        input=text_in,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def ssh(
    host: str, command: str, *options: str, timeout: int = 90, config: Path = SSH_CONFIG, text_in: str = ""
) -> Done:
    """A fresh SSH session from the controller as the inventory has it: through the jump host, no shared connection."""
    fresh = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=25", "-o", "BatchMode=yes"]
    words = [host, command] if command else [host]
    return ctl(SSH, "-F", str(config), *fresh, *options, *words, timeout=timeout, text_in=text_in)


def sudo(host: str, command: str, *options: str, timeout: int = 90) -> Done:
    """A command as root in a fresh SSH session, the way a person gets there: sudo asks, the password is typed."""
    line = f"sudo -k -S -p '' -- sh -c {shlex.quote(command)}"
    fresh = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=25"]
    typed = PASSWORD.read_text() + "\n"
    return ctl(SSH, "-F", str(SSH_CONFIG), *fresh, *options, host, line, timeout=timeout, text_in=typed)


#: How long a connection that must come up may take: the machine is small and busy.
PATIENCE = 15


def reaches(source: str, target: str, port: int, seconds: int = 2) -> bool:
    """Whether a TCP connection from a container to an address and port comes up (not refused, not dropped)."""
    script = (
        "import socket,sys\n"
        f"try: socket.create_connection(({target!r}, {port}), {seconds}).close()\n"
        "except OSError as e: print(e); sys.exit(1)\n"
    )
    return sh(source, f"python3 -c {shlex.quote(script)}", timeout=seconds + 30).ok


@dataclass
class Run:
    """One finished playbook run."""

    rc: int
    out: str
    recap: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0

    def total(self, what: str) -> int:
        """Sum over all hosts of one column of the recap."""
        return sum(row.get(what, 0) for row in self.recap.values())


_RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$", re.MULTILINE)


def play(playbook: str, *arguments: str, timeout: int = 1500, inventory: Path = INVENTORY, **environment: str) -> Run:
    """Run one of the collection's playbooks by its full name, the way a user does; its output is kept in build/runs."""
    RUNS.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    command = [
        str(ROOT / ".venv/bin/ansible-playbook"),
        "-i",
        str(inventory),
        f"quorum.hardening.{playbook}",
        *arguments,
    ]
    done = ctl(*command, timeout=timeout, **environment)
    text = done.out + done.err
    (RUNS / f"{time.strftime('%H%M%S')}-{playbook}.log").write_text(shlex.join(command) + "\n" + text)
    tail = text[text.rfind("PLAY RECAP") :] if "PLAY RECAP" in text else ""
    recap = {
        host: {key: int(value) for key, value in (pair.split("=") for pair in row.split())}
        for host, row in _RECAP.findall(tail)
    }
    return Run(done.rc, text, recap, time.monotonic() - begun)


def audited(host: str) -> dict[str, Any]:
    """Have the host audit itself now, the way its timer does; its result."""
    done = sh(host, f"systemctl start quorum-audit.service && cat {OWN_AUDIT}", timeout=300)
    assert done.ok, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def report() -> dict[str, Any]:
    """The last report as data."""
    found: dict[str, Any] = json.loads((ROOT / "build/report/report.json").read_text())
    return found


def statuses(document: dict[str, Any] | None = None) -> dict[tuple[str, str], str]:
    """(host, control) -> worst status in a report; ``fail`` and ``error`` weigh most."""
    weight = ["not_applicable", "not_implemented", "pass", "attested", "waived", "error", "fail"]
    worst: dict[tuple[str, str], str] = {}
    for row in (document or report())["results"]:
        key = (row["host"], row["control"])
        if key not in worst or weight.index(row["status"]) > weight.index(worst[key]):
            worst[key] = row["status"]
    return worst


def broken(document: dict[str, Any] | None = None) -> set[tuple[str, str]]:
    """All (host, control) that do not hold."""
    return {key for key, status in statuses(document).items() if status in ("fail", "error")}


#: What changes by itself: logs, caches, seeds, time stamps, Ansible's own temporary files, the chain, the store.
TICKING = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/tmp",
    "/var/tmp",
    "/var/log",
    "/var/cache",
    "/var/lib/systemd",
    "/var/lib/sudo",
)
TICKING += ("/var/lib/apt", "/var/lib/goquorum/geth", "/var/lib/openbao", "/root/.ansible", "/home/ops/.ansible")


def tree(host: str) -> str:
    """One line for each file that a run could change, with mode, owner and digest; what ticks by itself is left out.

    Left out: logs and journals, caches, the random seed, login records, SSH's and sudo's own time stamps, Ansible's
    temporary files, and the chain's database, which grows with each block.
    """
    skipped = " -o ".join(f"-path {path}" for path in TICKING)
    # One sha256sum for each file is slow on a whole tree: the programs of the distribution are told by size and time.
    quick = (
        f"find / \\( {skipped} \\) -prune -o -type f -path '/usr/*' -printf '%p %m %U:%G %s %T@\\n' "
        "-o \\( -type l -o -type d \\) -printf '%p %y %m %U:%G %l\\n'; "
        "find /etc /home /opt /root /srv /boot /var/lib/quorum.hardening /var/lib/dpkg /var/spool -xdev -type f "
        "-not -path '*/.ansible/*' -not -path '/var/lib/quorum.hardening/aide/*' "
        "-not -path '/var/lib/quorum.hardening/audit/*' -print0 2>/dev/null "
        "| xargs -0 -r sha256sum"
    )
    return sh(host, f"({quick}) 2>/dev/null | sort", timeout=120).out
