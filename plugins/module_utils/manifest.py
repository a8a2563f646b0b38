# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's ``overlay.yml``: which file of its tree lands where, as whose, and what follows from it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .tree import WANTS, Entry

KEYS = (
    "path",
    "source",
    "controls",
    "owner",
    "group",
    "mode",
    "validate",
    "wants",
    "secret",
    "undo",
    "foreach",
    "when",
    "encoding",
)
SUFFIX = ".j2"
CONTROL = re.compile(r"[A-Z]+-[0-9]+\Z")

Render = Callable[[str, Mapping[str, Any]], str]


class ManifestError(Exception):
    """The manifest or the tree contradicts itself; the message lists everything found, one line each."""


@dataclass(frozen=True)
class Row:
    """One row of the manifest. ``source`` is the file in the tree; empty for a directory."""

    path: str
    source: str
    values: Mapping[str, Any]

    @property
    def controls(self) -> tuple[str, ...]:
        return tuple(self.values.get("controls") or ())

    @property
    def template(self) -> bool:
        return self.source.endswith(SUFFIX)


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _row_problems(number: int, row: Any, validators: Sequence[str]) -> list[str]:
    if not isinstance(row, Mapping) or not isinstance(row.get("path"), str) or not row["path"]:
        return [f"row {number}: a mapping with a path was expected"]
    where = f"row {number} ({row['path']})"
    found = []
    for key in row:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            found.append(f"{where}: unknown key {key!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    if row["path"].startswith("/") or ".." in row["path"].split("/"):
        found.append(f"{where}: the path is relative to the tree and stays inside it")
    if row.get("validate", "none") not in validators:
        found.append(f"{where}: validate is one of {', '.join(validators)}, not {row['validate']!r}")
    if "mode" in row and not (isinstance(row["mode"], str) and re.fullmatch(r"0[0-7]{3,4}", row["mode"])):
        found.append(f"{where}: mode is a quoted octal number such as '0640', not {row['mode']!r}")
    for control in row.get("controls") or ():
        if not CONTROL.match(str(control)):
            found.append(f"{where}: {control!r} is not the id of a control")
    wants = row.get("wants") or {}
    if not isinstance(wants, Mapping) or set(wants) - set(WANTS):
        found.append(f"{where}: wants maps {' or '.join(WANTS)} to a unit, not {wants!r}")
    if row.get("encoding", "base64") != "base64":
        found.append(f"{where}: the only encoding is base64, not {row['encoding']!r}")
    if not isinstance(row.get("secret", False), bool):
        found.append(f"{where}: secret is true or false")
    return found


def match(rows: Any, files: Iterable[str], validators: Sequence[str]) -> list[Row]:
    """Pair rows with files: each file of the tree belongs to exactly one row, each row to exactly one file.

    :param rows: the parsed ``overlay.yml``.
    :param files: paths of all files of the tree, relative to it, as they are on the controller.
    :raises ManifestError: with all findings.
    """
    if not isinstance(rows, list):
        raise ManifestError("a list of rows was expected")
    problems = [p for number, row in enumerate(rows, 1) for p in _row_problems(number, row, validators)]
    if problems:
        raise ManifestError("\n".join(problems))
    there = sorted(files)
    taken: dict[str, str] = {}
    found: list[Row] = []
    for row in rows:
        path = row["path"]
        if path.endswith("/"):
            found.append(Row(path, "", row))
            continue
        asked = [row["source"]] if "source" in row else [path, path + SUFFIX]
        sources = [name for name in asked if name in there]
        if len(sources) != 1:
            problems.append(
                f"{path}: {'no file in the tree' if not sources else 'both ' + ' and '.join(sources) + ' are there'}"
            )
            continue
        if sources[0] in taken:
            problems.append(f"{sources[0]}: named by two rows, {taken[sources[0]]} and {path}")
        taken[sources[0]] = path
        found.append(Row(path, sources[0], row))
    problems += [f"{name}: no row names this file" for name in there if name not in taken]
    if problems:
        raise ManifestError("\n".join(problems))
    return found


def entry(row: Row, render: Render, scope: Mapping[str, Any], content: bytes) -> Entry:
    """The row as it lands, its texts rendered in a scope (which holds ``item`` for a repeated row)."""

    def text(key: str, default: str) -> str:
        return render(str(row.values.get(key, default)), scope)

    path = render(row.path, scope)
    if ".." in path.split("/"):
        raise ManifestError(f"{row.path}: renders to {path!r}, which leaves the tree")
    wants = row.values.get("wants") or {}
    return Entry(
        path="/" + path,
        content=content,
        owner=text("owner", "root"),
        group=text("group", "root"),
        mode=int(row.values.get("mode", "0755" if row.path.endswith("/") else "0644"), 8),
        validate=row.values.get("validate", "none"),
        secret=row.values.get("secret", False),
        undo=row.values.get("undo", ""),
        wants={kind: [render(unit, scope) for unit in _as_list(wants[kind])] for kind in WANTS if kind in wants},
        controls=[str(c) for c in row.controls],
    )


def unique(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries, if no two of them land on the same path.

    :raises ManifestError: names the paths that collide.
    """
    paths = [e.path.rstrip("/") for e in entries]
    twice = sorted({p for p in paths if paths.count(p) > 1})
    if twice:
        raise ManifestError("\n".join(f"{p}: two rows land here" for p in twice))
    return entries


def named_lines(source: str, problem: str) -> list[int]:
    """Numbers of the lines of a template that name what a message calls undefined (or unknown); may be empty."""
    names = re.findall(r"'([A-Za-z_][\w.]*)'", problem)
    for name in reversed(names):
        word = re.compile(rf"\b{re.escape(name)}\b")
        lines = [number for number, line in enumerate(source.splitlines(), 1) if word.search(line)]
        if lines:
            return lines
    return []
