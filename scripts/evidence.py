# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge build/evidence/*.json into build/evidence.json, and say how much of it is there.

Exit status 1 while anything is missing. The shape: ``head`` as in report.json, then control id -> column ->
{ok, missing, tests, hosts}. A column is ok when at least one test claims it and every test that claims it passed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

COLUMNS = ("applied", "audited", "proven", "sabotaged")
ROOT = Path(__file__).resolve().parents[1]


def implemented(catalogue: Path) -> list[str]:
    """Return the ids of the controls that the catalogue calls implemented."""
    records = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(catalogue.glob("*.yml"))]
    return [str(record["id"]) for record in records if record.get("implemented")]


def column_of(control: str, column: str, scenarios: list[dict[str, Any]]) -> dict[str, Any]:
    """Return {ok, missing, tests, hosts} of one control's column."""
    tests, hosts, missing = [], set(), []
    for scenario in scenarios:
        for name, test in scenario["tests"].items():
            claims = [c for c in test["claims"] if (c["control"], c["column"]) == (control, column)]
            if not claims:
                continue
            label = f"{scenario['scenario']}: {name}"
            tests.append(label)
            if test["outcome"] != "passed":
                reason = f" ({test['reason']})" if test["reason"] else ""
                missing.append(f"{test['outcome']}: {label}{reason}")
                continue
            for claim in claims:
                if claim["ok"]:
                    hosts.update(claim["hosts"])
                else:
                    missing.append(f"not shown: {label} on {', '.join(claim['hosts']) or 'no host'}")
    if not tests:
        missing.append("no test claims it")
    return {"ok": not missing, "missing": missing, "tests": sorted(tests), "hosts": sorted(hosts)}


def head_of(root: Path, report: Path) -> dict[str, Any]:
    """Return the head: of the last report (its programs above all), at the time and commit of now."""
    head: dict[str, Any] = {"run_id": "", "phase": "after", "programs": []}
    if report.exists():
        head = json.loads(report.read_text(encoding="utf-8"))["head"]
    head["time"] = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    head["collection_version"] = str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"])
    git = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    head["commit"] = done.stdout.strip() if done.returncode == 0 else ""
    return head


def merge(ids: list[str], scenarios: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return control id -> column -> evidence, for the controls given and any other that a test claims."""
    claimed = {c["control"] for s in scenarios for t in s["tests"].values() for c in t["claims"]}
    wanted = [*ids, *sorted(claimed.difference(ids))]
    return {control: {column: column_of(control, column, scenarios) for column in COLUMNS} for control in wanted}


def main(arguments: list[str] | None = None) -> int:
    """Merge, write, print; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    options = parser.parse_args(arguments)
    build = options.root / "build"
    files = sorted((build / "evidence").glob("*.json"))
    scenarios = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    ids = implemented(options.root / "catalog")
    merged = merge(ids, scenarios)
    head = head_of(options.root, build / "report" / "report.json")
    content = json.dumps({"head": head, **merged}, indent=2, ensure_ascii=False) + "\n"
    build.mkdir(exist_ok=True)
    (build / "evidence.json").write_text(content, encoding="utf-8")
    shown = [(control, column) for control in ids for column in COLUMNS if merged[control][column]["ok"]]
    for control in ids:
        gaps = {column: seen["missing"] for column, seen in merged[control].items() if not seen["ok"]}
        for column, missing in gaps.items():
            print(f"{control} {column}: {'; '.join(missing[:3])}{' …' if len(missing) > 3 else ''}")
    whole = sum(all(merged[control][column]["ok"] for column in COLUMNS) for control in ids)
    print(f"evidence: {whole} of {len(ids)} controls, {len(shown)} of {len(ids) * len(COLUMNS)} columns")
    return 0 if ids and len(shown) == len(ids) * len(COLUMNS) else 1


if __name__ == "__main__":
    sys.exit(main())
