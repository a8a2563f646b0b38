# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which unwanted packages can go without taking along anything that nobody asked to go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

INSTALLED = " ok installed"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def _blocks(status: str) -> dict[str, dict[str, str]]:
    """Installed packages of a dpkg status file with their fields."""
    found = {}
    for block in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if line[:1] not in (" ", "\t") and ": " in line
        )
        if fields.get("Status", "").endswith(INSTALLED):
            found[fields["Package"]] = fields
    return found


def _names(clause: str) -> list[str]:
    """The alternatives of one clause of a dependency, versions and architectures left out."""
    words = (_NAME.match(part.strip()) for part in clause.split("|"))
    return [word[0] for word in words if word]


def removable(unwanted: Iterable[str], status: str) -> tuple[list[str], dict[str, str]]:
    """Of the unwanted packages those installed that can go, and those that cannot with the package that needs them.

    A package that another one needs, which is to stay, is not touched: purging it would take the other along.
    """
    asked = set(unwanted)
    if not any(f"\nPackage: {name}\n" in f"\n{status}" for name in asked):
        return [], {}
    there = _blocks(status)
    going = {name for name in asked if name in there}
    stays = {name: "the system" for name in sorted(going) if there[name].get("Essential") == "yes"}
    provided = {name: {name, *_provides(fields)} for name, fields in there.items()}
    while True:
        going -= set(stays)
        left = {word for name, words in provided.items() if name not in going for word in words}
        new = {
            name: needing
            for needing, fields in there.items()
            if needing not in going
            for clause in ",".join(fields.get(key, "") for key in ("Pre-Depends", "Depends")).split(",")
            if not left & set(_names(clause))
            for name in sorted(going)
            if provided[name] & set(_names(clause))
        }
        if not new:
            return sorted(going), stays
        stays.update(new)


def _provides(fields: Mapping[str, str]) -> list[str]:
    return [name for clause in fields.get("Provides", "").split(",") for name in _names(clause)]
