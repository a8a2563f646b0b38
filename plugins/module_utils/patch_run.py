# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daily patching of a host: fetch the lists, let unattended-upgrade work, write down what is left.

This file is installed on the host as a program of its own (``/usr/local/lib/quorum.hardening/patch``) and started by
``quorum-patch.service``. So it uses nothing but the standard library and imports nothing of the collection. What it
writes down (:data:`STATE`, for root alone) is all that the audit needs to know: no probe asks a mirror.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

STATE = "/var/lib/quorum-patch/state.json"
DPKG_STATUS = "/var/lib/dpkg/status"
DPKG_LOCK = "/var/lib/dpkg/lock-frontend"
SECURITY_LABEL = "Debian-Security"
TIME = "%Y-%m-%dT%H:%M:%SZ"
#: How long another holder of dpkg's lock is waited for, in seconds.
LOCK_SECONDS = 900
#: A mirror that does not answer fails the run, where apt itself would only warn.
UPDATE = (
    "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=60",
    "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "update",
)  # fmt: skip
TARGETS = ("apt-get", "indextargets", "--format", "$(LABEL)\t$(CODENAME)\t$(FILENAME)", "Created-By: Packages")

Runner = Callable[[Sequence[str]], "tuple[int, str]"]
"""Runs an argument list; gives its exit status and what it wrote (standard output and error together)."""


def say(text: str) -> None:
    """Show a text at once: the journal has it with its own time."""
    sys.stdout.write(text)
    sys.stdout.flush()


def run_command(argv: Sequence[str]) -> tuple[int, str]:
    """Run ``argv`` without a question to anybody; a request to stop is passed on, and its end is waited for."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive",
        "HOME": "/root", "NEEDRESTART_UI": "NeedRestart::UI::stdio",
    }  # fmt: skip
    children: list[subprocess.Popen[str]] = []
    asked: list[int] = []

    def stop(number: int, _frame: Any) -> None:
        asked.append(number)
        for child in children:
            child.send_signal(number)

    # Before the child is there: a request may come at any moment.
    before = signal.signal(signal.SIGTERM, stop)
    try:
        child = subprocess.Popen(
            list(argv),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        children.append(child)
        if asked:
            child.send_signal(asked[0])
        said, _nothing = child.communicate()
    except OSError as problem:
        return 127, f"{argv[0]}: {problem.strerror}"
    finally:
        signal.signal(signal.SIGTERM, before)
    return child.returncode, said


# --- versions and lists ---


def _weight(character: str) -> int:
    """Place of a character in dpkg's order: the tilde before the end, letters before everything else."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def _key(part: str) -> list[tuple[list[int], int]]:
    """A part of a version as something that compares as dpkg does."""
    pieces = re.findall(r"([^0-9]*)([0-9]*)", part)
    # The end of a text (0) sorts after a tilde and before all else.
    return [([_weight(character) for character in text] + [0], int(number or 0)) for text, number in pieces]


def version_key(version: str) -> tuple[int, list[tuple[list[int], int]], list[tuple[list[int], int]]]:
    """A Debian version as a sort key (deb-version(7)): epoch, upstream part, revision."""
    epoch, rest = version.split(":", 1) if ":" in version else ("0", version)
    upstream, _dash, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch) if epoch.isdigit() else 0, _key(upstream), _key(revision)


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Paragraphs of a dpkg status file or a package list; continuation lines are left out."""
    for block in text.split("\n\n"):
        rows = (line.split(":", 1) for line in block.splitlines() if line[:1] not in (" ", "\t", "") and ":" in line)
        fields = {name: value.strip() for name, value in rows}
        if "Package" in fields:
            yield fields


def installed(status: str) -> dict[str, dict[str, str]]:
    """Unpacked or installed packages of a dpkg status file by name: version, architecture, want, state."""
    found = {}
    for fields in stanzas(status):
        want, _error, state = (fields.get("Status", "") + "   ").split(" ")[:3]
        if state not in ("not-installed", "config-files"):
            row = {"version": fields.get("Version", ""), "architecture": fields.get("Architecture", "")}
            found[fields["Package"]] = {**row, "want": want, "state": state}
    return found


def offers(text: str, have: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The newest version that a package list offers of each package in ``have``, where it is newer than that."""
    found: dict[str, str] = {}
    for fields in stanzas(text):
        name, version = fields["Package"], fields.get("Version", "")
        mine = have.get(name)
        if mine is None or fields.get("Architecture") not in (mine["architecture"], "all"):
            continue
        if version_key(version) > version_key(found.get(name, mine["version"])):
            found[name] = version
    return found


def pending(
    have: Mapping[str, Mapping[str, str]],
    offered: Mapping[str, str],
    known: Iterable[Mapping[str, str]],
    patterns: Sequence[str],
    now: str,
) -> list[dict[str, str]]:
    """Security updates that are not in yet: package, installed, offered, since (first seen here), blocked (why).

    A newer update does not make a package's older gap younger: ``since`` stays while the installed version does.
    """
    first = {(row.get("package"), row.get("installed")): row.get("since", now) for row in known}
    rows = []
    for name, version in sorted(offered.items()):
        mine = have[name]
        listed = any(re.match(pattern, name) for pattern in patterns)
        blocked = "on hold" if mine["want"] == "hold" else "left to the patch playbook" if listed else ""
        row = {"package": name, "installed": mine["version"], "offered": version}
        rows.append({**row, "since": first.get((name, mine["version"]), now), "blocked": blocked})
    return rows


# --- the host ---


def lock_holder(path: str = DPKG_LOCK) -> int:
    """Process that holds a lock of dpkg's (0: nobody, or nobody that can be seen from here)."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, pid = struct.unpack("hhqqi4x", fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    finally:
        os.close(handle)
    return int(pid) if kind != fcntl.F_UNLCK else 0


def wait_for_lock(seconds: float = LOCK_SECONDS, path: str = DPKG_LOCK, pause: float = 2.0) -> int:
    """Wait until dpkg is free: 0 when it is, else who still holds it after ``seconds``."""
    until = time.monotonic() + seconds
    while True:
        pid = lock_holder(path)
        if not pid or time.monotonic() >= until:
            return pid
        time.sleep(min(pause, max(0.0, until - time.monotonic())))


def read_text(path: str) -> str:
    """A file's text, empty when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def read_state(path: str = STATE) -> dict[str, Any]:
    """What the last run wrote down; empty when there is none or it cannot be understood."""
    try:
        found = json.loads(read_text(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def write_state(state: Mapping[str, Any], path: str = STATE) -> None:
    """Replace the state in one step, for root alone."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    aside = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(aside)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        json.dump(dict(state), handle, indent=1, sort_keys=True)
        handle.write("\n")
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(aside, path)


def blocked_patterns(run: Runner) -> list[str]:
    """Packages that unattended-upgrade leaves alone, as regular expressions for the beginning of a name."""
    _code, said = run(["apt-config", "dump", "Unattended-Upgrade::Package-Blacklist"])
    return re.findall(r'^Unattended-Upgrade::Package-Blacklist:: "(.*)";$', said, re.MULTILINE)


def security_lists(run: Runner) -> tuple[list[str], list[str]]:
    """Names and files of the package lists whose publisher calls them security updates."""
    _code, said = run(TARGETS)
    rows = [line.split("\t") for line in said.splitlines() if line.startswith(SECURITY_LABEL + "\t")]
    return sorted({f"{row[0]} {row[1]}" for row in rows}), [row[2] for row in rows if len(row) == 3]


def survey(run: Runner, known: Iterable[Mapping[str, str]], now: str, status: str = DPKG_STATUS) -> dict[str, Any]:
    """What is pending by the lists that are on the host: ``{pending, security_sources}``. Asks nobody."""
    have = installed(read_text(status))
    names, files = security_lists(run)
    offered: dict[str, str] = {}
    for path in files:
        # apt keeps lists in whatever compression it likes; its own helper reads them all.
        code, text = run(["/usr/lib/apt/apt-helper", "cat-file", path])
        for name, version in offers(text if code == 0 else "", have).items():
            if version_key(version) > version_key(offered.get(name, have[name]["version"])):
                offered[name] = version
    return {"pending": pending(have, offered, known, blocked_patterns(run), now), "security_sources": names}


def differences(before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Packages whose version changed, in words."""
    return [
        f"{name} {before[name]['version']} -> {row['version']}"
        for name, row in sorted(after.items())
        if name in before and before[name]["version"] != row["version"]
    ]


def last_words(said: str) -> str:
    """The lines that say what went wrong, at most five."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "W:", "ERROR", "dpkg:"))]
    return "; ".join((errors or lines)[-5:])


def patch(run: Runner = run_command, path: str = STATE, status: str = DPKG_STATUS, lock: str = DPKG_LOCK) -> int:
    """One run from end to end; gives the exit status."""
    state = read_state(path)
    started = time.strftime(TIME, time.gmtime())
    write_state({**state, "started": started, "result": "running", "problem": ""}, path)
    before = installed(read_text(status))
    code, problem = 0, ""
    pid = wait_for_lock(path=lock)
    for step in (UPDATE, ("unattended-upgrade", "-v")):
        if pid:
            code, problem = 1, f"process {pid} holds {lock} and does not let go"
            break
        code, said = run(step)
        say(said)
        if code != 0:
            problem = f"{step[0]}: {last_words(said) or f'exit status {code}'}"
            break
        if step is UPDATE:
            state["updated"] = time.strftime(TIME, time.gmtime())
    finished = time.strftime(TIME, time.gmtime())
    state.update(survey(run, state.get("pending", []), finished, status))
    state.update(started=started, finished=finished, result="failed" if code else "done", problem=problem)
    state["upgraded"] = differences(before, installed(read_text(status)))
    write_state(state, path)
    waiting = ["pending: {package} {installed} -> {offered} {blocked}".format(**row) for row in state["pending"]]
    for line in filter(None, (*state["upgraded"], problem, *waiting)):
        say(f"{line.rstrip()}\n")
    return 1 if code else 0


if __name__ == "__main__":
    raise SystemExit(patch())
