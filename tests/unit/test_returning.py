# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back on a directory that plays the host: land, land again, go back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from landing_fakes import Script, shown_units

from ansible_collections.quorum.hardening.plugins.module_utils import nft, rope, undo
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome, run
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground, Names
from ansible_collections.quorum.hardening.plugins.module_utils.keeping import Keeper, Run, kept_runs
from ansible_collections.quorum.hardening.plugins.module_utils.nft import FRESH
from ansible_collections.quorum.hardening.plugins.module_utils.overlaying import Order, Overlay
from ansible_collections.quorum.hardening.plugins.module_utils.returning import chosen, commands_to, steps
from ansible_collections.quorum.hardening.plugins.module_utils.rope import HostRope
from ansible_collections.quorum.hardening.plugins.module_utils.systemd import Unit
from ansible_collections.quorum.hardening.plugins.module_utils.taking_back import Back, Result
from ansible_collections.quorum.hardening.plugins.module_utils.tree import Entry

ME, US = str(os.geteuid()), str(os.getegid())


class Rope:
    def __init__(self) -> None:
        self.said: list[Any] = []

    def arm(
        self,
        name: str,
        paths: list[str],
        commands: list[list[str]],
        seconds: int,
        files: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        self.said.append(("arm", name, paths, commands, seconds, dict(files or {})))
        return {"extended": False}

    def settle(self, name: str) -> None:
        self.said.append(("settle", name))

    def disarm(self, name: str) -> None:
        self.said.append(("disarm", name))


class Host:
    """A directory with runs on it; each :meth:`land` is a run of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ground = Ground(str(root))
        self.units: dict[str, dict[str, str]] = {}
        self.tables: list[str] = []
        self.rope = Rope()
        self.refuse = ""
        self.runner = Script(self._answer)
        self.number = 0

    def _answer(self, argv: Sequence[str]) -> Outcome | None:
        if self.refuse and self.refuse in argv:
            return Outcome(1, "", "no")
        if argv[0] == "cp":
            return run(argv)
        if argv[:2] == ["systemctl", "show"]:
            names = argv[argv.index("--") + 1 :]
            blocks = [shown_units([*argv[: argv.index("--") + 1], name], **self.units.get(name, {})) for name in names]
            return Outcome(0, "\n\n".join(block.out.strip("\n") for block in blocks) + "\n")
        return None

    def keeper(self) -> Keeper:
        self.number += 1
        return Keeper(self.ground, f"{self.number:010x}", "alice@laptop", "2026-11-21T13:22:52Z")

    def land(self, *entries: Entry) -> Keeper:
        keeper = self.keeper()
        Overlay(self.ground, self.runner, Names(), None, keeper).apply(Order("demo", entries, True))
        return keeper

    def packets(self, argv: list[str], text: str) -> tuple[int, str, str]:
        if "list" in argv:
            return 1, "", nft.ABSENT
        self.tables.append(text)
        return 0, "", ""

    def back(self, wanted: str = "", **options: Any) -> Result:
        back = Back(self.ground, self.runner, Names(), self.rope, self.keeper(), packets=self.packets, settle=0)
        return back.apply(wanted, **options)

    def tree(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.root)): f"{path.stat().st_mode:o} " + path.read_text()
            for path in sorted((self.root / "etc").rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for folder in ("etc/ssh", "etc/systemd/system", "var/lib", "run"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/ssh/sshd_config").write_text("Debian's\n")
    monkeypatch.setattr(shutil, "which", lambda name, path: f"/usr/sbin/{name}")
    found = Host(tmp_path)
    with found.ground:
        yield found


def entry(path: str, content: str = "ours\n", **more: Any) -> Entry:
    return Entry(path, content.encode(), ME, US, **more)


SSHD = entry("/etc/ssh/sshd_config", mode=0o600, validate="sshd", wants={"reload": ["ssh.service"]})
DEEP = entry("/etc/mine/deep/x")
UNIT = entry("/etc/systemd/system/a.service", "[Service]\n")


def test_back_step_by_step_to_the_virgin_host(host: Host) -> None:
    virgin = host.tree()
    host.land(SSHD, DEEP)
    first = host.tree()
    host.land(entry(SSHD.path, "newer\n", validate="sshd"), UNIT)
    assert host.back(check_mode=True).changed
    done = host.back()
    assert done.taken_back == [f"{2:010x}"]
    assert done.paths == ["/etc/mine/deep/x", SSHD.path, UNIT.path]
    assert host.tree() == first
    assert ["systemctl", "daemon-reload"] in host.runner.calls
    assert host.back().taken_back[0] == f"{1:010x}"
    assert host.tree() == virgin
    assert not (host.root / "etc/mine").exists()
    with pytest.raises(HostError, match="no run to take back"):
        host.back()


def test_a_way_back_can_be_taken_back(host: Host) -> None:
    host.land(SSHD)
    hardened = host.tree()
    host.back()
    assert host.tree() != hardened
    last = kept_runs(host.ground)[-1]
    assert last.takes_back == f"{1:010x}"
    host.back(last.run)
    assert host.tree() == hardened


def test_a_chosen_run_takes_all_later_ones_along(host: Host) -> None:
    virgin = host.tree()
    host.land(SSHD)
    host.land(SSHD, DEEP)
    done = host.back(f"{1:010x}")
    assert len(done.taken_back) == 2
    assert host.tree() == virgin
    with pytest.raises(HostError, match=r"nothing is kept of a run nonsense; kept are 0000000001, "):
        host.back("nonsense")


def test_a_secret_is_neither_kept_nor_shown(host: Host) -> None:
    path = "/etc/key"
    host.land(entry(path, "first secret\n", secret=True))
    host.land(entry(path, "second secret\n", secret=True), SSHD)
    done = host.back()
    assert done.left == ["/etc/key: it is secret or large, its former content was not kept"]
    assert (host.root / "etc/key").read_text() == "second secret\n"
    done = host.back()
    assert not (host.root / "etc/key").exists()
    assert "second secret" not in json.dumps(done.diff)
    for kept in (host.root / "var").rglob("*"):
        assert kept.is_dir() or "secret\n" not in kept.read_text()


def test_links_and_directories_come_back(host: Host) -> None:
    (host.root / "etc/dir").mkdir(mode=0o700)
    (host.root / "etc/link").symlink_to("ssh/sshd_config")
    host.land(entry("/etc/dir/", "", mode=0o755), entry("/etc/link"), entry("/etc/new/", "", mode=0o700))
    done = host.back()
    assert (host.root / "etc/link").readlink() == Path("ssh/sshd_config")
    assert (host.root / "etc/dir").stat().st_mode & 0o777 == 0o700
    assert not (host.root / "etc/new").exists()
    assert "symbolic link" in json.dumps(done.diff)


def test_what_left_the_tree_makes_room_for_what_stood_there_first(host: Host) -> None:
    (host.root / "etc/link").symlink_to("ssh/sshd_config")
    host.land(SSHD, entry("/etc/link"), DEEP)
    keeper = host.keeper()
    result = Overlay(host.ground, host.runner, Names(), None, keeper).apply(Order("demo", [], True))
    assert sorted(result.restored) == ["/etc/link", SSHD.path]
    assert result.removed == ["/etc/mine/deep/x"]
    assert (host.root / "etc/ssh/sshd_config").read_text() == "Debian's\n"
    assert (host.root / "etc/link").is_symlink()
    after = [row["after"] for row in result.diff]
    assert after == ["(symbolic link to ssh/sshd_config)\n", "", "Debian's\n"]


def test_a_role_that_takes_a_file_over_takes_its_origin_over(host: Host) -> None:
    host.land(SSHD)
    newer = entry(SSHD.path, "newer\n", validate="sshd")
    for order in (Order("other", [newer], True), Order("demo", [], True), Order("other", [], True)):
        Overlay(host.ground, host.runner, Names()).apply(order)
    assert (host.root / "etc/ssh/sshd_config").read_text() == "Debian's\n"


def test_what_comes_back_by_an_undo_is_known_again(host: Host) -> None:
    rope = Rope()
    mine = entry("/etc/x", undo="sshd")
    Overlay(host.ground, host.runner, Names(), rope).apply(Order("demo", [mine], True))
    Overlay(host.ground, host.runner, Names(), rope).apply(Order("demo", [], True))
    arms = [said[2] for said in rope.said if said[0] == "arm"]
    assert arms == [["/etc/x"], ["/etc/x", "/var/lib/quorum.hardening/overlay/demo.json"]]


def test_strays_of_a_killed_run_go(host: Host) -> None:
    host.land(SSHD)
    stray = host.root / "etc/ssh/.other.quorum-hardening-0123abcd"
    stray.write_text("half")
    look = Overlay(host.ground, host.runner, Names()).apply(Order("demo", [SSHD], True, check_mode=True))
    assert look.changed
    assert stray.exists()
    result = Overlay(host.ground, host.runner, Names()).apply(Order("demo", [SSHD], True))
    assert "half-written" in result.notes[0]
    assert not stray.exists()
    assert not Overlay(host.ground, host.runner, Names()).apply(Order("demo", [SSHD], True)).changed


def test_units_and_the_filter_come_back_under_the_undo(host: Host) -> None:
    keeper = host.land(SSHD)
    keeper.units({"a.service": {"boot": "masked", "there": True, "running": False}})
    keeper.ruleset(FRESH + "table inet quorum_hardening {}\n")
    done = host.back(undo_seconds=30)
    assert done.units == ["a.service"]
    assert done.ruleset
    assert done.armed == ["rollback"]
    assert host.tables[-1] == FRESH + "table inet quorum_hardening {}\n"
    assert ["systemctl", "mask", "--now", "--", "a.service"] in host.runner.calls
    _arm, name, paths, commands, seconds, files = host.rope.said[0]
    assert (name, seconds, files) == ("rollback", 30, {"live.nft": FRESH})
    assert SSHD.path in paths
    assert any(path.endswith("run.json") for path in paths)
    assert ["systemctl", "unmask", "a.service"] in commands
    assert ["systemctl", "reload-or-restart", "ssh.service"] in commands
    assert host.rope.said[-1] == ("settle", "rollback")


def test_what_is_masked_now_is_unmasked(host: Host) -> None:
    keeper = host.land(SSHD)
    keeper.units({"a.service": {"boot": "static", "there": True, "running": False}})
    host.units["a.service"] = {"LoadState": "masked", "UnitFileState": "masked", "ActiveState": "inactive"}
    host.back(undo_seconds=0)
    assert ["systemctl", "unmask", "--", "a.service"] in host.runner.calls
    assert host.rope.said == []


def test_a_guarded_unit_is_neither_stopped_nor_restarted(host: Host) -> None:
    host.land(entry("/etc/goquorum/config.toml"))
    done = host.back(held=["goquorum.service"], check_mode=True)
    assert done.held == ["goquorum.service"]
    host.land(SSHD).units({"goquorum.service": {"boot": "", "there": False, "running": False}})
    before = host.tree()
    with pytest.raises(HostError, match=r"unmake goquorum.service, set up since: choose a later run"):
        host.back(held=["goquorum.service"])
    assert host.tree() == before


def test_what_fails_on_the_way_is_put_back(host: Host) -> None:
    host.land(SSHD, entry("/etc/x"))
    before = host.tree()
    (host.root / "etc/x").unlink()
    (host.root / "etc/x").mkdir()
    with pytest.raises(HostError):
        host.back()
    (host.root / "etc/x").rmdir()
    (host.root / "etc/x").write_text("ours\n")
    host.refuse = "reload-or-restart"
    with pytest.raises(HostError, match="the undo puts everything back within 45 s"):
        host.back()
    host.refuse = ""
    assert host.tree().keys() <= before.keys()


def _unit(name: str, **properties: str) -> Unit:
    base = {"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "disabled"}
    return Unit(name, {**base, **properties})


@pytest.mark.parametrize(
    ("then", "now", "off", "on"),
    [
        (("disabled", True, False), {}, ([], []), ([], [], [])),
        (
            ("disabled", True, False),
            {"ActiveState": "active", "UnitFileState": "enabled"},
            (["u"], ["u"]),
            ([], [], []),
        ),
        (("enabled", True, True), {}, ([], []), ([], ["u"], ["u"])),
        (("masked", True, False), {}, ([], []), (["u"], [], [])),
        (("", False, False), {"UnitFileState": "enabled"}, ([], ["u"]), ([], [], [])),
    ],
)
def test_steps_of_units(
    then: tuple[str, bool, bool], now: dict[str, str], off: tuple[list[str], ...], on: tuple[list[str], ...]
) -> None:
    state = dict(zip(("boot", "there", "running"), then))
    found = steps({"u": state}, {"u": _unit("u", **now)})
    assert (list(found.off.stopped), list(found.off.disabled)) == off
    assert (list(found.on.masked), list(found.on.enabled), list(found.on.started)) == on


def test_the_undo_needs_no_thinking() -> None:
    states = {
        "a.service": {"boot": "enabled", "there": True, "running": True},
        "b.service": {"boot": "masked", "there": True, "running": False},
        "c.service": {"boot": "", "there": False, "running": False},
    }
    assert commands_to(states) == [
        ["systemctl", "unmask", "a.service"],
        ["systemctl", "enable", "a.service"],
        ["systemctl", "start", "a.service"],
        ["systemctl", "mask", "b.service"],
        ["systemctl", "unmask", "c.service"],
    ]


def test_nothing_kept_is_said() -> None:
    with pytest.raises(HostError, match="no run to take back"):
        chosen([])
    with pytest.raises(HostError, match="kept are none"):
        chosen([], "x")
    runs = [Run(name, number, "", "", {}, {}) for number, name in enumerate("abc")]
    assert [one.run for one in chosen(runs)] == ["c"]


def test_the_rope_speaks_as_landings_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []

    def arm(name: str, *rest: Any, **more: Any) -> dict[str, Any]:
        if name == "bad":
            raise undo.UndoError("no timer")
        said.append((name, *rest, more))
        return {}

    monkeypatch.setattr(rope.undo, "arm", arm)
    monkeypatch.setattr(rope.undo, "settle", said.append)
    monkeypatch.setattr(rope.undo, "disarm", said.append)
    one = HostRope()
    assert one.arm("a", ["/x"], [], 5, {"f": "t"}) == {}
    one.settle("b")
    one.disarm("c")
    assert said == [("a", ["/x"], [], 5, {"files": {"f": "t"}}), "b", "c"]
    with pytest.raises(HostError, match="no timer"):
        one.arm("bad", [], [], 5)


def test_a_unit_that_leaves_takes_its_links_along_and_both_come_back(host: Host) -> None:
    host.land(SSHD, UNIT)
    link = host.root / "etc/systemd/system/sysinit.target.wants/a.service"
    link.parent.mkdir()
    link.symlink_to("/etc/systemd/system/a.service")
    host.land(SSHD)
    assert not link.is_symlink()
    host.back()
    assert link.readlink() == Path("/etc/systemd/system/a.service")
