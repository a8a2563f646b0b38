# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages brought to a state with one transaction of apt, and a clear word when the weather is bad."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field

from .commands import HostError, Outcome, Runner
from .machine import missing
from .patch_run import DPKG_LOCK, DPKG_STATUS, installed, last_words, lock_holder, read_text, wait_for_lock

#: What every call has: no question, our files stay.
APT = (
    "apt-get", "-q", "-y", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
    "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30",
    "-o", "Acquire::https::Timeout=30",
)  # fmt: skip
CONFIGURE = ("dpkg", "--configure", "-a", "--force-confdef", "--force-confold")
UPDATE = (*APT, "-o", "APT::Update::Error-Mode=any", "update")
#: Seconds that one call of apt may take.
PATIENCE = 1800
ENVIRONMENT = ("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_UI=NeedRestart::UI::stdio")
#: States of a package that was caught in the middle, as dpkg names them.
HALFWAY = ("half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")
_LINE = re.compile(r"^(Inst|Remv|Purg) (\S+)(?: \[([^\]]*)\])?(?: \((\S+))?", re.MULTILINE)
#: What apt and dpkg say, and what it means for the person who reads it.
_WORDS = (
    (
        r"No space left on device|enough free space in (\S+)",
        "the disk is full ({room}): make room, 'apt-get clean' gives back what was downloaded, and run again",
    ),
    (r"Read-only file system", "a file system that has to take the packages is mounted read-only: see 'findmnt -O ro'"),
    (
        r"Could not get lock (\S+?)\.? |Unable to acquire the dpkg",
        "dpkg is locked{holder}: wait for it to end and run again",
    ),
    (
        r"Could not resolve '([^']+)'|Temporary failure resolving '([^']+)'",
        "the mirror {what} is not known to the DNS servers of the host (host_dns_servers), or none of them answers",
    ),
    (
        r"Could not connect to (\S+)|Unable to connect to (\S+?):? |[Cc]onnection timed out|Connection refused",
        "the mirror {what} does not answer: does it run, and is it among host_package_mirrors, without which the"
        " packet filter lets nothing through to it?",
    ),
    (r"Unable to locate package (\S+)|has no installation candidate", "no source of the host offers {what}"),
    (
        r"Release file for (\S+) is not valid yet|is expired|NO_PUBKEY|not signed",
        "a package list cannot be trusted: look at the host's clock and at the mirror",
    ),
    (r"dpkg was interrupted", "an earlier run of dpkg was cut short: run 'dpkg --configure -a' on the host"),
)


@dataclass
class Plan:
    """What apt would do or did: package to (version before, version after); empty where there is none."""

    steps: dict[str, tuple[str, str]] = field(default_factory=dict)

    def lines(self, after: bool) -> str:
        """One side of a diff."""
        rows = ((name, pair[1 if after else 0]) for name, pair in sorted(self.steps.items()))
        return "".join(f"{name} {version}\n" for name, version in rows if version)


def read_plan(said: str) -> Plan:
    """The lines of ``apt-get --simulate``."""
    plan = Plan()
    for verb, name, before, after in _LINE.findall(said):
        plan.steps[name] = (before, after if verb == "Inst" else "")
    return plan


def free_room(*paths: str) -> str:
    """How much is free where packages go, in words."""
    found = []
    for path in paths:
        try:
            found.append(f"{path}: {shutil.disk_usage(path).free // 2**20} MiB free")
        except OSError:
            continue
    return ", ".join(found)


def command_of(pid: int, proc: str = "/proc") -> str:
    """A process in words: its id and its command line."""
    return f"process {pid} ({read_text(f'{proc}/{pid}/cmdline').replace(chr(0), ' ').strip() or 'gone meanwhile'})"


def explain(said: str) -> str:
    """In one sentence why apt failed, then its own last words."""
    for pattern, meaning in _WORDS:
        found = re.search(pattern, said)
        if found:
            what = next((group for group in found.groups() if group), "of the host")
            pid = lock_holder()
            holder = f" by {command_of(pid)}" if pid else ""
            room = free_room("/", "/var", "/usr", "/boot")
            return f"{meaning.format(what=what, holder=holder, room=room)} (apt says: {last_words(said)})"
    return f"apt failed: {last_words(said) or 'it does not say why'}"


def halfway(status: str) -> list[str]:
    """Packages that were caught in the middle of being installed or removed."""
    return sorted(name for name, row in installed(status).items() if row["state"] in HALFWAY)


class Apt:
    """One host's packages. Every method raises :class:`HostError` with a sentence a person can act on."""

    def __init__(self, runner: Runner, status: str = DPKG_STATUS, lock: str = DPKG_LOCK, lock_seconds: int = 300):
        self._runner = runner
        self._status = status
        self._lock = lock
        self._lock_seconds = lock_seconds
        self.notes: list[str] = []

    def have(self) -> dict[str, dict[str, str]]:
        """Packages that are on the host, whole or not."""
        return installed(read_text(self._status))

    def free(self) -> None:
        """Wait until nobody else works with dpkg."""
        pid = wait_for_lock(self._lock_seconds, self._lock, 1.0)
        if pid:
            raise HostError(
                f"dpkg is locked by {command_of(pid)}, for more than {self._lock_seconds} s: wait for it to end and run"
                " again. Nothing was changed"
            )

    def call(self, argv: Sequence[str]) -> Outcome:
        """One call that has to succeed."""
        outcome = self._runner([*ENVIRONMENT, *argv], timeout=PATIENCE)
        if outcome.code != 0:
            raise HostError(explain(outcome.words))
        return outcome

    def repair(self) -> None:
        """Finish what a run of apt that was cut short has left behind."""
        broken = halfway(read_text(self._status))
        updates = os.path.join(os.path.dirname(self._status), "updates")
        journal = [name for name in os.listdir(updates) if name.isdigit()] if os.path.isdir(updates) else []
        if not broken and not journal:
            return
        outcome = self._runner([*ENVIRONMENT, *CONFIGURE], timeout=PATIENCE)
        left = halfway(read_text(self._status))
        if outcome.code != 0 or left:
            # What was caught while it was unpacked has to be fetched again.
            again = ["--reinstall", "install", *left] if left else ["--fix-broken", "install"]
            try:
                self.call(UPDATE)
                self.call([*APT, "--no-install-recommends", "--allow-downgrades", *again])
            except HostError as problem:
                what = ", ".join(left) or "dpkg"
                raise HostError(
                    f"an earlier run of dpkg was cut short and cannot be finished ({what}): {problem}. By hand:"
                    " 'dpkg --configure -a', then 'apt-get --fix-broken install'"
                ) from problem
        self.notes.append(
            f"finished what an earlier run of dpkg had left halfway: {', '.join(broken) or 'its journal'}"
        )

    def change(self, present: Sequence[str], absent: Sequence[str], update: bool, check_mode: bool) -> Plan:
        """Install and purge in one transaction; a package that would go along with a purged one is refused."""
        have = {name: (row["version"], row["architecture"]) for name, row in self.have().items()}
        coming = missing(present, have)
        going = [name for name in absent if name in have]
        if not coming and not going:
            return Plan()
        words = [*coming, *(f"{name}-" for name in going)]
        order = [*APT, "--no-install-recommends", "--purge", "install", *words]
        if check_mode:
            outcome = self._runner([*ENVIRONMENT, *order, "--simulate", "-o", "Debug::NoLocking=1"], timeout=PATIENCE)
            plan = read_plan(outcome.out)
            if outcome.code != 0:
                # On a host whose lists were never fetched apt knows no version yet.
                self.notes.append(f"no preview of the versions: {last_words(outcome.words)}")
                plan.steps = dict.fromkeys(coming, ("", "(newest)"))
                plan.steps.update({name: (have[name][0], "") for name in going})
        else:
            if update and coming:
                self.call(UPDATE)
            plan = read_plan(self.call([*order, "--simulate"]).out)
        stray = [name for name, pair in plan.steps.items() if not pair[1] and name not in going]
        if stray:
            raise HostError(
                f"removing {', '.join(going) or 'what is in the way'} would take along {', '.join(sorted(stray))}: put"
                " these among the absent ones too, or leave the others. Nothing was changed"
            )
        if not check_mode:
            self.call(order)
        return plan

    def release(self, names: Sequence[str], check_mode: bool) -> list[str]:
        """Take packages off hold; gives those that were on it."""
        have = self.have()
        held = sorted(name for name in names if have.get(name, {}).get("want") == "hold")
        if held and not check_mode:
            self.call(["apt-mark", "unhold", *held])
        return held


class Quiet:
    """A place in which no service is started by its package: a policy file of ours, taken away afterwards."""

    POLICY = "#!/bin/sh\n# Put here by quorum.hardening while it installs packages.\nexit 101\n"

    def __init__(self, on: bool, path: str = "/usr/sbin/policy-rc.d") -> None:
        self._on = on
        self._path = path

    def __enter__(self) -> None:
        # A run that was killed may have left ours there.
        self.__exit__()
        if self._on and not os.path.lexists(self._path):
            aside = os.path.join(os.path.dirname(self._path), ".policy-rc.d.quorum-hardening")
            with open(aside, "w", encoding="utf-8") as handle:
                handle.write(self.POLICY)
                os.fchmod(handle.fileno(), 0o755)
            os.rename(aside, self._path)

    def __exit__(self, *_reason: object) -> None:
        if read_text(self._path) == self.POLICY:
            os.unlink(self._path)
