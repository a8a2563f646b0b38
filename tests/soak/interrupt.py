# SPDX-License-Identifier: GPL-3.0-or-later
"""The interrupted run: kill the controller at random moments of a run, and show that the next run ends the work.

Each trial takes a hardened host, breaks much of what we laid there, starts ``site`` and kills it with all its workers
at a random moment. The next ``site`` must end well and leave the very tree that an undisturbed run leaves, and the one
after it must find nothing to do. Run from the repository's root with the lab hardened:

    python -m tests.soak.interrupt [--trials 20] [--seed N] [--hosts database,tessera]

Writes ``build/interrupt.json``; exit status 1 when a trial did not converge. ``--container`` and ``--command`` aim at
another container and another run, for work on this file itself.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import random
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests import driver
from tests.undo.drill import kill

RESULT = driver.ROOT / "build/interrupt.json"

#: What differs between two good runs: what is kept of each, what the host's own audit and watch find meanwhile, and
#: debts that a boot forgives.
RANDOM = ("runs", "audit", "aide", "originals", "undo", "wants.json")

#: Takes away what the run has to bring back, all but the way in: sshd, accounts, sudo, PAM, the network, our own state.
BREAK = r"""
state=/var/lib/quorum.hardening/overlay
python3 - "$state" <<'PYTHON'
import glob, json, os, sys
spared = "/etc/ssh /etc/sudoers /etc/pam.d /etc/passwd /etc/group /etc/goquorum /etc/openbao /var/lib".split()
paths = sorted(p for f in glob.glob(sys.argv[1] + "/*.json") for p in json.load(open(f))["files"])
for number, path in enumerate(p for p in paths if not p.startswith(tuple(spared)) and os.path.exists(p)):
    if number % 3 == 0:
        os.unlink(path)
    elif number % 3 == 1:
        with open(path, "ab") as file:
            file.write(b"\n# a stranger was here\n")
    else:
        os.chmod(path, 0o666)
PYTHON
nft delete table inet quorum_hardening 2>/dev/null || :
systemctl disable --quiet quorum-audit.timer quorum-firewall.service 2>/dev/null || :
systemctl stop quorum-audit.timer 2>/dev/null || :
systemctl daemon-reload
"""

#: Paths, types, modes, owners, targets and contents below /etc and of our programs and state; units; the packet filter.
LOOK = rf"""
cd /
state=var/lib/quorum.hardening
skip='{" ".join(f"-path ./var/lib/quorum.hardening/{name} -prune -o" for name in RANDOM)}'
find ./etc ./usr/local ./$state -xdev $skip -printf '%p %y %m %U:%G %l\n'
find ./etc ./usr/local ./$state -xdev $skip -type f -print0 | xargs -0 -r sha256sum
nft -s list table inet quorum_hardening 2>&1 | grep -v 'elements\|expires'
find ./run/quorum.hardening -mindepth 1 -not -name work 2>/dev/null
for unit in quorum-audit.timer quorum-firewall.service ssh.service; do
  echo "$unit $(systemctl is-enabled $unit 2>&1) $(systemctl is-active $unit 2>&1)"
done
"""


@dataclass(frozen=True)
class Target:
    """A host of the lab, or another container; ``command`` is the run that hardens it."""

    host: str
    container: str
    command: tuple[str, ...]

    def sh(self, script: str, timeout: int = 120) -> str:
        """Run a script there, out of band; raises on failure."""
        command = ["docker", "exec", "-i", self.container, "sh", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.container}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def look(self) -> list[str]:
        """The tree as it is."""
        return sorted(self.sh(LOOK + "true").splitlines())

    def start(self, log: str) -> subprocess.Popen[bytes]:
        """Start a run; its output goes to build/runs."""
        driver.RUNS.mkdir(parents=True, exist_ok=True)
        with (driver.RUNS / f"{time.strftime('%H%M%S')}-{log}.log").open("ab") as sink:
            return subprocess.Popen(
                self.command,
                stdout=sink,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=driver.ROOT,
                env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
            )

    def run(self, log: str) -> int:
        """A run to its end; gives its exit status."""
        return self.start(log).wait(timeout=1800)


@dataclass(frozen=True)
class Trial:
    """One line of the soak: when it was killed (seconds into the run), and what was wrong afterwards."""

    host: str
    number: int
    killed_after: float
    running: bool = False
    seconds: float | None = None
    problem: str = ""


def of_lab(host: str) -> Target:
    """The host of the lab, hardened by ``site``."""
    playbook = [str(driver.ROOT / ".venv/bin/ansible-playbook"), "-i", str(driver.INVENTORY), "quorum.hardening.site"]
    return Target(host, driver.PREFIX + host, (str(driver.CONTROLLER), *playbook, "--limit", host))


def reference(target: Target) -> tuple[list[str], float]:
    """The tree that an undisturbed run leaves, and how long that run takes. Raises RuntimeError where it fails."""
    target.sh(BREAK)
    begun = time.monotonic()
    status = target.run(f"interrupt-{target.host}-undisturbed")
    if status != 0:
        raise RuntimeError(f"{target.host}: the undisturbed run fails with exit status {status}")
    return target.look(), time.monotonic() - begun


def differences(wanted: list[str], found: list[str]) -> str:
    """The first lines that differ; empty for none."""
    rows = [row for row in difflib.unified_diff(wanted, found, lineterm="", n=0) if row[:2] not in ("--", "++", "@@")]
    return "; ".join(rows[:6])


def attempt(target: Target, trial: Trial, wanted: list[str]) -> Trial:
    """Break, run, kill, run again, compare."""
    target.sh(BREAK)
    process = target.start(f"interrupt-{trial.host}-{trial.number}-killed")
    try:
        process.wait(timeout=trial.killed_after)
    except subprocess.TimeoutExpired:
        trial = replace(trial, running=True)
        kill(process.pid)
    process.wait()
    begun = time.monotonic()
    status = target.run(f"interrupt-{trial.host}-{trial.number}-next")
    trial = replace(trial, seconds=round(time.monotonic() - begun, 1))
    if status != 0:
        return replace(trial, problem=f"the next run fails with exit status {status}")
    return replace(trial, problem=differences(wanted, target.look()))


def soak(target: Target, trials: int, dice: random.Random) -> list[Trial]:
    """So many trials on one host, at moments spread by chance over the length of an undisturbed run."""
    wanted, length = reference(target)
    print(f"{target.host}: an undisturbed run takes {length:.0f} s", flush=True)
    outcomes = []
    for number in range(trials):
        trial = Trial(target.host, number, round(dice.uniform(0, length), 1))
        outcomes.append(attempt(target, trial, wanted))
        last = outcomes[-1]
        said = last.problem or f"the next run converges in {last.seconds:.0f} s"
        print(f"{last.host} {number:2}: killed after {last.killed_after:5.1f} s: {said}", flush=True)
    return outcomes


def main() -> int:
    """Run the soak and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20, help="in all, the hosts taking equal parts")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--hosts", default="database,tessera", help="hosts of the lab, one of each release")
    parser.add_argument("--container", help="another container instead")
    parser.add_argument("--command", help="the run that hardens it")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    targets = [of_lab(host) for host in arguments.hosts.split(",")]
    if arguments.container:
        targets = [Target(arguments.container, arguments.container, tuple(shlex.split(arguments.command)))]

    def part(number: int) -> list[Trial]:
        share = arguments.trials // len(targets) + (number < arguments.trials % len(targets))
        # Dice of its own, so that a seed means the same moments whichever host is faster.
        return soak(targets[number], share, random.Random(f"{arguments.seed} {number}"))

    with ThreadPoolExecutor(len(targets)) as pool:
        outcomes = [outcome for those in pool.map(part, range(len(targets))) for outcome in those]
    content: dict[str, Any] = {"seed": arguments.seed, "trials": [asdict(outcome) for outcome in outcomes]}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(content, indent=1) + "\n")
    good = sum(not outcome.problem for outcome in outcomes)
    print(f"{good} of {len(outcomes)} converge")
    return int(good < len(outcomes))


if __name__ == "__main__":
    sys.exit(main())
