# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: what a host kept of its runs, as one change that leads to how it was before one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .commands import HostError
from .ground import Ground, Names, Seen
from .keeping import Run, recall
from .landing import Change, compare
from .memory import OVERLAYS, Memory
from .systemd import Unit, Wish
from .tree import WANTS, Entry, gather_wants

UNITS = "/etc/systemd/system/"
#: Who reads files of roles that compare a running unit with its files instead of naming a follower for each.
FOLLOWERS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "/etc/nginx/": {"reload": ["nginx.service"]},
    "/etc/goquorum/": {"restart": ["goquorum.service"]},
    "/var/lib/goquorum/": {"restart": ["goquorum.service"]},
    UNITS + "goquorum.service": {"restart": ["goquorum.service"]},
}


def chosen(runs: Sequence[Run], wanted: str = "") -> list[Run]:
    """The runs to take back, oldest first: the wanted one and all after it.

    Without a wish it is the last run that is no way back itself and has not been taken back.

    :raises HostError: nothing is kept, or not of that run.
    """
    names = [run.run for run in runs]
    if wanted and wanted not in names:
        raise HostError(f"nothing is kept of a run {wanted}; kept are {', '.join(names) or 'none'}")
    open_ones = [run.run for run in runs if not run.takes_back and not run.taken_back]
    if not wanted and not open_ones:
        raise HostError("there is no run to take back: nothing is kept, or all of it was taken back already")
    return list(runs[names.index(wanted or open_ones[-1]) :])


@dataclass
class Way:
    """What has to be done. ``left`` says what stays as it is, and why; ``firsts`` is what comes where ``gone`` goes."""

    changes: list[Change] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    firsts: dict[str, Seen] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    validate: dict[str, str] = field(default_factory=dict)
    wants: dict[str, list[str]] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    ruleset: str | None = None

    @property
    def paths(self) -> list[str]:
        """Files and links that become others."""
        return [change.entry.path for change in self.changes if not change.entry.directory] + self.gone

    @property
    def daemon_reload(self) -> bool:
        return any(path.startswith(UNITS) for path in self.paths)


def way(ground: Ground, names: Names, runs: Sequence[Run]) -> Way:
    """The files' part of the way back before the first of ``runs``; what a host is already is left out.

    :raises HostError: a kept content is lost, or something stands in the way.
    """
    found = Way()
    known = _known(ground)
    entries: list[Entry] = []
    for path, (run, kept) in _earliest(runs).items():
        now, then = ground.seen(path), recall(ground, run.folder, kept)
        row = known.get(path, {})
        if kept.get("secret") or row.get("secret"):
            found.secrets.add(path)
        found.validate[path] = str(row.get("validate", "none"))
        if then.kind == "withheld":
            found.left.append(f"{path}: it is secret or large, its former content was not kept")
        elif then.kind in ("file", "directory"):
            entries.append(_entry(path, then, found.validate[path], row))
        elif path.endswith("/"):
            found.folders += [path] if now.kind == "directory" else []
        elif (now.kind, now.target) != (then.kind, then.target):
            found.gone.append(path)
            found.firsts[path] = then
    found.changes = compare(ground, entries, names)
    found.folders += _made_since(ground, runs)
    rows = [known.get(path, {}).get("wants", {}) for path in found.paths]
    rows += [wants for start, wants in FOLLOWERS.items() if any(path.startswith(start) for path in found.paths)]
    found.wants = {kind: list(units) for kind, units in gather_wants(rows).items() if kind in WANTS}
    return found


def _earliest(runs: Sequence[Run]) -> dict[str, tuple[Run, Mapping[str, Any]]]:
    """Each path with the first of the runs that replaced it, which keeps the state before all of them."""
    found: dict[str, tuple[Run, Mapping[str, Any]]] = {}
    for run in runs:
        for path, kept in run.files.items():
            found.setdefault(path, (run, kept))
    return dict(sorted(found.items()))


def _known(ground: Ground) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for role in _roles(ground):
        found.update(role.files)
    return found


def _roles(ground: Ground) -> list[Memory]:
    names = ground.names(OVERLAYS)
    return [Memory.load(ground, name[:-5]) for name in names if name.endswith(".json") and not name.startswith(".")]


def _entry(path: str, then: Seen, validate: str, row: Mapping[str, Any]) -> Entry:
    wants = row.get("wants", {})
    return Entry(path, then.content, str(then.uid), str(then.gid), then.mode, validate, wants=wants)


def _made_since(ground: Ground, runs: Sequence[Run]) -> list[str]:
    """Directories that the roles made since, deepest first: they go when nothing is in them."""
    earliest = _earliest(runs)
    found: list[str] = []
    for role in _roles(ground):
        if role.path in earliest:
            run, kept = earliest[role.path]
            before = recall(ground, run.folder, kept)
            older = Memory.parse(role.role, before.content) if before.kind == "file" else Memory(role.role)
            found += sorted(set(role.directories) - set(older.directories), reverse=True)
    return found


def unit_states(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Each unit as it was before the first of the runs that changed it."""
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        for name, state in run.units.items():
            found.setdefault(name, dict(state))
    return found


def ruleset_of(ground: Ground, runs: Sequence[Run]) -> str | None:
    """The text that brings the packet filter back, None where no run has changed it."""
    for run in runs:
        if run.ruleset:
            kept = {"kind": "file", "uid": 0, "gid": 0, "mode": 0, "sha256": run.ruleset}
            return recall(ground, run.folder, kept).content.decode()
    return None


@dataclass(frozen=True)
class Steps:
    """Units in the order of doing: ``off`` while their files are still there, then ``unmask``, then ``on``."""

    off: Wish
    unmask: tuple[str, ...]
    on: Wish
    changed: tuple[str, ...]


def steps(then: Mapping[str, Mapping[str, Any]], now: Mapping[str, Unit]) -> Steps:
    """What brings units from ``now`` to how they were ``then``; one that is right already is left out."""
    wrong = {name: state for name, state in then.items() if dict(state) != now[name].state}
    boot = {name: str(state["boot"]) for name, state in wrong.items()}
    off = [n for n, state in wrong.items() if now[n].there and not state["running"] and now[n].running]
    out = [n for n in wrong if now[n]["UnitFileState"].startswith("enabled") and not boot[n].startswith("enabled")]
    here = [n for n, state in wrong.items() if state["there"] and boot[n] != "masked"]
    return Steps(
        Wish(stopped=off, disabled=out),
        tuple(n for n in wrong if now[n].masked and boot[n] != "masked"),
        Wish(
            masked=[n for n in wrong if boot[n] == "masked"],
            enabled=[n for n in here if boot[n].startswith("enabled")],
            started=[n for n in here if wrong[n]["running"]],
        ),
        tuple(wrong),
    )


def commands_to(states: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """systemctl's arguments that bring units to ``states`` without looking: for the undo, which cannot think."""
    found: list[list[str]] = []
    for name, state in states.items():
        boot = str(state["boot"])
        if boot != "masked":
            found.append(["systemctl", "unmask", name])
        if boot in ("enabled", "disabled"):
            found.append(["systemctl", boot[:-1], name])
        if boot == "masked":
            found.append(["systemctl", "mask", name])
        if state["there"] and boot != "masked":
            found.append(["systemctl", "start" if state["running"] else "stop", name])
    return found
