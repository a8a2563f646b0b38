# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures first run, second run and audit as multiples of the floor, on more and more hosts.

The floor is one warm module call that does nothing, on the same host, over the same connection, in the same play. Run
on a lab that ``make demo`` has hardened: hosts of their own (bench/hosts.yml) are put beside it, virgin for each count,
and taken away again. Prints a table and writes build/bench.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv/bin"
HOSTS = ROOT / "bench/hosts.yml"
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
#: Connections that begin at the same time: the jump host lets ten in that have not yet shown a key.
FORKS = 9
AIMS = {"second_run": 12.0, "audit": 3.0}
#: A second run over its floor at the most hosts, over the same at the fewest; a tenth is what two rounds differ by.
GROWTH = 1.1
Rows = list[dict[str, Any]]


def run(*command: str | Path, **more: str) -> None:
    """Run one of the project's own commands; its end is shown where it fails."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env=os.environ | more, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(f"bench: {command[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")


def play(playbook: str | Path, *options: str, **more: str) -> None:
    """Run a playbook as the lab's controller does."""
    run(ROOT / "lab/ctl", BIN / "ansible-playbook", "-i", ROOT / "build/lab/inventory", playbook, *options, **more)


def measured(playbook: Path, hosts: list[str], *options: str, collections: str = "") -> Rows:
    """The task times of one play on these hosts, in the order in which the tasks ended."""
    log = ROOT / "build/bench.jsonl"
    log.unlink(missing_ok=True)
    more = {
        "QUORUM_TIMINGS": str(log),
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "bench/callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "timings",
        "ANSIBLE_FORKS": str(min(len(hosts), FORKS)),
    }
    if collections:
        more["ANSIBLE_COLLECTIONS_PATH"] = f"{ROOT / 'build/collections'}:{collections}"
    play(playbook, "-e", f"bench_hosts={','.join(hosts)}", *options, **more)
    return [json.loads(line) for line in log.read_text().splitlines()]


def local(row: dict[str, Any]) -> bool:
    """Whether a task did all its work on the controller."""
    return (
        row["action"].rpartition(".")[2] in LOCAL or row["action"].endswith(".preflight") or row["outcome"] == "skipped"
    )


def ratios(rows: Rows, host: str) -> dict[str, float]:
    """The figures of one host: seconds of the floor, and multiples of the floors measured right before and after."""
    mine = [row for row in rows if row["host"] == host]
    floors = {row["task"][-1]: row["seconds"] for row in mine if row["task"].startswith("Bench | floor")}
    first, second = ([row for row in mine if f"bench_{which}" in row["tags"]] for which in ("first", "second"))

    def over(seconds: float, *around: str) -> float:
        return seconds / statistics.mean(floors[number] for number in around)

    figures = {
        "floor_seconds": statistics.median(floors.values()),
        "first_run": over(sum(row["seconds"] for row in first), "2", "3"),
        "second_run": over(sum(row["seconds"] for row in second), "3", "4"),
        "second_run_changed": float(len([row for row in second if row["changed"]])),
        "round_trips": float(len([row for row in second if not local(row)])),
    }
    seconds = {row["task"]: row["seconds"] for row in mine}
    if "Bench | audit" in seconds:
        figures["first_audit"] = over(seconds["Bench | first audit"], "5", "6")
        figures["audit"] = over(seconds["Bench | audit"], "6", "7")
    return figures


def medians(rows: Rows, hosts: list[str]) -> dict[str, float]:
    """Each figure's median over the hosts."""
    every = [ratios(rows, host) for host in hosts]
    return {key: round(statistics.median(one[key] for one in every), 3) for key in every[0]}


@contextmanager
def beside_the_lab() -> Iterator[list[str]]:
    """The bench's own hosts, while the block runs; the jump host is told of them, and told again when they are gone."""
    run(BIN / "python", "lab/lab.py", "more", HOSTS)
    try:
        play("quorum.hardening.site", "--limit", "jump")
        groups = yaml.safe_load(HOSTS.read_text())["all"]["children"]["quorum"]["children"]
        yield sorted(groups["monitoring"]["children"]["bench"]["hosts"])
    finally:
        run(BIN / "python", "lab/lab.py", "fewer")
        play("quorum.hardening.site", "--limit", "jump")


def virgin(hosts: list[str]) -> None:
    """These hosts as they were delivered."""
    run(BIN / "python", "lab/lab.py", "recreate", *hosts)


def table(found: dict[int, dict[str, float]]) -> bool:
    """Print the figures; whether an aim is missed."""
    print("medians over the hosts; multiples of the module calls right before and after that do nothing")
    print(
        f"  {'hosts':>5} {'floor':>9} {'first run':>10} {'second run':>11} {'first audit':>12} {'audit':>7} "
        f"{'round trips':>12}"
    )
    missed = []
    for count, one in found.items():
        print(
            f"  {count:5} {one['floor_seconds']:7.2f} s {one['first_run']:10.1f} {one['second_run']:11.1f} "
            f"{one['first_audit']:12.1f} {one['audit']:7.1f} {one['round_trips']:12.0f}"
        )
        missed += [
            f"{key} at {count} hosts: {one[key]:.1f}, aim {aim:g}" for key, aim in AIMS.items() if one[key] > aim
        ]
        if one["second_run_changed"]:
            missed.append(f"at {count} hosts the second run changed something")
    first, last = min(found), max(found)
    growth = found[last]["second_run"] / found[first]["second_run"]
    print(f"  from {first} to {last} hosts a second run grows {growth:.2f} times as fast as the floor (aim: {GROWTH})")
    if growth > GROWTH:
        missed.append(f"growth {growth:.2f}")
    for one_missed in missed:
        print(f"  missed: {one_missed}")
    return bool(missed)


def main() -> int:
    """Measure as asked; 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="1,4,8,16", help="numbers of hosts, at most 16 (default %(default)s)")
    parser.add_argument(
        "--peer", help="roles of another collection, namespace.collection.role[,...]: see bench/peers.md"
    )
    parser.add_argument("--peer-vars", default="{}", help="variables for that role, as JSON")
    parser.add_argument("--collections", help="folder that holds ansible_collections with the peer")
    chosen = parser.parse_args()
    counts = sorted({int(count) for count in chosen.hosts.split(",")})
    found: dict[int, dict[str, float]] = {}
    with beside_the_lab() as names:
        for count in counts:
            hosts = names[:count]
            virgin(hosts)
            found[count] = medians(measured(ROOT / "bench/bench.yml", hosts), hosts)
            # Said at once: what comes later may fail.
            print(f"{count} hosts: {json.dumps(found[count])}", flush=True)
            if chosen.peer:
                virgin(hosts)
                options = ("-e", f"bench_peer={chosen.peer}", "-e", chosen.peer_vars)
                peer = measured(ROOT / "bench/peer.yml", hosts, *options, collections=chosen.collections)
                found[count]["peer_first_run"] = medians(peer, hosts)["first_run"]
                found[count]["peer_second_run"] = medians(peer, hosts)["second_run"]
    missed = table(found)
    if chosen.peer:
        for count, one in found.items():
            first, second = one["peer_first_run"], one["peer_second_run"]
            times = second / one["second_run"]
            print(f"  {chosen.peer}, {count} hosts: first run {first:.0f}, second {second:.0f}, {times:.1f} x ours")
    few = found[min(found)]
    summary = {f"host.{key}_over_floor": few[key] for key in ("first_run", "second_run", "audit")}
    (ROOT / "build/bench.json").write_text(
        json.dumps({**summary, "host.round_trips": few["round_trips"], "by_hosts": found}, indent=2) + "\n"
    )
    print("written: build/bench.json")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
