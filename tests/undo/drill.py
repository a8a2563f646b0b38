# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill: shut the controller out of a host and take the time until the host is back by itself.

For each change (packet filter, sshd, what systemd lets sshd do, sudo, PAM) with the controller alive, and killed right
after the change; for some with the host rebooted, too. Run from the repository's root with the lab up:

    python -m tests.undo.drill [--seconds 45] [--hosts database,tessera]

Writes ``build/undo-drill.json``; exit status 1 when a host was not back in time or nobody says what happened.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests import driver

HERE = Path(__file__).resolve().parent
RESULT = driver.ROOT / "build/undo-drill.json"
LIMIT = 60.0
SHUT = "TASK [The door is shut]"
#: What is changed, and the files that it is in.
CHANGES = {
    "nftables": ("/etc/quorum.hardening/firewall.nft",),
    "sshd": ("/etc/ssh/sshd_config",),
    "bounds": ("/etc/systemd/system/ssh.service.d/drill.conf",),
    "sudoers": ("/etc/sudoers",),
    "pam": ("/etc/pam.d/common-account",),
}
#: The undo of a change that has none of its own name.
UNDO = {"bounds": "sshd"}
#: What becomes of the controller, and the changes for which it is tried.
CONTROLLERS = {
    "alive": tuple(CHANGES),
    "killed": tuple(CHANGES),
    "killed, host rebooted": ("nftables", "sshd"),
}
# A reboot must be what fires it, so the timer is far away.
FAR = 600
ATTEMPTS = 3


@dataclass(frozen=True)
class Outcome:
    """One line of the drill; ``seconds`` from the shut door to a fresh session through the jump host."""

    change: str
    controller: str
    host: str
    undo_seconds: int
    seconds: float | None = None
    reason: str = ""
    problem: str = ""


def attempt(host: str) -> subprocess.Popen[bytes]:
    """A fresh SSH session through the jump host and on to root, under way; exit status 0 when it came in."""
    options = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=10", "-o", "BatchMode=yes"]
    command = [str(driver.CONTROLLER), "ssh", "-F", str(driver.SSH_CONFIG), *options, host, "sudo -k -S -p '' true"]
    nothing = subprocess.DEVNULL
    with driver.PASSWORD.open("rb") as typed:
        return subprocess.Popen(command, cwd=driver.ROOT, stdin=typed, stdout=nothing, stderr=nothing)


def comes_in(host: str, seconds: float = 0) -> bool:
    """Whether a fresh session comes in, trying anew each second for so many seconds (0: one attempt, to its end)."""
    end = time.monotonic() + seconds
    attempts = [attempt(host)]
    try:
        while attempts:
            states = [(one, one.poll()) for one in attempts]
            if any(status == 0 for _one, status in states):
                return True
            attempts = [one for one, status in states if status is None]
            # Not one after the other: an attempt that runs into a wall would hold up the clock. Nor more than a few at
            # a time: the handshakes of many would slow down what is timed.
            if time.monotonic() < end and len(attempts) < ATTEMPTS:
                attempts.append(attempt(host))
            time.sleep(1 if seconds else 0.1)
        return False
    finally:
        for one in attempts:
            one.kill()
            one.wait()


def descendants(pid: int) -> list[int]:
    """``pid`` and all processes below it: Ansible's workers leave the process group of their parent."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def kill(pid: int) -> None:
    """SIGKILL to the run and everything below it."""
    # Held first, or it makes a worker between the look and the kill.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for each in descendants(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)


def wait_for(log: Path, process: subprocess.Popen[bytes], seconds: float = 90) -> bool:
    """Wait until the run says that the door is shut; False when it ended or took too long before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if SHUT in log.read_text(errors="replace"):
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    return False


def look(host: str) -> list[dict[str, Any]]:
    """What the next look at the host says was taken back."""
    command = ["ansible", "-i", str(driver.INVENTORY), host, "-b", "-o", "-m", "quorum.hardening.look"]
    out = driver.ctl(*command).out
    found: list[dict[str, Any]] = json.loads(out[out.index("{") :])["undone"]
    return found


def clean(host: str) -> None:
    """Remove the drill's own traces, out of band."""
    state = "/var/lib/quorum.hardening"
    paths = ("overlay/undo_drill.json", *(f"undo/{UNDO.get(change, change)}/fired.json" for change in CHANGES))
    driver.sh(host, "rm -f " + " ".join(f"{state}/{path}" for path in paths))


def state(host: str) -> str:
    """What the drill changes, as it is on the host."""
    files = " ".join(path for paths in CHANGES.values() for path in paths)
    table = "nft -s -t list table inet quorum_hardening 2>&1"
    return driver.sh(host, f"{table}; stat -c '%n %a %u %g' {files} 2>&1; cat {files} 2>&1").out


def judge(outcome: Outcome, process: subprocess.Popen[bytes], begun: float, before: str) -> Outcome:
    """Shut out, kill or reboot as the outcome's head says, then wait for the host and ask it what happened."""
    host = outcome.host
    if outcome.controller != "alive":
        kill(process.pid)
    if comes_in(host):
        return replace(outcome, problem="the change did not shut the controller out")
    if "rebooted" in outcome.controller:
        driver.sh(host, "systemctl reboot")
    if not comes_in(host, seconds=2 * LIMIT):
        return replace(outcome, problem="the host did not come back")
    outcome = replace(outcome, seconds=round(time.monotonic() - begun, 1))
    if outcome.controller == "alive" and process.wait(timeout=60) == 0:
        return replace(outcome, problem="the run claims success")
    told = [record for record in look(host) if record["name"] == UNDO.get(outcome.change, outcome.change)]
    reason = told[0]["reason"] if told else ""
    outcome = replace(outcome, reason=reason)
    if reason != ("boot" if "rebooted" in outcome.controller else "timer"):
        return replace(outcome, problem=f"the next look does not say what happened: {told}")
    if state(host) != before:
        return replace(outcome, problem="the host is not as it was before the change")
    if outcome.seconds is not None and outcome.seconds >= LIMIT:
        return replace(outcome, problem=f"not back within {LIMIT:.0f} s")
    return outcome


def drill(change: str, controller: str, host: str, seconds: int) -> Outcome:
    """Run one line of the drill and leave the host as it was."""
    outcome = Outcome(change, controller, host, FAR if "rebooted" in controller else seconds)
    if not comes_in(host):
        return replace(outcome, problem="there is no way in before the drill")
    clean(host)
    before = state(host)
    driver.RUNS.mkdir(parents=True, exist_ok=True)
    log = driver.RUNS / f"{time.strftime('%H%M%S')}-drill-{host}-{change}.log"
    values = {
        "drill_host": host,
        "drill_change": change,
        "drill_undo": UNDO.get(change, change),
        "drill_seconds": outcome.undo_seconds,
        "drill_alive": controller == "alive",
        "drill_jump": driver.address("jump"),
    }
    command = ["ansible-playbook", "-i", str(driver.INVENTORY), str(HERE / "lockout.yml"), "-e", json.dumps(values)]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(driver.CONTROLLER), *command],
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=driver.ROOT,
            env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
        )
    try:
        if not wait_for(log, process):
            return replace(outcome, problem=f"the change was not made, see {log}")
        return judge(outcome, process, time.monotonic(), before)
    finally:
        if process.poll() is None:
            kill(process.pid)
        process.wait()
        clean(host)


def lines(hosts: list[str]) -> list[tuple[str, str, str]]:
    """All (change, controller, host) of the drill, the hosts taking turns."""
    pairs = [(change, controller) for controller, changes in CONTROLLERS.items() for change in changes]
    return [(*pair, hosts[sum(divmod(index, len(CHANGES))) % len(hosts)]) for index, pair in enumerate(pairs)]


def main() -> int:
    """Run the whole drill and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=45, help="the undo's seconds (default: as production has them)")
    parser.add_argument("--hosts", default="database,tessera", help="hosts to take turns, one of each release")
    arguments = parser.parse_args()
    hosts = arguments.hosts.split(",")
    todo = lines(hosts)

    def on(own: str) -> list[Outcome]:
        outcomes = []
        for change, controller, host in (line for line in todo if line[2] == own):
            last = drill(change, controller, host, arguments.seconds)
            told = last.problem or f"back after {last.seconds} s ({last.reason})"
            print(f"{change:9} {controller:22} {host:10} undo after {last.undo_seconds:3} s: {told}", flush=True)
            outcomes.append(last)
        return outcomes

    # One host's way back says nothing about another's, so they take it side by side.
    with ThreadPoolExecutor(len(hosts)) as pool:
        outcomes = [outcome for part in pool.map(on, hosts) for outcome in part]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    return int(any(outcome.problem for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
