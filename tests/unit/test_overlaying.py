# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlay from end to end on a directory that plays the host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from landing_fakes import OwnNames, Script, shown_units

from ansible_collections.quorum.hardening.plugins.module_utils import overlaying
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome, run
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground
from ansible_collections.quorum.hardening.plugins.module_utils.memory import (
    OUTSTANDING,
    Memory,
    boot_id,
    read_json,
    settle_wants,
)
from ansible_collections.quorum.hardening.plugins.module_utils.overlaying import Order, Overlay, Result
from ansible_collections.quorum.hardening.plugins.module_utils.tree import Entry
from ansible_collections.quorum.hardening.plugins.module_utils.validators import VALIDATORS


class Rope:
    def __init__(self, extended: bool = False) -> None:
        self.said: list[Any] = []
        self._extended = extended

    def arm(self, name: str, paths: list[str], commands: list[list[str]], seconds: int) -> Mapping[str, Any]:
        self.said.append(("arm", name, paths, commands, seconds))
        return {"extended": self._extended}

    def settle(self, name: str) -> None:
        self.said.append(("settle", name))

    def disarm(self, name: str) -> None:
        self.said.append(("disarm", name))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("etc/ssh", "etc/nginx", "etc/systemd/system", "etc/sudoers.d", "run"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/sudoers").write_text("")
    monkeypatch.setattr(shutil, "which", lambda name, path: f"/usr/sbin/{name}")
    return tmp_path


@pytest.fixture
def ground(root: Path) -> Iterator[Ground]:
    with Ground(str(root)) as found:
        yield found


class Host:
    """Copies really copy; everything else is answered by the script."""

    def __init__(self, ground: Ground, refuse: str = "", words: str = "line 3: bad") -> None:
        self.ground = ground
        self.rope = Rope()
        self.staged: dict[str, str] = {}
        self.units: dict[str, str] = {}
        self._refuse = refuse
        self._words = words
        self.runner = Script(self._answer)

    def _answer(self, argv: Sequence[str]) -> Outcome | None:
        if argv[0] == "cp":
            return run(argv)
        if argv[:2] == ["systemctl", "show"]:
            return shown_units(argv, **self.units)
        if argv[0] == "unshare":
            self._remember_stage(argv)
        if self._refuse and any(word.endswith(self._refuse) for word in argv):
            return Outcome(1, "", self._words)
        return None

    def _remember_stage(self, argv: Sequence[str]) -> None:
        for word in argv:
            if "/run/quorum.hardening/stage-" in word and Path(word).exists():
                base = Path(word)
                for path in [base, *base.rglob("*")]:
                    if path.is_file():
                        self.staged[path.name] = path.read_text()

    def apply(self, *entries: Entry, **options: Any) -> Result:
        order = Order("demo", entries, options.pop("prune", True), **options)
        return Overlay(self.ground, self.runner, OwnNames(), self.rope).apply(order)

    def programs(self) -> list[str]:
        calls = [call for call in self.runner.calls if call[:2] != ["systemctl", "show"]]
        return [call[0] if call[0] != "systemctl" else " ".join(call) for call in calls]


SSHD = Entry(
    "/etc/ssh/sshd_config.d/50.conf", b"new\n", validate="sshd", undo="sshd", wants={"reload": ["ssh.service"]}
)


def test_lands_judges_arms_and_remembers(ground: Ground, root: Path) -> None:
    host = Host(ground)
    result = host.apply(SSHD)
    assert result.changed
    assert result.paths == [SSHD.path]
    assert result.validated == ["sshd"]
    assert result.armed == ["sshd"]
    assert result.wants["reload"] == ["ssh.service"]
    reload = ["systemctl", "reload-or-restart", "ssh.service"]
    assert host.rope.said == [("arm", "sshd", [SSHD.path], [reload], 45), ("settle", "sshd")]
    assert host.staged["50.conf"] == "new\n"
    assert not (root / "run/quorum.hardening").exists()
    state = root / "var/lib/quorum.hardening/overlay/demo.json"
    assert state.stat().st_mode & 0o777 == 0o600
    assert json.loads(state.read_text())["files"][SSHD.path]["wants"] == {"reload": ["ssh.service"]}


def test_the_second_time_nothing_runs_but_what_is_owed_stays_owed(ground: Ground) -> None:
    Host(ground).apply(SSHD)
    host = Host(ground)
    result = host.apply(SSHD)
    assert not result.changed
    assert host.programs() == []
    assert result.wants["reload"] == ["ssh.service"]
    assert settle_wants(ground, [], ["ssh.service"])
    assert Host(ground).apply(SSHD).wants["reload"] == []
    assert not settle_wants(ground, [], ["ssh.service"])


def test_a_restart_settles_a_reload_and_nothing_owed_is_nothing_written(ground: Ground, root: Path) -> None:
    assert not settle_wants(ground, ["x"], [])
    assert not (root / "var").exists()
    Host(ground).apply(SSHD)
    assert settle_wants(ground, ["ssh.service"], [])
    assert read_json(ground, OUTSTANDING) == {}


@pytest.mark.parametrize(
    "units",
    [
        {"StateChangeTimestampMonotonic": str(10**18)},
        {"ActiveState": "inactive", "SubState": "dead"},
    ],
)
def test_who_followed_by_another_hand_or_does_not_run_is_owed_nothing(ground: Ground, units: dict[str, str]) -> None:
    Host(ground).apply(SSHD)
    host = Host(ground)
    host.units = units
    assert host.apply(SSHD).wants["reload"] == []


def test_after_a_boot_nothing_is_owed(ground: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Host(ground).apply(SSHD)
    monkeypatch.setattr(overlaying, "boot_id", lambda: "another")
    assert Host(ground).apply(SSHD).wants["reload"] == []
    assert boot_id(str(tmp_path / "none")) == ""


def test_check_mode_tells_and_leaves_no_trace(ground: Ground, root: Path) -> None:
    before = sorted(root.rglob("*"))
    host = Host(ground)
    result = host.apply(SSHD, check_mode=True)
    assert result.changed
    assert result.armed == []
    assert result.diff[0]["after"] == "new\n"
    assert result.wants["reload"] == ["ssh.service"]
    assert sorted(root.rglob("*")) == before


def test_a_refused_file_lands_nothing(ground: Ground, root: Path) -> None:
    host = Host(ground, refuse="sshd")
    with pytest.raises(HostError, match=r"sshd refuses the new files .*nothing was changed: line 3: bad"):
        host.apply(Entry("/etc/other", b"x"), SSHD)
    assert not (root / "etc/other").exists()
    assert not (root / "var").exists()
    assert host.rope.said == []


def test_json_is_judged_here(ground: Ground) -> None:
    assert Host(ground).apply(Entry("/etc/a.json", b"{}", validate="json")).validated == ["json"]
    with pytest.raises(HostError, match="not JSON"):
        Host(ground).apply(Entry("/etc/a.json", b"{", validate="json"))


def test_a_missing_checker(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    assert "nginx is not there yet" in Host(ground).apply(_nginx(), check_mode=True).notes[0]
    with pytest.raises(HostError, match="nginx is not there; nothing was changed"):
        Host(ground).apply(_nginx())


def _nginx(content: bytes = b"x") -> Entry:
    return Entry("/etc/nginx/conf.d/x.conf", content, validate="nginx")


def test_a_missing_root_and_a_root_that_cannot_be_copied(ground: Ground, root: Path) -> None:
    (root / "etc/nginx").rmdir()
    with pytest.raises(HostError, match="/etc/nginx is not there"):
        Host(ground).apply(_nginx())
    (root / "etc/nginx").mkdir()
    broken = Script(lambda argv: Outcome(1, "", "disk full") if argv[0] == "cp" else None)
    with pytest.raises(HostError, match="/etc/nginx: cannot be copied to the stage: disk full"):
        Overlay(ground, broken, OwnNames()).apply(Order("demo", [_nginx()], True))


def test_check_mode_forgives_what_is_not_there_yet(ground: Ground) -> None:
    host = Host(ground, refuse="nginx", words="cannot load certificate: No such file or directory")
    assert "something is not there yet" in host.apply(_nginx(), check_mode=True).notes[0]
    with pytest.raises(HostError, match="No such file"):
        host.apply(_nginx())
    silent = Host(ground, refuse="nginx", words="")
    with pytest.raises(HostError, match="exit code 1"):
        silent.apply(_nginx(), check_mode=True)


def test_the_stage_shows_the_new_state_of_everything(ground: Ground, root: Path) -> None:
    (root / "etc/nginx/conf.d").mkdir()
    (root / "etc/nginx/conf.d/old.conf").write_text("old")
    (root / "etc/pw").write_text("old")
    stale = root / "run/quorum.hardening/stage-dead"
    stale.mkdir(parents=True)
    host = Host(ground)
    host.apply(
        _nginx(),
        Entry("/etc/pw", b"changed"),
        Entry("/etc/nginx/sub/", mode=0o755),
        Entry("/etc/new/deep/cert", b"brand new"),
        Entry("/etc/brand-new", b"on top"),
    )
    assert host.staged["old.conf"] == "old"
    assert host.staged["x.conf"] == "x"
    assert "changed" in host.staged.values()
    assert host.staged["cert"] == "brand new"
    assert host.staged["brand-new"] == "on top"
    assert not stale.exists()


def test_new_files_at_the_root_itself_are_not_shown(ground: Ground) -> None:
    host = Host(ground)
    host.apply(_nginx(), Entry("/top", b"x"))
    assert "top" not in host.staged


def test_a_file_in_place_of_a_root_is_staged(ground: Ground) -> None:
    host = Host(ground)
    host.apply(Entry("/etc/sudoers", b"root ALL\n", validate="sudoers", mode=0o440))
    assert "root ALL\n" in host.staged.values()


def test_a_deleted_file_that_the_daemon_reads_comes_back(ground: Ground, root: Path) -> None:
    (root / "etc/sudoers").unlink()
    host = Host(ground)
    host.apply(Entry("/etc/sudoers", b"root ALL\n", validate="sudoers", mode=0o440))
    assert "root ALL\n" in host.staged.values()
    assert (root / "etc/sudoers").read_text() == "root ALL\n"


def test_leftovers_are_pruned_and_their_units_told(ground: Ground, root: Path) -> None:
    Host(ground).apply(SSHD, Entry("/etc/mine/x", b"x", secret=True))
    settle_wants(ground, [], ["ssh.service"])
    host = Host(ground)
    result = host.apply()
    assert result.removed == ["/etc/mine/x", SSHD.path]
    assert result.wants["reload"] == ["ssh.service"]
    assert result.armed == ["sshd"]
    assert "secret" in result.diff[0]["before"]
    assert "50.conf" not in host.staged
    assert not (root / "etc/mine").exists()
    assert (root / "etc/ssh").exists()
    assert not Host(ground).apply().changed


def test_a_directory_that_is_still_used_stays(ground: Ground, root: Path) -> None:
    Host(ground).apply(Entry("/etc/mine/x", b"x"), Entry("/etc/mine/y", b"y"), Entry("/etc/ours/z", b"z"))
    (root / "etc/ours/foreign").write_text("")
    Host(ground).apply(Entry("/etc/mine/y", b"y"))
    assert sorted(p.name for p in (root / "etc/mine").iterdir()) == ["y"]
    assert sorted(p.name for p in (root / "etc/ours").iterdir()) == ["foreign"]


def test_only_what_is_still_ours_is_pruned(ground: Ground, root: Path) -> None:
    Host(ground).apply(Entry("/etc/x", b"x"), Entry("/etc/gone", b"x"), Entry("/etc/shared", b"x"))
    Overlay(ground, Script(), OwnNames()).apply(Order("other", [Entry("/etc/shared", b"x")], True))
    (root / "etc/x").write_text("edited by a person")
    (root / "etc/gone").unlink()
    result = Host(ground).apply()
    assert result.removed == []
    assert result.kept == ["/etc/x"]
    assert "left alone" in result.notes[0]
    assert (root / "etc/shared").exists()
    assert list(Memory.load(ground, "demo").files) == ["/etc/x"]


def test_under_a_selection_nothing_is_pruned(ground: Ground, root: Path) -> None:
    Host(ground).apply(Entry("/etc/x", b"x"))
    assert not Host(ground).apply(prune=False).changed
    assert (root / "etc/x").exists()


def test_files_that_are_right_already_are_adopted(ground: Ground, root: Path) -> None:
    (root / "etc/x").write_text("x")
    (root / "etc/x").chmod(0o644)
    assert Host(ground).apply(Entry("/etc/x", b"x"), check_mode=True).changed
    assert Host(ground).apply(Entry("/etc/x", b"x")).paths == []
    assert not Host(ground).apply(Entry("/etc/x", b"x")).changed


UNIT = Entry(
    "/etc/systemd/system/a.service", b"[Service]\n", validate="systemd", undo="a", wants={"restart": ["a.service"]}
)


def test_systemd_is_told_in_the_right_order(ground: Ground) -> None:
    host = Host(ground)
    result = host.apply(Entry("/etc/tmpfiles.d/a.conf", b"t"), UNIT, Entry("/etc/sysusers.d/a.conf", b"u"))
    assert host.programs() == ["cp", "unshare", "systemd-sysusers", "systemctl daemon-reload", "systemd-tmpfiles"]
    assert {key: result.wants[key] for key in ("daemon_reload", "sysusers", "tmpfiles")} == {
        "daemon_reload": True,
        "sysusers": True,
        "tmpfiles": True,
    }
    assert host.rope.said[0][3] == [["systemctl", "daemon-reload"], ["systemctl", "restart", "a.service"]]
    assert ["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/a.conf"] in host.runner.calls


@pytest.mark.parametrize("extended", [False, True])
def test_a_failed_follow_up_puts_everything_back(ground: Ground, root: Path, extended: bool) -> None:
    host = Host(ground, refuse="systemd-tmpfiles", words="cannot create")
    host.rope = Rope(extended)
    with pytest.raises(HostError, match=r"systemd-tmpfiles .*: cannot create; everything was put back"):
        host.apply(Entry("/etc/tmpfiles.d/a.conf", b"t"), UNIT)
    assert not (root / "etc/tmpfiles.d").exists()
    assert host.programs()[-1] == "systemctl daemon-reload"
    assert (("disarm", "a") in host.rope.said) is not extended
    assert Memory.load(ground, "demo").files == {}
    assert read_json(ground, OUTSTANDING) == {}


def test_what_could_not_be_put_back_is_said(ground: Ground, root: Path) -> None:
    def answer(argv: Sequence[str]) -> Outcome | None:
        if argv[0] == "systemd-tmpfiles":
            (root / "etc/tmpfiles.d/a.conf").unlink()
            (root / "etc/tmpfiles.d/a.conf").mkdir()
            return Outcome(1, "", "cannot create")
        return None

    (root / "etc/tmpfiles.d").mkdir()
    (root / "etc/tmpfiles.d/a.conf").write_text("old")
    rope = Rope()
    entry = Entry("/etc/tmpfiles.d/a.conf", b"t", undo="a")
    with pytest.raises(HostError, match=r"could not be put back: /etc/tmpfiles.d/a.conf"):
        Overlay(ground, Script(answer), OwnNames(), rope).apply(Order("demo", [entry], True))
    assert ("disarm", "a") not in rope.said


def test_without_a_rope_or_with_zero_seconds_nothing_is_armed(ground: Ground) -> None:
    host = Host(ground)
    assert host.apply(SSHD, undo_seconds=0).armed == []
    changed = Entry(SSHD.path, b"newer\n", undo="sshd")
    assert Overlay(ground, Script(), OwnNames()).apply(Order("demo", [changed], True)).armed == []
    bare = Entry("/etc/tmpfiles.d/x.conf", b"")
    with pytest.raises(HostError, match="everything was put back"):
        Overlay(ground, Script(lambda argv: Outcome(1, "", "no")), OwnNames()).apply(
            Order("demo", [bare, changed], True)
        )


@pytest.mark.parametrize("text", ["{", "[]"])
def test_an_unreadable_memory_is_an_error(ground: Ground, root: Path, text: str) -> None:
    (root / "var/lib/quorum.hardening/overlay").mkdir(parents=True)
    (root / "var/lib/quorum.hardening/overlay/demo.json").write_text(text)
    with pytest.raises(HostError, match="remove it and run again"):
        Host(ground).apply()


BASE = "/etc/systemd/system/"


@pytest.mark.parametrize(
    ("coming", "going", "units"),
    [
        ([BASE + "a.service", BASE + "a.service.d/x.conf", BASE + "b@.timer"], [], ["a.service", "b@.timer"]),
        ([BASE + "service.d/x.conf", BASE + "multi-user.target.wants/a.service", "/etc/x"], [], None),
        ([], [BASE + "a.service"], None),
        ([], [BASE + "a.service.d/x.conf"], ["a.service"]),
        ([], [BASE + "a.service.d/x.conf", BASE + "a.service"], None),
    ],
)
def test_which_units_are_verified(coming: list[str], going: list[str], units: list[str] | None) -> None:
    command = VALIDATORS["systemd"].command(coming, going)
    assert command == (["verify", "--man=no", "--recursive-errors=no", *units] if units else [])


def test_a_leaving_unit_is_not_verified(ground: Ground) -> None:
    Host(ground).apply(UNIT)
    host = Host(ground)
    assert host.apply().removed == [UNIT.path]
    assert "unshare" not in host.programs()


def test_owners_that_are_not_there_yet_do_not_stop_the_judging(ground: Ground) -> None:
    result = Host(ground).apply(Entry("/etc/nginx/a", b"a", owner="web", validate="nginx"), check_mode=True)
    assert result.validated == ["nginx"]
