# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered tree of a role as it travels from the controller to the host."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

WANTS = ("reload", "restart")
SHOWN_BYTES = 100_000


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Entry:
    """One file or directory of the tree.

    ``path`` is absolute on the host; a directory ends in a slash and has no content. ``wants`` maps reload and restart
    to unit names. ``undo`` names the rope that is tied before this file changes; empty for none.
    """

    path: str
    content: bytes = b""
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    validate: str = "none"
    secret: bool = False
    undo: str = ""
    wants: Mapping[str, Sequence[str]] = field(default_factory=dict)
    controls: Sequence[str] = ()

    @property
    def directory(self) -> bool:
        return self.path.endswith("/")

    @property
    def sha256(self) -> str:
        return digest(self.content)


def pack(entries: Iterable[Entry]) -> str:
    """Entries as one opaque text: one string to keep out of every log, and small on the wire."""
    rows = [{**asdict(e), "content": base64.b64encode(e.content).decode()} for e in entries]
    return base64.b64encode(zlib.compress(json.dumps(rows).encode(), 6)).decode()


def unpack(payload: str) -> list[Entry]:
    """Reverse of :func:`pack`."""
    rows: list[dict[str, Any]] = json.loads(zlib.decompress(base64.b64decode(payload)))
    return [replace(Entry(**row), content=base64.b64decode(row["content"])) for row in rows]


def selected(controls: Sequence[str], selection: Sequence[str], skipped: Sequence[str]) -> bool:
    """Whether a row takes part in this run.

    Under a selection only rows that serve one of its controls do. A row all of whose controls are left out on this
    host does not; a row that serves no control always takes part: the others rest on it.
    """
    ids = {c.upper() for c in controls}
    if selection and ids and not ids & {c.upper() for c in selection}:
        return False
    return not ids or bool(ids - {c.upper() for c in skipped})


def gather_wants(wants: Iterable[Mapping[str, Sequence[str]]]) -> dict[str, list[str]]:
    """Union of wants, sorted; a unit that is restarted needs no reload."""
    found: dict[str, set[str]] = {kind: set() for kind in WANTS}
    for row in wants:
        for kind in WANTS:
            found[kind].update(row.get(kind, ()))
    found["reload"] -= found["restart"]
    return {kind: sorted(units) for kind, units in found.items()}


def shown(content: bytes, secret: bool) -> str:
    """A file's content as a diff may show it: a fingerprint for a secret, a summary for what is not text."""
    if secret:
        return f"(secret, sha256 {digest(content)[:12]})\n"
    if len(content) > SHOWN_BYTES:
        return f"({len(content)} bytes, sha256 {digest(content)[:12]})\n"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return f"(binary, {len(content)} bytes, sha256 {digest(content)[:12]})\n"
    return text


def secret_lines(entries: Iterable[Entry]) -> set[str]:
    """Texts that must be blotted out should another program quote them: whole secrets and their longer lines."""
    found: set[str] = set()
    for entry in entries:
        if entry.secret:
            text = entry.content.decode("utf-8", "ignore")
            found.update(line.strip() for line in (text, *text.splitlines()) if len(line.strip()) >= 8)
    return found
