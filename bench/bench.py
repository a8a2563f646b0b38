# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the second run and the audit as multiples of the floor, and prints and writes what it found.

The floor is one warm module call that does nothing, on the same host, over the same connection, in the same play.
Run on a lab that ``make demo`` has hardened; writes build/bench.json.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: Actions that never leave the controller, so they are no round trip.
LOCAL = {
    "meta",
    "include_tasks",
    "include_role",
    "import_role",
    "set_fact",
    "debug",
    "assert",
    "validate_argument_spec",
}
AIMS = {"host.second_run_over_floor": 12.0, "host.audit_over_floor": 3.0}


def local(row: dict[str, Any]) -> bool:
    """Whether a task did all its work on the controller."""
    return (
        row["action"].rpartition(".")[2] in LOCAL or row["action"].endswith(".preflight") or row["outcome"] == "skipped"
    )


def measure(hosts: str, rounds: int) -> list[list[dict[str, Any]]]:
    """The task times of each round, on the hosts of a pattern."""
    taken = []
    for number in range(rounds):
        log = ROOT / "build" / f"bench-{number}.jsonl"
        log.unlink(missing_ok=True)
        command = [
            str(ROOT / "lab/ctl"),
            str(ROOT / ".venv/bin/ansible-playbook"),
            "-i",
            str(ROOT / "build/lab/inventory"),
        ]
        command += [str(ROOT / "bench/bench.yml"), "-e", f"bench_hosts={hosts}"]
        environment = os.environ | {
            "QUORUM_TIMINGS": str(log),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "bench/callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "timings",
        }
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
        if done.returncode:
            raise SystemExit(f"bench: the run failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        taken.append([json.loads(line) for line in log.read_text().splitlines()])
    return taken


def ratios(rows: list[dict[str, Any]], host: str) -> dict[str, float]:
    """The figures of one round on one host: seconds of the floor, and multiples of it."""
    mine = [row for row in rows if row["host"] == host]
    floor = statistics.median(row["seconds"] for row in mine if row["task"].startswith("Bench | floor"))
    role = [row for row in mine if "host : " in row["task"]]
    changed = [row["task"] for row in role if row["changed"]]
    if changed:
        raise SystemExit(f"bench: this was no second run, {host} changed in: {', '.join(changed)}")
    audit = sum(row["seconds"] for row in mine if row["task"] == "Bench | audit")
    return {
        "floor_seconds": floor,
        "host.second_run_over_floor": sum(row["seconds"] for row in role) / floor,
        "host.audit_over_floor": audit / floor,
        "host.round_trips": float(len([row for row in role if not local(row)])),
    }


def main() -> int:
    """Print the table, write build/bench.json; 1 when an aim is missed."""
    hosts, rounds = [*sys.argv[1:3], *["database", "5"][len(sys.argv[1:3]) :]]
    taken = measure(hosts, int(rounds))
    names = sorted({row["host"] for row in taken[0] if row["task"].startswith("Bench | floor")})
    every = [ratios(rows, name) for rows in taken for name in names]
    figures = {key: round(statistics.median(one[key] for one in every), 3) for key in every[0]}
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/bench.json").write_text(
        json.dumps({"hosts": names, "rounds": len(taken), **figures}, indent=2) + "\n"
    )
    print(f"hosts {', '.join(names)}; {len(taken)} rounds; medians")
    missed = False
    for key, value in figures.items():
        aim = AIMS.get(key)
        missed |= aim is not None and value > aim
        print(f"  {key:32} {value:8.2f}" + (f"   aim: at most {aim:g}" if aim else ""))
    print("written: build/bench.json")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
