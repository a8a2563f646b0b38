# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All units of a host in one go: what they are, what has to be done, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .commands import HostError, Runner, must

LISTS = ("masked", "stopped", "disabled", "enabled", "started", "restarted", "reloaded")
PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "Result",
    "Type",
    "ConditionResult",
    "ConditionTimestampMonotonic",
    "ExecMainStartTimestampMonotonic",
    "ExecMainStatus",
    "ActiveEnterTimestampMonotonic",
    "StateChangeTimestampMonotonic",
)
SUFFIXES = (".service", ".socket", ".timer", ".target", ".path", ".mount", ".automount", ".swap", ".slice", ".scope")
RUNNING = ("active", "activating", "reloading", "refreshing")
JOURNAL_LINES = 20


def full_name(unit: str) -> str:
    """The unit's name with its type; a service when none is given."""
    return unit if unit.endswith(SUFFIXES) else unit + ".service"


@dataclass(frozen=True)
class Unit:
    """What systemd says of one unit; the fields are its own words."""

    name: str
    properties: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.properties.get(key, "")

    @property
    def there(self) -> bool:
        return self["LoadState"] not in ("not-found", "")

    @property
    def masked(self) -> bool:
        return self["LoadState"] == "masked" or self["UnitFileState"].startswith("masked")

    @property
    def enabled(self) -> bool:
        """Starts at boot, or cannot be told to (a static unit is pulled in by others)."""
        return self["UnitFileState"] in ("enabled", "static", "alias", "indirect", "generated", "transient")

    @property
    def running(self) -> bool:
        return self["ActiveState"] in RUNNING and self["SubState"] != "auto-restart"

    @property
    def finished(self) -> bool:
        """A one-shot that has done its work since boot and left nothing running."""
        started = self["ExecMainStartTimestampMonotonic"] not in ("", "0")
        return (
            self["Type"] == "oneshot" and self["ActiveState"] == "inactive" and self["Result"] == "success" and started
        )

    @property
    def unmet(self) -> bool:
        """systemd was asked to start it and its conditions said no."""
        asked = self["ConditionTimestampMonotonic"] not in ("", "0")
        return self["ActiveState"] == "inactive" and asked and self["ConditionResult"] == "no"

    @property
    def state(self) -> dict[str, str | bool]:
        """What a way back needs to know: how it starts at boot, whether it is there and whether it runs."""
        boot = "masked" if self.masked else self["UnitFileState"]
        return {"boot": boot, "there": self.there, "running": self.running}

    @property
    def summary(self) -> str:
        if not self.there:
            return "absent"
        boot = "masked" if self.masked else self["UnitFileState"] or "no unit file"
        return f"{boot}, {self['ActiveState']}"


def parse_show(units: Sequence[str], text: str) -> dict[str, Unit]:
    """``systemctl show`` prints a block for each unit, in the order asked for."""
    blocks = [block for block in text.strip("\n").split("\n\n") if block.strip()]
    if len(blocks) != len(units):
        raise HostError(f"systemctl show: {len(blocks)} answers for {len(units)} units")
    found = {}
    for name, block in zip(units, blocks):
        pairs = (line.partition("=") for line in block.splitlines())
        found[name] = Unit(name, {key: value for key, _sign, value in pairs})
    return found


def show(runner: Runner, units: Sequence[str]) -> dict[str, Unit]:
    """State of all units by one call; empty for no units."""
    if not units:
        return {}
    outcome = must(
        runner, ["systemctl", "show", "--no-pager", "--property", ",".join(PROPERTIES), "--", *units], timeout=60
    )
    return parse_show(units, outcome.out)


@dataclass(frozen=True)
class Wish:
    """Which units are to be what; every list holds full names."""

    masked: Sequence[str] = ()
    stopped: Sequence[str] = ()
    disabled: Sequence[str] = ()
    enabled: Sequence[str] = ()
    started: Sequence[str] = ()
    restarted: Sequence[str] = ()
    reloaded: Sequence[str] = ()

    @property
    def all(self) -> list[str]:
        return list(dict.fromkeys(unit for name in LISTS for unit in getattr(self, name)))

    def problems(self) -> list[str]:
        """Wishes that contradict each other."""
        off = set(self.masked) | set(self.stopped)
        found = [
            f"{unit}: both masked or stopped and to run"
            for unit in sorted(off & (set(self.started) | set(self.restarted) | set(self.reloaded)))
        ]
        off = set(self.masked) | set(self.disabled)
        return found + [f"{unit}: both enabled and masked or disabled" for unit in sorted(off & set(self.enabled))]


def plan(wish: Wish, units: Mapping[str, Unit]) -> dict[str, list[str]]:
    """What has to be done: systemctl's verb to the units, in the order of doing."""
    start = [u for u in wish.started if not units[u].running and not units[u].finished]
    restart = [u for u in dict.fromkeys(wish.restarted) if u not in start]
    steps = {
        # A masked unit that still runs is masked again, for --now.
        "mask": [u for u in wish.masked if not _persistently_masked(units[u]) or units[u].running],
        "stop": [u for u in wish.stopped if units[u].running],
        "disable": [u for u in wish.disabled if units[u]["UnitFileState"].startswith("enabled")],
        "unmask": [u for u in dict.fromkeys([*wish.enabled, *wish.started, *wish.restarted]) if units[u].masked],
        "enable": [u for u in wish.enabled if not units[u].enabled],
        "start": start,
        "restart": restart,
        # What does not run reads its configuration when it starts.
        "reload": [u for u in wish.reloaded if units[u].running and u not in start and u not in restart],
    }
    return {verb: list(dict.fromkeys(names)) for verb, names in steps.items() if names}


def _persistently_masked(unit: Unit) -> bool:
    return unit.masked and unit["UnitFileState"] != "masked-runtime"


COMMANDS: Mapping[str, Sequence[str]] = {
    "mask": ("mask", "--now"),
    "stop": ("stop",),
    "disable": ("disable",),
    "unmask": ("unmask",),
    "enable": ("enable",),
    "start": ("start",),
    "restart": ("restart",),
    "reload": ("reload-or-restart",),
}


@dataclass
class Result:
    """What was (or would be) done for each unit, units whose conditions said no, and the state before and after."""

    actions: dict[str, list[str]] = field(default_factory=dict)
    unmet: list[str] = field(default_factory=list)
    daemon_reload: bool = False
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    restarted: list[str] = field(default_factory=list)
    reloaded: list[str] = field(default_factory=list)


PREDICTED = {
    "mask": "masked, inactive",
    "stop": "stopped",
    "start": "active",
    "restart": "restarted",
    "reload": "reloaded",
}


class Units:
    """The units of one host.

    ``settle``: for how many seconds a unit just started has to stay up. ``keep``: is told, before anything is done, the
    state of the units that are about to get another one.
    """

    def __init__(
        self,
        runner: Runner,
        timeout: float = 120,
        settle: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
        keep: Callable[[Mapping[str, Mapping[str, str | bool]]], None] | None = None,
    ) -> None:
        self._runner = runner
        self._timeout = timeout
        self._settle = settle
        self._sleep = sleep
        self._keep = keep

    def apply(self, wish: Wish, check_mode: bool = False) -> Result:
        """Bring all units to the wish.

        :raises HostError: a unit is not there or did not come up; with its last journal lines.
        """
        if wish.problems():
            raise HostError("; ".join(wish.problems()))
        units = show(self._runner, wish.all)
        result = Result()
        if any(unit["NeedDaemonReload"] == "yes" for unit in units.values()):
            result.daemon_reload = True
            if not check_mode:
                must(self._runner, ["systemctl", "daemon-reload"], timeout=self._timeout)
                units = show(self._runner, wish.all)
        steps = plan(wish, units)
        before = units
        if not check_mode:
            self._refuse_absent(wish, units)
            lasting = {name for verb, names in steps.items() if verb not in ("restart", "reload") for name in names}
            if lasting and self._keep is not None:
                self._keep({name: units[name].state for name in sorted(lasting)})
            units = self._carry_out(steps, units)
        result.restarted = [*steps.get("start", ()), *steps.get("restart", ())]
        result.reloaded = [*steps.get("reload", ()), *(u for u in wish.reloaded if not before[u].running)]
        for verb, names in steps.items():
            for name in names:
                if verb in ("start", "restart") and units[name].unmet and not before[name].running:
                    # Nothing happened: the machine is not one on which this unit runs.
                    result.unmet.append(name)
                    continue
                result.actions.setdefault(name, []).append(verb)
        for name, verbs in result.actions.items():
            result.before[name] = before[name].summary
            result.after[name] = (
                ", ".join(PREDICTED.get(v, v + "d") for v in verbs) if check_mode else units[name].summary
            )
        return result

    @staticmethod
    def _refuse_absent(wish: Wish, units: Mapping[str, Unit]) -> None:
        wanted = dict.fromkeys([*wish.enabled, *wish.started, *wish.restarted])
        absent = [unit for unit in wanted if not units[unit].there]
        if absent:
            raise HostError(f"no such unit: {', '.join(absent)}")

    def _carry_out(self, steps: Mapping[str, Sequence[str]], units: dict[str, Unit]) -> dict[str, Unit]:
        for verb, names in steps.items():
            outcome = self._runner(["systemctl", *COMMANDS[verb], "--", *names], timeout=self._timeout)
            if outcome.code != 0 and verb not in ("start", "restart", "reload"):
                raise HostError(f"systemctl {verb} {' '.join(names)}: {outcome.words or outcome.code}")
            if verb in ("start", "restart", "reload"):
                self._judge(verb, names, outcome.words if outcome.code != 0 else None)
        return show(self._runner, list(units)) if steps else units

    def _judge(self, verb: str, names: Sequence[str], words: str | None) -> None:
        """A daemon that dies right after its start has not started; what was not started at all is not waited for."""
        units = show(self._runner, names)
        if words is None and verb != "reload" and self._settle and not all(unit.unmet for unit in units.values()):
            self._sleep(self._settle)
            units = show(self._runner, names)
        failed = [u for u in units.values() if not (u.running or u.finished or u.unmet) or u["ActiveState"] == "failed"]
        if failed:
            raise HostError("\n".join(self._obituary(verb, unit) for unit in failed))
        if words is not None:
            raise HostError(f"systemctl {verb} {' '.join(names)}: {words}")

    def _obituary(self, verb: str, unit: Unit) -> str:
        journal = self._runner(
            ["journalctl", "--no-pager", "-u", unit.name, "-o", "cat", "-n", str(JOURNAL_LINES)], timeout=30
        )
        state = f"{unit['ActiveState']} ({unit['SubState']})"
        result, status = unit["Result"] or "unknown", unit["ExecMainStatus"] or "none"
        head = f"{unit.name} did not {verb}: {state}, result {result}, exit status {status}"
        return f"{head}; its journal ends:\n{journal.out.strip() or '(nothing)'}"
