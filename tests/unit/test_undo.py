# SPDX-License-Identifier: GPL-3.0-or-later
"""Arm, extend, fire, confirm: on a directory that plays the host and a systemctl that keeps a diary."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import undo, undo_restore
from ansible_collections.quorum.hardening.plugins.module_utils.undo import UndoError
from ansible_collections.quorum.hardening.plugins.module_utils.undo_restore import Place


class Host:
    """A host below a directory: places, a diary of commands, a boot that can be repeated."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.diary: list[list[str]] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.boot(1)
        self.place = Place(
            state=str(root / "var/undo"),
            units=str(root / "units"),
            program=str(root / "lib/undo"),
            proc=str(root / "proc"),
            run=self.run,
        )
        (root / "units").mkdir()
        self.file = root / "etc/sshd_config"
        self.file.parent.mkdir()
        self.file.write_text("old\n")
        self.file.chmod(0o604)

    def boot(self, started: int) -> None:
        (self.root / "proc/sys/kernel/random").mkdir(parents=True, exist_ok=True)
        (self.root / "proc/sys/kernel/random/boot_id").write_text("8d1f\n")
        (self.root / "proc/1").mkdir(exist_ok=True)
        (self.root / "proc/1/stat").write_text(f"1 (systemd) S 0 {' '.join(['0'] * 17)} {started} 0\n")

    def run(self, argv):
        self.diary.append(argv)
        return next((answer for key, answer in self.answers.items() if key in " ".join(argv)), (0, ""))

    def arm(self, name="sshd", seconds=45, **more):
        return undo.arm(name, more.pop("paths", [str(self.file)]), seconds=seconds, place=self.place, **more)

    def reboot_and_fire(self, name="sshd"):
        self.boot(2)
        return undo_restore.fire(name, self.place)

    def armed(self, name="sshd"):
        return os.path.exists(self.place.marker(name)) and os.path.islink(self.place.wanted(name))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.fixture
def moment(monkeypatch):
    """The clock, in seconds since boot; a list so that a test can move it."""
    now = [1000.0]
    for module in (undo, undo_restore):
        monkeypatch.setattr(module, "clock", lambda: now[0])
    return now


def test_arming_leaves_all_that_a_boot_needs(host):
    told = host.arm()
    assert (told["extended"], told["seconds"], told["paths"]) == (False, 45, [str(host.file)])
    assert host.armed()
    assert os.readlink(host.place.wanted("sshd")) == str(host.root / "units/quorum-undo@.service")
    assert (host.root / "units/quorum-undo@sshd.timer.d/seconds.conf").read_text().endswith("OnActiveSec=45\n")
    assert host.diary == [
        ["systemctl", "daemon-reload"],
        ["systemctl", "restart", "quorum-undo@sshd.timer"],
        ["systemctl", "--quiet", "is-active", "quorum-undo@sshd.timer"],
    ]
    assert "AccuracySec=100ms" in (host.root / "units/quorum-undo@.timer").read_text()
    for folder in (host.place.state, host.place.directory("sshd"), f"{host.place.directory('sshd')}/saved"):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(host.place.program).st_mode) == 0o755


def test_the_installed_program_is_complete_in_itself(host):
    host.arm()
    done = subprocess.run([sys.executable, "-I", host.place.program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert Path(host.place.program).read_text().startswith("#!/usr/bin/python3 -I\n# Copyright")


def test_after_the_seconds_everything_is_as_before(host, moment):
    link, absent = host.root / "etc/link", host.root / "etc/new.conf"
    link.symlink_to("first")
    host.arm(paths=[str(host.file), str(link), str(absent), str(host.file)], commands=[["reload", "it"]])
    host.file.write_text("new\n")
    host.file.chmod(0o600)
    link.unlink()
    link.write_text("no link any more")
    absent.write_text("new\n")
    moment[0] += 45
    assert undo_restore.fire("sshd", host.place) == 0
    assert host.file.read_text() == "old\n"
    assert stat.S_IMODE(host.file.stat().st_mode) == 0o604
    assert os.readlink(link) == "first"
    assert not absent.exists()
    assert ["reload", "it"] in host.diary
    assert not host.armed()
    assert host.diary[-1] == ["systemctl", "--no-block", "stop", "quorum-undo@sshd.timer"]
    (record,) = undo.undone(host.place)
    assert (record["name"], record["reason"], record["problems"]) == ("sshd", "timer", [])
    assert record["paths"] == [str(host.file), str(link), str(absent)]


def test_a_boot_fires_at_once(host, moment):
    host.arm(seconds=600)
    host.file.unlink()
    assert host.reboot_and_fire() == 0
    assert host.file.read_text() == "old\n"
    assert undo.undone(host.place)[0]["reason"] == "boot"


def test_a_trigger_under_way_while_the_time_was_extended_does_nothing(host, moment):
    host.arm(seconds=10)
    moment[0] += 9
    host.arm(seconds=10)
    host.file.write_text("new\n")
    moment[0] += 1
    assert undo_restore.fire("sshd", host.place) == 0
    assert host.file.read_text() == "new\n"
    assert host.armed()


def test_armed_again_the_oldest_state_stays_and_what_is_new_is_added(host, moment):
    host.arm(files={"live.nft": "first"})
    host.file.write_text("second\n")
    other = host.root / "etc/other"
    other.write_text("other\n")
    moment[0] += 5
    told = host.arm(paths=[str(host.file), str(other)], commands=[["extra"]], files={"live.nft": "x", "b": "b"})
    assert told["extended"]
    host.file.write_text("third\n")
    other.unlink()
    moment[0] += 45
    assert undo_restore.fire("sshd", host.place) == 0
    assert host.file.read_text() == "old\n"
    assert other.read_text() == "other\n"
    assert Path(host.place.directory("sshd"), "live.nft").read_text() == "first"
    assert Path(host.place.directory("sshd"), "b").read_text() == "b"
    assert ["systemctl", "--no-block", "restart", "ssh.service"] in host.diary
    assert host.diary.count(["extra"]) == 1


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["systemctl", "reload", "x"], ["systemctl", "--no-block", "reload", "x"]),
        (["/usr/bin/systemctl", "restart", "--no-block", "x"], ["/usr/bin/systemctl", "restart", "--no-block", "x"]),
        (["systemctl", "daemon-reload"], ["systemctl", "daemon-reload"]),
        (["nft", "-f", "x"], ["nft", "-f", "x"]),
        ([], []),
    ],
)
def test_no_command_waits_for_systemd(host, given, kept):
    host.arm(commands=[given])
    assert json.loads(Path(host.place.directory("sshd"), "plan.json").read_text())["commands"] == [kept]


def test_a_failure_does_not_hold_up_the_rest_and_is_tried_again(host, moment, capsys):
    blocked = host.root / "etc/blocked"
    host.arm(paths=[str(blocked), str(host.file)], commands=[["broken"], ["next"]])
    blocked.mkdir()
    host.file.write_text("new\n")
    host.answers["broken"] = (3, "no such thing")
    moment[0] += 45
    assert undo_restore.fire("sshd", host.place) == 1
    assert host.file.read_text() == "old\n"
    assert ["next"] in host.diary
    assert host.armed()
    problems = undo.undone(host.place)[0]["problems"]
    assert problems[0].startswith(f"{blocked}: ")
    assert problems[1] == "broken: exit status 3: no such thing"
    blocked.rmdir()
    host.answers.clear()
    assert undo_restore.fire("sshd", host.place) == 0
    assert undo.undone(host.place)[0]["problems"] == []
    assert "last good state" in capsys.readouterr().out


def test_a_directory_that_is_gone_is_made_again(host, moment):
    deep, link = host.root / "etc/a/b/file", host.root / "etc/c/link"
    for path in (deep, link):
        path.parent.mkdir(parents=True)
    deep.write_text("deep\n")
    link.symlink_to("x")
    never = host.root / "etc/a/never"
    host.arm(paths=[str(deep), str(link), str(never)])
    for path in (deep, link):
        path.unlink()
        path.parent.rmdir()
    deep.parent.parent.rmdir()
    before = os.umask(0o077)
    try:
        assert host.reboot_and_fire() == 0
    finally:
        os.umask(before)
    assert deep.read_text() == "deep\n"
    assert stat.S_IMODE(deep.parent.stat().st_mode) == 0o755
    assert os.readlink(link) == "x"


def test_confirmed_nothing_fires_any_more(host):
    host.arm()
    host.file.write_text("new\n")
    assert undo.disarm("sshd", host.place)
    assert not host.armed()
    assert undo.status(host.place) == []
    assert host.reboot_and_fire() == 0
    assert host.file.read_text() == "new\n"
    assert not undo.disarm("sshd", host.place)


def test_confirmed_too_late_is_an_error_until_acknowledged(host, moment):
    host.arm()
    assert host.reboot_and_fire() == 0
    with pytest.raises(UndoError, match=r"fired at .* \(boot\): the change is taken back"):
        undo.disarm("sshd", host.place)
    assert undo.acknowledge("sshd", host.place)
    assert not undo.acknowledge("sshd", host.place)
    assert not undo.disarm("sshd", host.place)
    assert undo.status(host.place) == []


def test_a_new_change_forgets_what_fired_before(host, moment):
    host.arm()
    host.reboot_and_fire()
    host.arm()
    assert undo.undone(host.place) == []


def test_settling_moves_the_moment_after_which_a_connection_counts(host, moment):
    undo.settle("sshd", host.place)
    host.arm()
    moment[0] += 2.5
    undo.settle("sshd", host.place)
    (row,) = undo.status(host.place)
    assert (row["since"], row["seconds_left"], row["armed"]) == (1002.5, 42.5, True)
    os.unlink(os.path.join(host.place.directory("sshd"), "plan.json"))
    undo.settle("sshd", host.place)


@pytest.mark.parametrize("failing", ["daemon-reload", "restart", "is-active"])
def test_what_cannot_be_armed_is_not_half_armed(host, failing):
    host.answers[failing] = (1, "Access denied")
    with pytest.raises(UndoError, match=f"cannot be armed: systemctl .*{failing}.*: Access denied"):
        host.arm()
    assert not host.armed()


def test_failing_to_extend_keeps_what_was_armed(host):
    host.arm()
    host.answers["restart"] = (1, "")
    with pytest.raises(UndoError, match="cannot be armed"):
        host.arm()
    assert host.armed()


@pytest.mark.parametrize("name", ["", "Sshd", "../x", "a b", "a-b", "1a", "x" * 33])
def test_other_names_are_refused(host, name):
    for act in (host.arm, lambda name: undo.disarm(name, host.place), lambda name: undo.settle(name, host.place)):
        with pytest.raises(UndoError, match="is no name of an undo"):
            act(name)


@pytest.mark.parametrize("seconds", [0, -1, 3601])
def test_other_times_are_refused(host, seconds):
    with pytest.raises(UndoError, match="out of range: 1 to 3600"):
        host.arm(seconds=seconds)


def test_a_directory_cannot_be_saved(host):
    with pytest.raises(UndoError, match="neither a file nor a symbolic link"):
        host.arm(paths=[str(host.file.parent)])
    assert not host.armed()


def test_firing_what_is_not_armed_does_nothing(host):
    assert undo_restore.fire("sshd", host.place) == 0
    os.makedirs(host.place.directory("sshd"))
    assert undo_restore.fire("sshd", host.place) == 0
    assert undo.status(host.place) == []


def test_status_without_any_undo_is_empty(tmp_path):
    assert undo.status(replace(undo_restore.HOST, state=str(tmp_path / "none"))) == []


def test_a_write_that_fails_leaves_nothing_behind(host, monkeypatch):
    def refuse(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no space left"):
        undo_restore.write_durable(str(host.file), b"new", 0o600)
    assert sorted(os.listdir(host.file.parent)) == ["sshd_config"]
    assert host.file.read_text() == "old\n"


def test_json_of_another_shape_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text("[]")
    with pytest.raises(ValueError, match="does not hold a JSON object"):
        undo_restore.read_json(str(tmp_path / "plan.json"))


@pytest.mark.parametrize(
    ("argv", "status", "text"),
    [
        (["sh", "-c", "echo out; echo err >&2; exit 4"], 4, "out\nerr"),
        (["true"], 0, ""),
        (["/nowhere/to/be/found"], 127, "No such file"),
    ],
)
def test_commands_tell_their_status_and_all_they_wrote(argv, status, text):
    code, output = undo_restore.run_command(argv)
    assert code == status
    assert text in output


@pytest.mark.parametrize("argv", [["undo"], ["undo", "fire"], ["undo", "arm", "x"], ["undo", "fire", "x", "y"]])
def test_the_program_knows_one_way_to_be_called(argv, capsys):
    assert undo_restore.main(argv) == 2
    assert "usage: undo fire NAME" in capsys.readouterr().err


def test_the_program_fires(monkeypatch):
    seen = []
    monkeypatch.setattr(undo_restore, "fire", lambda name: seen.append(name) or 0)
    assert undo_restore.main(["undo", "fire", "sshd"]) == 0
    assert seen == ["sshd"]


def test_the_clock_is_that_of_the_process_table():
    from ansible_collections.quorum.hardening.plugins.module_utils.session import Proc

    assert 0 <= undo_restore.clock() - Proc().process(os.getpid()).started < 3600


def test_what_a_dead_writer_left_half_written_goes(tmp_path: Path) -> None:
    dead, alive = tmp_path / ".a.4194305.new", tmp_path / f".a.{os.getppid()}.new"
    for path in (dead, alive):
        path.write_text("half")
    undo_restore.write_durable(str(tmp_path / "a"), b"whole", 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive.name, "a"])
