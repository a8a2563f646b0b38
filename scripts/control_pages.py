# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/controls/ from the catalogue: one page per control and an index. With --check, only compare."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

try:
    from scripts import benchmark_page
except ImportError:  # started as a program, beside the other
    import benchmark_page  # type: ignore[no-redef]

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = {
    "HOST": "Host",
    "NODE": "GoQuorum client",
    "USER": "Users",
    "CONS": "Consortium",
    "MON": "Monitoring",
    "PTM": "Transaction manager and secret storage",
}
NOTICE = (
    "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n"
    "<!-- Made from catalog/{name} by scripts/control_pages.py: edit that instead. -->"
)
DISRUPTION = {
    "none": "Applying it disturbs no service.",
    "reload": "Applying it may reload a service.",
    "restart": "Applying it may restart a service.",
}


def records(catalogue: Path) -> list[dict[str, Any]]:
    """Return the records of the catalogue in the order of the checklist."""
    found = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in catalogue.glob("*.yml")]
    families = list(FAMILIES)
    return sorted(found, key=lambda record: (families.index(record["id"].split("-")[0]), record["id"]))


def cell(value: object) -> str:
    """Return ``value`` as one cell of a Markdown table."""
    if isinstance(value, (dict, list)):
        value = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()
    return str(value).replace("|", "\\|").replace("\n", " ").strip()


def state(record: dict[str, Any]) -> str:
    """Return whether anything does the control yet, in words."""
    return "implemented" if record.get("implemented") else "not implemented yet"


def duties(record: dict[str, Any]) -> str:
    """Return which hosts the control concerns, in words."""
    words = {"all": "every managed host", "consortium": "the inventory as a whole"}
    return ", ".join(words.get(duty, duty) for duty in record.get("duties") or ["all"])


def listed(values: list[str]) -> str:
    """Return ``values`` separated by commas, an en dash for none."""
    return ", ".join(str(value) for value in values) or "\N{EN DASH}"


def page(record: dict[str, Any]) -> str:
    """Return the page of one control as Markdown."""
    out = [
        NOTICE.format(name=f"{record['id']}.yml"),
        f"# {record['id']}: {record['title']}",
        f"> {' '.join(record['statement'].split())}",
        " ".join(record["why"].split()),
        "\n".join(
            f"| {name} | {cell(value)} |" if name != "" else "| | |\n|---|---|"
            for name, value in (
                ("", ""),
                ("State", state(record)),
                ("Kind", listed(record["kind"])),
                ("Severity", record["severity"]),
                ("Source", "; ".join(record["sources"])),
                ("NIST SP 800-53", listed(record.get("nist") or [])),
                ("CIS", listed(record.get("cis") or [])),
                ("Roles", listed(record.get("roles") or [])),
                ("Concerns", duties(record)),
                ("Tag", f"`{record['id'].lower()}`"),
            )
        ),
    ]
    if record.get("implemented"):
        out.append(DISRUPTION.get(str(record.get("disruption")), ""))
    if record.get("guards"):
        rules = "\n".join(f"- `{guard}`" for guard in record["guards"])
        out.append(f"## Guarded\n\nThe preflight refuses an inventory that contradicts it, by these rules:\n\n{rules}")
    if record.get("document"):
        rows = "\n".join(f"- {topic['name']}" for topic in record["document"]["topics"])
        source = f"[a template to fill in](../templates/{record['id']}.md)"
        out.append(f"## Attested\n\nThe document must have a section on each of these ({source}):\n\n{rows}")
    if record.get("probes"):
        out.append("## Audited\n\nEach probe looks, changes nothing, and compares what it finds with this:")
        out += [probe(asked) for asked in record["probes"]]
    if record.get("sabotage"):
        out.append("## Sabotaged\n\nWays to break it on a live host, which the audit has to find and `site` to heal:")
        out += [sabotage(way) for way in record["sabotage"]]
    return "\n\n".join(part for part in out if part) + "\n"


def probe(asked: dict[str, Any]) -> str:
    """Return one probe as Markdown: what it asks, by which function, and what it expects."""
    only = f", only on {listed(asked['duties'])}" if asked.get("duties") else ""
    terms = {key: asked[key] for key in ("args", "expect") if key in asked}
    block = yaml.safe_dump(terms, sort_keys=False, width=110, allow_unicode=True).rstrip()
    why = " ".join(str(asked.get("why", "")).split())
    return f"**{asked['id']}** (`{asked['probe']}`{only}). {why}\n\n```yaml\n{block}\n```"


def sabotage(way: dict[str, Any]) -> str:
    """Return one way to break a control as Markdown."""
    hosts = listed([way["hosts"]] if isinstance(way["hosts"], str) else way["hosts"])
    said = f"**{way['id']}** on {hosts}, breaks {listed(way['breaks'])}. {' '.join(str(way.get('why', '')).split())}"
    script = str(way.get("script") or "").rstrip()
    return f"{said.strip()}\n\n```sh\n{script}\n```" if script else said.strip()


def _row(record: dict[str, Any]) -> str:
    cells = (cell(record["title"]), listed(record["kind"]), record["severity"], state(record))
    return f"| [{record['id']}]({record['id']}.md) | {' | '.join(cells)} |"


def index(all_records: list[dict[str, Any]]) -> str:
    """Return the index of all controls as Markdown."""
    done = sum(bool(record.get("implemented")) for record in all_records)
    out = [
        NOTICE.format(name=""),
        "# Controls",
        f"{len(all_records)} controls, of which {done} are implemented. Each page says what the control asks, why,"
        " where it comes from, how it is audited and how it is broken on purpose.",
    ]
    for family, title in FAMILIES.items():
        rows = [record for record in all_records if record["id"].startswith(f"{family}-")]
        if rows:
            table = "\n".join(_row(record) for record in rows)
            out.append(f"## {title}\n\n| id | control | kind | severity | state |\n|---|---|---|---|---|\n{table}")
    return "\n\n".join(out) + "\n"


def pages(root: Path) -> dict[Path, str]:
    """Return path -> text of every page."""
    folder, found = root / "docs" / "controls", records(root / "catalog")
    controls = {folder / f"{record['id']}.md": page(record) for record in found}
    return {folder / "README.md": index(found), **controls, **benchmark_page.pages(root, folder)}


def main(arguments: list[str] | None = None) -> int:
    """Write or compare the pages; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit status 1 if a page is not up to date"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    options = parser.parse_args(arguments)
    wanted = pages(options.root)
    folder = options.root / "docs" / "controls"
    left = set(folder.glob("*.md")).difference(wanted)
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if options.check:
        for path in sorted([*stale, *left]):
            print(f"{path.relative_to(options.root)} is not what the catalogue says: run make docs")
        return 1 if stale or left else 0
    folder.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    for path in left:
        path.unlink()
    print(f"docs/controls: {len(wanted)} pages, {len(stale)} written, {len(left)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
