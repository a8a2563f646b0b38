# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's scripts share: paths, running a program, telling how long a step took."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LAB = BUILD / "lab"
INVENTORY = LAB / "inventory"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quorum.hardening"
NETNS = "qh-ctl"
#: The machine's own namespace, named by lab/ctl before it enters the controller's.
MACHINE_NETNS = "qh-machine"
#: Set for a call that came from inside the controller's namespace: it lives on there and must not lose it.
CALLED_FROM_CONTROLLER = "LAB_CALLED_FROM_CONTROLLER"


def way_in(host: str) -> Path:
    """The part of the inventory that is there while a host lets in root alone."""
    return INVENTORY / "host_vars" / host / "way_in.yml"


class LabError(Exception):
    """Something the person at the keyboard has to know; printed as one line, without a stack trace."""


def run(*command: str | Path, text_in: str | None = None, data_in: bytes | None = None, cwd: Path | None = None) -> str:
    """Run a program and return its standard output; a failure carries the end of what it printed."""
    payload = text_in.encode() if text_in is not None else data_in
    done = subprocess.run([str(part) for part in command], input=payload, capture_output=True, cwd=cwd, check=False)
    if done.returncode:
        tail = (done.stderr or done.stdout).decode(errors="replace").strip()[-1500:]
        raise LabError(f"{' '.join(str(part) for part in command)[:200]} failed ({done.returncode}): {tail}")
    return done.stdout.decode(errors="replace")


def succeeds(*command: str | Path) -> bool:
    """Whether a program exits with 0; its output is of no interest."""
    return subprocess.run([str(part) for part in command], capture_output=True, check=False).returncode == 0


def persist(what: Callable[[], object], attempts: int = 3) -> None:
    """Do what fetches from elsewhere, again when it fails: a mirror or a proxy has its moments."""
    for left in reversed(range(attempts)):
        try:
            what()
            return
        except LabError as problem:
            if not left:
                raise
            print(f"    once more in 5 seconds: {problem}", flush=True)
            time.sleep(5)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is being done and, once done, how many seconds it took."""
    print(f"  - {what} ...", flush=True)
    start = time.monotonic()
    yield
    print(f"    {what}: {time.monotonic() - start:.1f} s", flush=True)


def leave_controller_namespace() -> None:
    """Continue in the machine's own network namespace when started from inside the controller's.

    Bridges and firewall rules of the lab live in the machine's namespace; Molecule calls the lab from the controller's.
    """
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes network namespaces and bridges. Run it with sudo or as root.")
    if run("ip", "netns", "identify", str(os.getpid())).strip() == NETNS:
        outside = ["nsenter", f"--net=/run/netns/{MACHINE_NETNS}", "--", sys.executable, *sys.argv]
        sys.exit(subprocess.run(outside, check=False, env=os.environ | {CALLED_FROM_CONTROLLER: "1"}).returncode)
