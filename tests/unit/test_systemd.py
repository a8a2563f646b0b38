# SPDX-License-Identifier: GPL-3.0-or-later
"""Units: one look, what has to be done, and an honest account of what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome
from ansible_collections.quorum.hardening.plugins.module_utils.systemd import (
    Units,
    Wish,
    full_name,
    parse_show,
    plan,
    show,
)

ABSENT = {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}
RUNS = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled"}
STOPPED = {**RUNS, "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "disabled"}
MASKED = {"LoadState": "masked", "ActiveState": "inactive", "UnitFileState": "masked"}
FAILED = {**STOPPED, "ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "3"}
RESTARTING = {**RUNS, "ActiveState": "activating", "SubState": "auto-restart"}
ONESHOT = {**STOPPED, "Type": "oneshot", "Result": "success", "ExecMainStartTimestampMonotonic": "5"}
UNMET = {**STOPPED, "ConditionResult": "no", "ConditionTimestampMonotonic": "5"}


class Systemd:
    """A tiny systemd: verbs change states; ``after`` says what a start or restart leads to."""

    def __init__(self, states: dict[str, dict[str, str]], after: dict[str, dict[str, str]] | None = None) -> None:
        self.states = dict(states)
        self.calls: list[str] = []
        self.failing: dict[str, str] = {}
        self._after = after or {}

    def __call__(self, argv: Sequence[str], stdin: str = "", timeout: float | None = None) -> Outcome:
        if argv[0] == "journalctl":
            return Outcome(0, "dying of thirst\n" if argv[argv.index("-u") + 1] == "bad.service" else "")
        if argv[1] == "show":
            blocks = []
            for unit in argv[argv.index("--") + 1 :]:
                state = self.states.get(unit, ABSENT)
                blocks.append("".join(f"{key}={value}\n" for key, value in {"Id": unit, **state}.items()))
            return Outcome(0, "\n".join(blocks))
        self.calls.append(" ".join(argv[1:]).replace(" -- ", " "))
        verb = argv[1]
        if verb in self.failing:
            return Outcome(1, "", self.failing[verb])
        for unit in argv[2:]:
            if verb in ("start", "restart"):
                self.states[unit] = self._after.get(unit, RUNS)
            if verb == "daemon-reload":
                self.states = {u: {**s, "NeedDaemonReload": "no"} for u, s in self.states.items()}
        return Outcome(0)


def apply(systemd: Systemd, check_mode: bool = False, **lists: Any) -> Any:
    slept: list[float] = []
    return Units(systemd, settle=0.5, sleep=slept.append).apply(Wish(**lists), check_mode)


def test_names_get_their_type() -> None:
    assert [full_name(n) for n in ("ssh", "ssh.socket", "a@b.service", "x.y")] == [
        "ssh.service",
        "ssh.socket",
        "a@b.service",
        "x.y.service",
    ]


def test_show_wants_an_answer_for_each() -> None:
    assert show(Systemd({}), []) == {}
    with pytest.raises(HostError, match="1 answers for 2 units"):
        parse_show(["a", "b"], "Id=a\n")


@pytest.mark.parametrize(
    ("lists", "state", "steps"),
    [
        ({"masked": ["u"]}, RUNS, {"mask": ["u"]}),
        ({"masked": ["u"]}, ABSENT, {"mask": ["u"]}),
        ({"masked": ["u"]}, MASKED, {}),
        ({"masked": ["u"]}, {**MASKED, "UnitFileState": "masked-runtime"}, {"mask": ["u"]}),
        ({"masked": ["u"]}, {**MASKED, "ActiveState": "active"}, {"mask": ["u"]}),
        ({"stopped": ["u"]}, RUNS, {"stop": ["u"]}),
        ({"stopped": ["u"]}, STOPPED, {}),
        ({"disabled": ["u"]}, RUNS, {"disable": ["u"]}),
        ({"disabled": ["u"]}, {**RUNS, "UnitFileState": "static"}, {}),
        ({"disabled": ["u"]}, ABSENT, {}),
        ({"enabled": ["u"]}, STOPPED, {"enable": ["u"]}),
        ({"enabled": ["u"]}, {**STOPPED, "UnitFileState": "enabled-runtime"}, {"enable": ["u"]}),
        ({"enabled": ["u"]}, {**RUNS, "UnitFileState": "static"}, {}),
        ({"enabled": ["u"], "started": ["u"]}, MASKED, {"unmask": ["u"], "enable": ["u"], "start": ["u"]}),
        ({"started": ["u"]}, RUNS, {}),
        ({"started": ["u"]}, RESTARTING, {"start": ["u"]}),
        ({"started": ["u"]}, ONESHOT, {}),
        ({"started": ["u"], "restarted": ["u"]}, STOPPED, {"start": ["u"]}),
        ({"started": ["u"], "restarted": ["u", "u"]}, RUNS, {"restart": ["u"]}),
        ({"restarted": ["u"], "reloaded": ["u"]}, RUNS, {"restart": ["u"]}),
        ({"started": ["u"], "reloaded": ["u"]}, STOPPED, {"start": ["u"]}),
        ({"reloaded": ["u"]}, RUNS, {"reload": ["u"]}),
        ({"reloaded": ["u"]}, STOPPED, {}),
    ],
)
def test_plan(lists: dict[str, list[str]], state: dict[str, str], steps: dict[str, list[str]]) -> None:
    wish = Wish(**lists)
    assert plan(wish, show(Systemd({"u": state}), wish.all)) == steps


def test_steps_are_done_in_order_and_told() -> None:
    systemd = Systemd({"new.service": STOPPED, "old.service": RUNS, "conf.service": RUNS})
    result = apply(
        systemd,
        masked=["old.service"],
        enabled=["new.service"],
        started=["new.service"],
        reloaded=["conf.service", "new.service"],
    )
    assert systemd.calls == [
        "mask --now old.service",
        "enable new.service",
        "start new.service",
        "reload-or-restart conf.service",
    ]
    assert result.actions == {
        "old.service": ["mask"],
        "new.service": ["enable", "start"],
        "conf.service": ["reload"],
    }
    assert result.restarted == ["new.service"]
    assert result.reloaded == ["conf.service", "new.service"]
    assert result.before["new.service"] == "disabled, inactive"
    assert result.after["new.service"] == "enabled, active"


def test_the_second_time_one_look_is_enough() -> None:
    systemd = Systemd({"a.service": RUNS})
    result = apply(systemd, enabled=["a.service"], started=["a.service"])
    assert (systemd.calls, result.actions, result.daemon_reload) == ([], {}, False)


def test_check_mode_on_a_host_without_the_unit() -> None:
    systemd = Systemd({})
    result = apply(systemd, check_mode=True, enabled=["a.service"], started=["a.service"], masked=["b.service"])
    assert systemd.calls == []
    assert result.actions == {"b.service": ["mask"], "a.service": ["enable", "start"]}
    assert result.before["a.service"] == "absent"
    assert result.after == {"b.service": "masked, inactive", "a.service": "enabled, active"}


def test_a_unit_that_is_not_there_is_named() -> None:
    with pytest.raises(HostError, match=r"no such unit: a\.service, b\.service"):
        apply(Systemd({}), enabled=["a.service"], started=["b.service"])


@pytest.mark.parametrize("check_mode", [False, True])
def test_stale_unit_files_are_read_again(check_mode: bool) -> None:
    systemd = Systemd({"a.service": {**RUNS, "NeedDaemonReload": "yes"}})
    result = apply(systemd, check_mode=check_mode, started=["a.service"])
    assert result.daemon_reload
    assert systemd.calls == ([] if check_mode else ["daemon-reload"])


def test_contradictions_are_refused() -> None:
    with pytest.raises(
        HostError, match=r"a: both masked or stopped and to run; b: both enabled and masked or disabled"
    ):
        apply(Systemd({}), masked=["a"], restarted=["a"], enabled=["b"], disabled=["b"])


@pytest.mark.parametrize("after", [FAILED, RESTARTING])
def test_a_daemon_that_dies_right_away_has_not_started(after: dict[str, str]) -> None:
    with pytest.raises(
        HostError, match=r"(?s)bad\.service did not start: .*result.*its journal ends:\ndying of thirst"
    ):
        apply(Systemd({"bad.service": STOPPED}, {"bad.service": after}), started=["bad.service"])


def test_a_silent_death_is_told_as_such() -> None:
    with pytest.raises(HostError, match=r"\(nothing\)"):
        apply(Systemd({"mute.service": RUNS}, {"mute.service": FAILED}), restarted=["mute.service"])


def test_a_failed_command_without_a_failed_unit() -> None:
    systemd = Systemd({"a.service": RUNS})
    systemd.failing = {"reload-or-restart": "job timed out"}
    with pytest.raises(HostError, match=r"systemctl reload a\.service: job timed out"):
        apply(systemd, reloaded=["a.service"])
    systemd.failing = {"mask": "file exists"}
    with pytest.raises(HostError, match=r"systemctl mask a\.service: file exists"):
        apply(systemd, masked=["a.service"])
    systemd.failing = {"mask": ""}
    with pytest.raises(HostError, match=r"systemctl mask a\.service: 1"):
        apply(systemd, masked=["a.service"])


def test_a_unit_whose_conditions_say_no_is_no_change() -> None:
    systemd = Systemd({"tpm.service": STOPPED}, {"tpm.service": UNMET})
    result = apply(systemd, started=["tpm.service"])
    assert result.actions == {}
    assert result.unmet == ["tpm.service"]


@pytest.mark.parametrize(("after", "waited"), [(UNMET, []), (RUNS, [0.5])])
def test_only_what_was_started_is_waited_for(after: dict[str, str], waited: list[float]) -> None:
    slept: list[float] = []
    systemd = Systemd({"a.service": STOPPED}, {"a.service": after})
    Units(systemd, settle=0.5, sleep=slept.append).apply(Wish(started=["a.service"]))
    assert slept == waited


def test_without_settling_nobody_sleeps() -> None:
    systemd = Systemd({"a.service": STOPPED})
    units = Units(systemd, settle=0, sleep=lambda _seconds: pytest.fail("slept"))
    assert units.apply(Wish(started=["a.service"])).actions == {"a.service": ["start"]}


def test_summaries() -> None:
    systemd = Systemd({"m": MASKED, "n": {**RUNS, "UnitFileState": ""}})
    units = show(systemd, ["m", "n", "x"])
    assert [units[u].summary for u in "mnx"] == ["masked, inactive", "no unit file, active", "absent"]
