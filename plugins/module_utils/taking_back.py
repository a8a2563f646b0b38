# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking the way back: judge, keep, tie the rope, put back, tell the units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from . import nft
from .commands import HostError, Runner, must
from .ground import Ground, Names
from .keeping import Keeper, Run, kept_runs
from .landing import Landing, difference
from .memory import STATE, write_json
from .returning import Steps, Way, chosen, commands_to, ruleset_of, steps, unit_states, way
from .staging import Leaving, Stage
from .systemd import Unit, Units, Wish, show
from .tree import shown
from .undo_restore import HOST

UNDO = "rollback"


class Rope(Protocol):
    """The undo, see :mod:`rope`."""

    def arm(
        self,
        name: str,
        paths: list[str],
        commands: list[list[str]],
        seconds: int,
        files: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]: ...

    def settle(self, name: str) -> None: ...


@dataclass
class Result:
    """What the module returns; see its RETURN section."""

    changed: bool = False
    run: str = ""
    taken_back: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    ruleset: bool = False
    held: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    armed: list[str] = field(default_factory=list)
    diff: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """All that differs between the host and how it was before ``runs``."""

    runs: Sequence[Run]
    way: Way
    units: Mapping[str, Unit]
    steps: Steps
    ruleset: str | None
    table: str


class Back:
    """One way back on one host; ``rope`` and ``keeper`` as an overlay has them, ``packets`` runs nft."""

    def __init__(
        self,
        ground: Ground,
        runner: Runner,
        names: Names,
        rope: Rope | None = None,
        keeper: Keeper | None = None,
        *,
        packets: nft.Runner = nft.run_command,
        settle: float = 0.5,
    ) -> None:
        self._ground = ground
        self._runner = runner
        self._names = names
        self._rope = rope
        self._keeper = keeper
        self._packets = packets
        self._settle = settle

    def apply(
        self, wanted: str = "", held: Sequence[str] = (), check_mode: bool = False, undo_seconds: int = 45
    ) -> Result:
        """Bring the host to how it was before the wanted run (the last one where none is wanted).

        :param held: units that this never stops or restarts, because a gate or a person guards them.
        :raises HostError: nothing was changed, or the undo is armed and puts back what was; the message says why.
        """
        plan = self._plan(wanted, held)
        result = self._predict(plan, held)
        leaving = [Leaving(p, plan.way.validate[p], plan.way.firsts[p]) for p in plan.way.gone]
        stage = Stage(self._runner, self._names, self._ground.root, check_mode)
        stage.judge(plan.way.changes, leaving)
        result.notes = stage.notes
        if check_mode or not result.changed:
            return result
        self._keep(plan)
        if undo_seconds and self._rope is not None:
            self._tie(plan, result, undo_seconds)
        try:
            self._walk(plan, result)
        except (HostError, OSError, nft.NftError) as problem:
            tail = f"; the undo puts everything back within {undo_seconds} s" if result.armed else ""
            raise HostError(f"{problem}{tail}") from problem
        return result

    def _plan(self, wanted: str, held: Sequence[str]) -> Plan:
        mine = self._keeper.run if self._keeper is not None else ""
        runs = chosen([run for run in kept_runs(self._ground) if run.run != mine], wanted)
        then = unit_states(runs)
        now = show(self._runner, list(then))
        found = way(self._ground, self._names, runs)
        todo = steps(then, now)
        guarded = sorted(set(held) & set(todo.changed))
        if guarded:
            raise HostError(
                f"the way back before run {runs[0].run} would stop or unmake {', '.join(guarded)}, set up since:"
                " choose a later run, or take the node out of the consortium first; nothing was changed"
            )
        ruleset, table = ruleset_of(self._ground, runs), ""
        if ruleset is not None:
            table = nft.saved(self._packets)
        return Plan(runs, found, now, todo, None if ruleset == table else ruleset, table)

    def _predict(self, plan: Plan, held: Sequence[str]) -> Result:
        found = plan.way
        result = Result(run=plan.runs[0].run, taken_back=[run.run for run in plan.runs], left=list(found.left))
        result.paths = sorted([*(c.entry.path for c in found.changes), *found.gone])
        result.changed = bool(result.paths)
        # Our own books are of no interest, and they hold digests of secrets.
        result.paths = [path for path in result.paths if not path.startswith(STATE + "/")]
        result.units = sorted(plan.steps.changed)
        result.ruleset = plan.ruleset is not None
        result.changed = bool(result.changed or result.units or result.ruleset)
        result.held = sorted(set(held) & {unit for units in found.wants.values() for unit in units})
        for change in found.changes:
            entry = replace(change.entry, secret=change.entry.path in found.secrets)
            result.diff.append(difference(replace(change, entry=entry), self._names))
        for path in found.gone:
            before = shown(self._ground.seen(path).content, path in found.secrets)
            target = found.firsts[path].target
            after = f"(symbolic link to {target})\n" if target else ""
            result.diff.append({"before_header": path, "after_header": path, "before": before, "after": after})
        if plan.ruleset is not None:
            header = f"table {nft.TABLE}"
            texts = {"before": plan.table, "after": plan.ruleset}
            result.diff.append({"before_header": header, "after_header": header, **texts})
        result.diff = [row for row in result.diff if not row["before_header"].startswith(STATE + "/")]
        return result

    def _keep(self, plan: Plan) -> None:
        """Keep what the way back itself replaces, so that it can be taken back, too."""
        if self._keeper is None:
            return
        found = plan.way
        rows = [(c.entry.path, c.seen, c.entry.path in found.secrets) for c in found.changes]
        rows += [(path, self._ground.seen(path), path in found.secrets) for path in found.gone]
        self._keeper.files(rows)
        self._keeper.units({name: plan.units[name].state for name in plan.steps.changed})
        if plan.ruleset is not None:
            self._keeper.ruleset(plan.table)
        self._keeper.takes_back(plan.runs[0].run)

    def _tie(self, plan: Plan, result: Result, seconds: int) -> None:
        found = plan.way
        commands = [["systemctl", "daemon-reload"]] if found.daemon_reload or plan.steps.changed else []
        commands += commands_to({name: plan.units[name].state for name in plan.steps.changed})
        commands += [["systemctl", "restart", u] for u in found.wants["restart"] if u not in result.held]
        commands += [["systemctl", "reload-or-restart", u] for u in found.wants["reload"] if u not in result.held]
        files = {}
        if plan.ruleset is not None:
            files["live.nft"] = plan.table
            commands.append(["nft", "-f", f"{HOST.directory(UNDO)}/live.nft"])
        if self._rope is not None:
            # The runs' own notes too: a way back that was taken back did not happen.
            paths = [*found.paths, *(run.path for run in plan.runs)]
            self._rope.arm(UNDO, paths, commands, seconds, files)
            result.armed.append(UNDO)

    def _walk(self, plan: Plan, result: Result) -> None:
        found, todo = plan.way, plan.steps
        units = Units(self._runner, settle=self._settle)
        units.apply(todo.off)
        landing = Landing(self._ground, self._names)
        try:
            landing.land(found.changes)
            landing.prune(found.gone, found.firsts)
        except (HostError, OSError):
            landing.back()
            raise
        for folder in found.folders:
            self._ground.remove_directory(folder)
        if found.daemon_reload:
            must(self._runner, ["systemctl", "daemon-reload"], timeout=60)
        if todo.unmask:
            must(self._runner, ["systemctl", "unmask", "--", *todo.unmask], timeout=60)
        if plan.ruleset is not None:
            nft.load(plan.ruleset, self._packets)
        units.apply(todo.on)
        follow = {kind: [u for u in found.wants[kind] if u not in result.held] for kind in found.wants}
        there = show(self._runner, sorted({u for names in follow.values() for u in names}))
        units.apply(
            Wish(
                restarted=[u for u in follow["restart"] if there[u].there],
                reloaded=[u for u in follow["reload"] if there[u].there],
            )
        )
        for run in plan.runs:
            note = {**asdict(run), "taken_back": self._keeper.run if self._keeper else "by hand"}
            write_json(self._ground, run.path, note)
        if result.armed and self._rope is not None:
            self._rope.settle(UNDO)
