# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about a benchmark: what becomes of each of its recommendations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

NOTICE = (
    "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n"
    "<!-- Made from catalog/benchmarks/{name} by scripts/control_pages.py: edit that instead. -->"
)
STATES = {"control": "carried", "planned": "planned, not there yet", "left_out": "left out"}


def state(row: dict[str, Any]) -> str:
    """Return which of the three a row is."""
    return next(key for key in STATES if key in row)


def answer(row: dict[str, Any]) -> str:
    """Return what is done about a row, as one cell of a table."""
    if "left_out" in row:
        return f"**Left out.** {row['left_out']}"
    if "planned" in row:
        return f"**Planned** with [{row['planned']}]({row['planned']}.md), not there yet."
    by = [f"`{probe}`" for probe in row.get("probes", [])] + [f"`/{path}`" for path in row.get("overlay", [])]
    disturbs = "" if row["disruption"] == "none" else f" May {row['disruption']} a service."
    return f"[{row['control']}]({row['control']}.md) by {', '.join(by)}. {row['reason']}{disturbs}"


def page(record: dict[str, Any], name: str) -> str:
    """Return the page about a benchmark as Markdown."""
    rows = record["rows"]
    count = {key: sum(len(row["numbers"]) for row in rows if state(row) == key) for key in STATES}
    total = sum(count.values())
    lines = [f"| {', '.join(row['numbers'])} | {row['about']} | {' '.join(answer(row).split())} |" for row in rows]
    counted = ", ".join(f"{count[key]} {word}" for key, word in STATES.items())
    parts = [
        NOTICE.format(name=name),
        f"# {record['benchmark']}",
        f"Of its {total} recommendations for servers: {counted}. The numbers are the benchmark's, the words are ours.",
        "| numbers | about | what becomes of it |\n|---|---|---|\n" + "\n".join(lines),
    ]
    return "\n\n".join(parts) + "\n"


def pages(root: Path, folder: Path) -> dict[Path, str]:
    """Return path -> text of the page of every benchmark in the catalogue."""
    found = {}
    for path in sorted((root / "catalog" / "benchmarks").glob("*.yml")):
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
        found[folder / f"{path.stem}.md"] = page(record, path.name)
    return found
