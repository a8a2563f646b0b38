# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages in one transaction, and what is said when it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from landing_fakes import Script

from ansible_collections.quorum.hardening.plugins.module_utils import packages
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome
from ansible_collections.quorum.hardening.plugins.module_utils.packages import Apt, Quiet, explain, read_plan


def status(**rows: str) -> str:
    marks = {"ok": "install ok installed", "hold": "hold ok installed", "cut": "install reinstreq half-installed"}
    return "".join(
        f"Package: {name}\nStatus: {marks[mark]}\nArchitecture: amd64\nVersion: 1\n\n" for name, mark in rows.items()
    )


PLAN = "Inst nginx-common (1.22-9 Debian:12/stable [all])\nInst nginx [1.21] (1.22-9 Debian:12/stable [amd64])\n"


class Host:
    """A host with a dpkg status and a scripted apt."""

    def __init__(self, tmp_path: Path, text: str, plan: str = PLAN, fails: str = "", words: str = "E: broken") -> None:
        self.path = tmp_path / "status"
        self.path.write_text(text)
        self.plan, self.fails, self.words = plan, fails, words
        self.after = text
        self.script = Script(self.answer)
        self.apt = Apt(self.script, str(self.path), str(tmp_path / "lock"), 1)

    def answer(self, argv: Sequence[str]) -> Outcome | None:
        words = " ".join(argv)
        if self.fails and self.fails in words:
            return Outcome(100, "", self.words)
        if "--simulate" in words:
            return Outcome(0, self.plan)
        if "--configure" in words or "--reinstall" in words:
            self.path.write_text(self.after)
        return None

    @property
    def calls(self) -> list[str]:
        return [" ".join(call) for call in self.script.calls]


def test_nothing_to_do_asks_apt_nothing(tmp_path: Path) -> None:
    host = Host(tmp_path, status(nginx="ok", held="hold"))
    assert host.apt.change(["nginx", "held"], ["telnet"], True, False).steps == {}
    host.apt.repair()
    assert host.apt.release(["nginx", "gone"], False) == []
    host.apt.free()
    assert host.calls == []


def test_one_transaction_installs_and_purges(tmp_path: Path) -> None:
    host = Host(tmp_path, status(telnet="ok"), PLAN + "Purg telnet [1]\n")
    plan = host.apt.change(["nginx"], ["telnet", "never"], True, False)
    assert plan.steps == {"nginx-common": ("", "1.22-9"), "nginx": ("1.21", "1.22-9"), "telnet": ("1", "")}
    assert plan.lines(False) == "nginx 1.21\ntelnet 1\n"
    assert plan.lines(True) == "nginx 1.22-9\nnginx-common 1.22-9\n"
    update, simulated, real = host.calls
    assert update.endswith("update")
    assert simulated.endswith("--no-install-recommends --purge install nginx telnet- --simulate")
    assert real.endswith("--purge install nginx telnet-")
    assert all("DEBIAN_FRONTEND=noninteractive" in call and "force-confold" in call for call in host.calls)


def test_purging_fetches_no_lists(tmp_path: Path) -> None:
    host = Host(tmp_path, status(telnet="ok"), "Purg telnet [1]\n")
    host.apt.change([], ["telnet"], True, False)
    assert len(host.calls) == 2
    assert not any("update" in call.split()[-1] for call in host.calls)


def test_what_nobody_named_is_not_removed(tmp_path: Path) -> None:
    host = Host(tmp_path, status(telnet="ok", precious="ok"), "Purg precious [1]\nPurg telnet [1]\n")
    with pytest.raises(HostError, match=r"would take along precious.*Nothing was changed"):
        host.apt.change([], ["telnet"], True, False)
    assert len(host.calls) == 1


def test_a_preview_changes_nothing(tmp_path: Path) -> None:
    host = Host(tmp_path, status())
    assert host.apt.change(["nginx"], [], True, True).steps["nginx"] == ("1.21", "1.22-9")
    (call,) = host.calls
    assert "--simulate" in call
    assert "NoLocking" in call
    virgin = Host(tmp_path, status(telnet="ok"), fails="--simulate", words="E: Unable to locate package nginx")
    assert virgin.apt.change(["nginx"], ["telnet"], True, True).steps == {
        "nginx": ("", "(newest)"),
        "telnet": ("1", ""),
    }
    assert "Unable to locate" in virgin.apt.notes[0]


def test_packages_are_released(tmp_path: Path) -> None:
    host = Host(tmp_path, status(openssl="hold", curl="ok"))
    assert host.apt.release(["openssl", "curl"], True) == ["openssl"]
    assert host.calls == []
    assert host.apt.release(["openssl", "curl"], False) == ["openssl"]
    assert host.calls[0].endswith("apt-mark unhold openssl")


def test_what_was_cut_short_is_finished(tmp_path: Path) -> None:
    host = Host(tmp_path, status(cut="cut"))
    host.after = status(cut="ok")
    host.apt.repair()
    assert len(host.calls) == 1
    assert "dpkg --configure -a" in host.calls[0]
    assert host.apt.notes == ["finished what an earlier run of dpkg had left halfway: cut"]


def test_a_journal_of_dpkg_is_worked_off(tmp_path: Path) -> None:
    host = Host(tmp_path, status(nginx="ok"))
    (tmp_path / "updates").mkdir()
    host.apt.repair()
    assert host.calls == []
    (tmp_path / "updates/0001").write_text("x")
    host.apt.repair()
    assert "its journal" in host.apt.notes[0]
    broken = Host(tmp_path, status(nginx="ok"), fails="--configure")
    broken.apt.repair()
    assert broken.calls[1].endswith("update")
    assert broken.calls[2].endswith("--fix-broken install")


def test_what_was_cut_while_unpacked_is_fetched_again(tmp_path: Path) -> None:
    host = Host(tmp_path, status(cut="cut"), fails="--configure")
    host.after = status(cut="ok")
    host.apt.repair()
    assert host.calls[1].endswith("update")
    assert host.calls[2].endswith("--reinstall install cut")
    hopeless = Host(tmp_path, status(cut="cut"), fails="dpkg")
    with pytest.raises(HostError, match=r"cannot be finished \(cut\).*By hand: 'dpkg --configure -a'"):
        Apt(Script(lambda argv: Outcome(100, "", "E: no archive")), str(hopeless.path)).repair()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("E: You don't have enough free space in /var/cache/apt/archives/.", r"disk is full \(/: \d+ MiB free"),
        ("dpkg: error: failed to write (No space left on device)", "apt-get clean"),
        ("E: cannot open: Read-only file system", "mounted read-only"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)", "dpkg is locked: wait"),
        ("Could not resolve 'mirror.example.org'", "the mirror mirror.example.org is not known.*host_dns_servers"),
        ("Could not connect to 198.18.0.3:3142 (198.18.0.3). - connect (111)", "the mirror 198.18.0.3:3142 does not"),
        (
            "W: Connection timed out [IP: 198.18.0.3 3142]",
            "the mirror of the host does not answer.*host_package_mirrors",
        ),
        ("E: Unable to locate package nginx", "no source of the host offers nginx"),
        ("E: Release file for http://m/x is expired (invalid since 3d).", "cannot be trusted"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "run 'dpkg --configure -a'"),
        ("E: something else\nnoise", "apt failed: E: something else"),
        ("", "it does not say why"),
    ],
)
def test_bad_weather_in_words(said: str, meant: str, tmp_path: Path) -> None:
    host = Host(tmp_path, status(), fails="update", words=said)
    with pytest.raises(HostError, match=meant):
        host.apt.change(["nginx"], [], True, False)


def test_who_holds_dpkg_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cmdline").write_text("apt\0upgrade\0")
    assert packages.command_of(7, str(tmp_path)) == "process 7 (apt upgrade)"
    assert packages.command_of(8, str(tmp_path)) == "process 8 (gone meanwhile)"
    monkeypatch.setattr(packages, "lock_holder", lambda: 8)
    assert "locked by process 8" in explain("E: Could not get lock /var/lib/dpkg/lock-frontend. It")
    monkeypatch.setattr(packages, "wait_for_lock", lambda *_given: 8)
    with pytest.raises(HostError, match=r"locked by process 8 .*more than 1 s.*Nothing was changed"):
        Host(tmp_path, status()).apt.free()


def test_room_where_there_is_none() -> None:
    assert packages.free_room("/nowhere") == ""


def test_plans_are_read() -> None:
    assert read_plan("Conf nginx (1)\nRemv a [1]\nnoise\n").steps == {"a": ("1", "")}


def test_services_are_kept_from_starting_and_nobodys_policy_is_touched(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with Quiet(True, str(policy)):
        assert policy.stat().st_mode & 0o777 == 0o755
        assert "exit 101" in policy.read_text()
    assert list(tmp_path.iterdir()) == []
    with Quiet(False, str(policy)):
        assert not policy.exists()
    policy.write_text("theirs")
    with Quiet(True, str(policy)):
        assert policy.read_text() == "theirs"
    assert policy.read_text() == "theirs"
    policy.write_text(Quiet.POLICY)  # a run was killed here
    with Quiet(False, str(policy)):
        assert not policy.exists()
