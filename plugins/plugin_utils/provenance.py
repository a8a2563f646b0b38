# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller knows about the collection itself: its records, its version, the programs it stands for."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

#: The root of the collection, wherever it is installed.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Families of the checklist in its own order.
FAMILIES = ("HOST", "NODE", "USER", "CONS", "MON", "PTM")


def _read(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def checklist_order(identifier: str) -> tuple[int, str]:
    """Return a key that sorts ids as the checklist does."""
    family = identifier.split("-", 1)[0]
    return (FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), identifier)


def catalogue(root: str = ROOT) -> list[dict[str, Any]]:
    """Return the records of all controls in the order of the checklist. Raises OSError where there is no catalogue."""
    folder = os.path.join(root, "catalog")
    names = [name for name in os.listdir(folder) if name.endswith(".yml")]
    records = [record for record in (_read(os.path.join(folder, name)) for name in names) if "id" in record]
    return sorted(records, key=lambda record: checklist_order(record["id"]))


def version(root: str = ROOT) -> str:
    """Return the version of the collection, from its manifest when installed and from galaxy.yml otherwise."""
    manifest = os.path.join(root, "MANIFEST.json")
    if os.path.exists(manifest):
        with open(manifest, encoding="utf-8") as file:
            return str(json.load(file)["collection_info"]["version"])
    return str(_read(os.path.join(root, "galaxy.yml"))["version"])


def commit(root: str = ROOT) -> str:
    """Return the commit the collection stands at, with "+" after it when files differ; '' outside a checkout."""
    if not os.path.exists(os.path.join(root, ".git")):
        return ""
    git = ["git", "-c", f"safe.directory={root}", "-C", root]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def _default(root: str, role: str, name: str) -> str:
    """Return the default of a role's variable when it is plain text, else ''."""
    path = os.path.join(root, "roles", role, "defaults", "main.yml")
    value = (_read(path) or {}).get(name) if os.path.exists(path) else None
    return str(value) if value is not None and "{{" not in str(value) else ""


def programs(hosts: Sequence[Mapping[str, Any]], root: str = ROOT) -> list[dict[str, str]]:
    """Return which programs the consortium runs: each name, version, kind (real, stand-in, not deployed yet), note.

    hosts: the variables of the managed hosts, ``group_names`` among them.
    """
    nodes = [host for host in hosts if "goquorum" in host.get("group_names", ())]
    stores = [host for host in hosts if "vault" in host.get("group_names", ())]
    found = []
    if nodes:
        flavour = str(nodes[0].get("goquorum_flavour") or _default(root, "goquorum", "goquorum_flavour") or "goquorum")
        number = str(nodes[0].get("goquorum_version") or "")
        if flavour == "goquorum":
            number = number or _default(root, "goquorum", "goquorum_version")
            found.append({"name": "GoQuorum", "version": number, "kind": "real", "note": ""})
        else:
            note = f"{flavour} in the place of GoQuorum; what only GoQuorum has is not proven"
            found.append({"name": "go-ethereum", "version": number, "kind": "stand-in", "note": note})
    if stores:
        number = str(stores[0].get("vault_version") or _default(root, "vault", "vault_version"))
        found.append({"name": "OpenBao", "version": number, "kind": "real", "note": ""})
    if any("tessera" in host.get("group_names", ()) for host in hosts):
        found.append({"name": "Tessera", "version": "", "kind": "not deployed yet", "note": ""})
    return found
