# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live state: what is put right, what is left alone, and what is said of the rest. Files are real ones."""

from __future__ import annotations

import errno
import grp
import json
import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import kernel, mounts, postures
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome, run
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Names
from ansible_collections.quorum.hardening.plugins.module_utils.postures import Posture

ME, MINE = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


class Host:
    """A directory that stands for a host, and a runner that keeps what it was asked."""

    def __init__(self, root: Path, answers: dict[str, Outcome] | None = None) -> None:
        self.root = root
        self.asked: list[list[str]] = []
        self.answers = answers or {}

    def __call__(self, argv: Sequence[str], stdin: str = "", timeout: float | None = None) -> Outcome:
        self.asked.append(list(argv))
        given = next((found for start, found in self.answers.items() if " ".join(argv).startswith(start)), None)
        if given is None and argv[0] in ("find", sys.executable):
            return run(argv, stdin)
        return given or Outcome(0)

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        os.chmod(target, mode)
        return target

    def posture(self) -> Posture:
        return Posture(self, str(self.root))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def told(posture: Posture) -> dict[str, tuple[str, str]]:
    return {step.what: (step.before, step.after) for step in posture.plan.differences}


def test_parameters_are_set_on_every_interface_and_what_is_lacking_is_said(host: Host) -> None:
    for name, value in (("all", "1\n"), ("eth0", "0\n"), ("eth0.7", "1\n")):
        host.write(f"/proc/sys/net/ipv4/conf/{name}/accept_ra", value)
    host.write("/proc/sys/net/ipv4/ports", "1\t2\n")
    (host.root / "proc/sys/kernel/odd").mkdir(parents=True)
    posture = host.posture()
    wanted = {"net.ipv4.conf.*.accept_ra": "0", "net.ipv4.ports": "1 2", "kernel.nothing": "1", "kernel.odd": "1"}
    posture.parameters(wanted)
    assert told(posture) == {
        "net.ipv4.conf.all.accept_ra": ("1", "0"),
        "net.ipv4.conf.eth0.7.accept_ra": ("1", "0"),
    }
    assert set(posture.plan.lacking) == {"kernel.nothing", "kernel.odd"}
    posture.carry_out()
    again = host.posture()
    again.parameters(wanted)
    assert told(again) == {}


def test_a_parameter_that_is_read_only_or_locked_is_said_and_no_error(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.write("/proc/sys/kernel/a", "1\n")
    host.write("/proc/sys/kernel/b", "1\n")
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith("/a"))
    posture = host.posture()
    posture.parameters({"kernel.a": "2", "kernel.b": "2"})
    assert posture.plan.lacking == {"kernel.a": "read-only here"}
    path = str(host.root / "proc/sys/kernel/b")
    host.answers = {sys.executable: Outcome(0, json.dumps({path: errno.EINVAL}))}
    with pytest.raises(HostError, match=r"kernel\.b = 2: Invalid argument"):
        posture.carry_out()
    host.answers = {sys.executable: Outcome(0, json.dumps({path: errno.EPERM}))}
    posture.carry_out()
    assert "next boot" in posture.plan.lacking["kernel.b"]


def test_parameters_are_written_in_one_call_and_each_refusal_is_told(host: Host) -> None:
    host.write("/proc/sys/kernel/a", "1\n")
    host.write("/proc/sys/kernel/b", "1\n")
    posture = host.posture()
    posture.parameters({"kernel.a": "2", "kernel.b": "2"})
    (host.root / "proc/sys/kernel/b").unlink()
    (host.root / "proc/sys/kernel/b").mkdir()
    with pytest.raises(HostError, match=r"kernel\.b = 2: Is a directory"):
        posture.carry_out()
    assert (host.root / "proc/sys/kernel/a").read_text(encoding="utf-8") == "2"
    assert len(host.asked) == 1


def test_a_session_asks_the_first_process(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postures, "through", lambda argv, _root: ["ask", *argv])
    host.write("/proc/sys/kernel/a", "1\n")
    host.write("/proc/modules", "udf 1 0 - Live 0x0\n")
    host.answers = {"ask": Outcome(0, "{}")}
    posture = host.posture()
    posture.parameters({"kernel.a": "2"})
    posture.modules(["udf"])
    posture.carry_out()
    assert [row[:2] for row in host.asked] == [["ask", sys.executable], ["ask", "rmmod"]]


def test_modules_go_when_nothing_uses_them(host: Host) -> None:
    host.write("/proc/modules", "udf 1 0 - Live 0x0\nsctp 1 3 - Live 0x0\next4 1 0 - Live 0x0\nbad\n")
    posture = host.posture()
    posture.modules(["udf", "sctp", "dccp"])
    posture.carry_out()
    assert host.asked == [["rmmod", "--", "udf"]]
    assert list(posture.plan.lacking) == ["module sctp"]


MOUNTINFO = """22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw,nosuid - proc proc rw
24 22 0:6 / /dev/shm rw,nosuid,noexec - tmpfs tmpfs rw
"""


def test_mounts_get_what_they_lack_and_other_paths_are_never_touched(host: Host) -> None:
    host.write("/proc/1/mountinfo", MOUNTINFO)
    (host.root / "tmp").mkdir()
    posture = host.posture()
    wanted = {
        "/proc": ["nosuid", "hidepid=invisible"],
        "/dev/shm": ["noexec"],
        "/srv": ["nodev"],
        "/tmp": ["noexec"],
        "/gone": ["ro"],
    }
    posture.mounts(wanted, ["/tmp", "/gone"])
    posture.carry_out()
    assert host.asked == [
        ["mount", "-o", "remount,hidepid=invisible", "--", "/proc"],
        ["mount", "--bind", "--", "/tmp", "/tmp"],
        ["mount", "-o", "remount,bind,noexec", "--", "/tmp"],
    ]
    assert set(posture.plan.lacking) == {"mount /srv", "mount /gone"}


def test_a_command_that_fails_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    host = Host(tmp_path, {"mount": Outcome(32, "", "mount point busy")})
    host.write("/proc/1/mountinfo", MOUNTINFO)
    posture = host.posture()
    posture.mounts({"/proc": ["noexec"]})
    with pytest.raises(HostError, match="mount point busy"):
        posture.carry_out()


def test_paths_are_narrowed_and_never_widened(host: Host) -> None:
    wide, tight = host.write("/etc/shadow", "", 0o666), host.write("/etc/gshadow", "", 0o400)
    (host.root / "etc/link").symlink_to("shadow")
    rows = [
        {"path": f"/etc/{name}", "owner": ME, "group": MINE, "mode": "0640"}
        for name in ("shadow", "gshadow", "link", "no")
    ]
    rows.append({"path": "/etc/shadow", "owner": "no-such-user", "group": MINE, "mode": "0640"})
    posture = host.posture()
    posture.paths(rows, Names())
    assert told(posture) == {"/etc/shadow": (f"{ME}:{MINE} 0666", f"{ME}:{MINE} 0640")}
    assert set(posture.plan.lacking) == {"/etc/link", "/etc/shadow"}
    posture.carry_out()
    assert (wide.stat().st_mode & 0o7777, tight.stat().st_mode & 0o7777) == (0o640, 0o400)


def test_without_a_group_the_group_stays(host: Host) -> None:
    home = host.write("/home/ops", "", 0o755)
    posture = host.posture()
    posture.paths([{"path": "/home/ops", "owner": ME, "mode": "0750"}], Names())
    assert told(posture) == {"/home/ops": (f"{ME}:{MINE} 0755", f"{ME}:{MINE} 0750")}
    posture.carry_out()
    assert home.stat().st_mode & 0o7777 == 0o750


def test_a_home_of_somebody_else_is_not_given_away(host: Host) -> None:
    host.write("/home/ops", "", 0o755)
    other = next(row.pw_name for row in pwd.getpwall() if row.pw_uid != os.getuid())
    posture = host.posture()
    posture.paths([{"path": "/home/ops", "owner": other, "mode": "0750"}], Names())
    assert (told(posture), posture.plan.lacking) == ({}, {"/home/ops": f"belongs to {ME}:{MINE} and not to {other}"})
    posture = host.posture()
    posture.paths([{"path": "/home/ops", "owner": other, "group": MINE, "mode": "0750"}], Names())
    assert list(told(posture)) == ["/home/ops"]


def test_a_file_that_goes_meanwhile_is_an_error_that_names_it(host: Host) -> None:
    gone = host.write("/etc/shadow", "", 0o666)
    posture = host.posture()
    posture.paths([{"path": "/etc/shadow", "owner": ME, "group": MINE, "mode": "0600"}], Names())
    gone.unlink()
    with pytest.raises(HostError, match="/etc/shadow: No such file"):
        posture.carry_out()


def test_privileges_go_from_all_but_the_allowed_and_stay_gone(tmp_path: Path) -> None:
    answers = {
        "dpkg-query": Outcome(1, "login: /bin/su\npasswd: /usr/bin/chsh\n"),
        "dpkg-statoverride --list /usr": Outcome(1),
    }
    host = Host(tmp_path, answers)
    host.write("/proc/1/mountinfo", MOUNTINFO)
    programs = {
        name: host.write(name, "", 0o4755) for name in ("/usr/bin/su", "/usr/bin/chsh", "/usr/bin/sudo", "/opt/own")
    }
    posture = host.posture()
    posture.privileged(["/usr/bin/sudo"])
    assert told(posture) == dict.fromkeys(("/opt/own", "/usr/bin/chsh", "/usr/bin/su"), ("4755", "0755"))
    posture.carry_out()
    modes = {name: path.stat().st_mode & 0o7777 for name, path in programs.items()}
    assert modes == {"/usr/bin/su": 0o755, "/usr/bin/chsh": 0o755, "/usr/bin/sudo": 0o4755, "/opt/own": 0o755}
    overrides = [asked for asked in host.asked if asked[0] == "dpkg-statoverride" and "--list" not in asked]
    assert overrides == [
        ["dpkg-statoverride", "--force-statoverride-add", "--add", ME, MINE, "0755", "/usr/bin/chsh"],
        ["dpkg-statoverride", "--remove", "/bin/su"],
        ["dpkg-statoverride", "--force-statoverride-add", "--add", ME, MINE, "0755", "/bin/su"],
    ]
    again = host.posture()
    again.privileged(["/usr/bin/sudo"])
    assert told(again) == {}
    assert [asked[0] for asked in host.asked[-1:]] == ["find"], "nothing to do, and yet more was asked"


def test_where_nothing_local_is_mounted_nothing_is_walked(host: Host) -> None:
    posture = host.posture()
    posture.privileged([])
    assert (told(posture), host.asked) == ({}, [])


SWAPS = """Filename Type Size Used Priority
/dev/dm-0 partition 9 100 -2
/dev/sda2 partition 9 0 -3
/dev/zram0 partition 9 0 -4
"""


@pytest.mark.parametrize(
    ("policy", "free", "off", "said"),
    [
        ("off", 5000, ["/dev/dm-0", "/dev/sda2"], []),
        ("encrypted", 5000, ["/dev/sda2"], []),
        ("off", 50, ["/dev/sda2"], ["swap /dev/dm-0"]),
    ],
)
def test_swap(host: Host, policy: str, free: int, off: list[str], said: list[str]) -> None:
    host.write("/proc/swaps", SWAPS)
    host.write("/proc/meminfo", f"MemTotal: 9 kB\nMemAvailable: {free} kB\n")
    host.write("/sys/block/dm-0/dm/uuid", "CRYPT-LUKS2-x\n")
    posture = host.posture()
    posture.swap(policy)
    posture.carry_out()
    assert [asked[-1] for asked in host.asked] == off
    assert list(posture.plan.lacking) == said


def test_an_error_of_the_system_names_the_step() -> None:
    posture = Posture(run)

    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    posture.plan.add("a step", "", "", fail)
    with pytest.raises(HostError, match="a step: No space left"):
        posture.carry_out()


def test_names_with_slashes_may_hold_dots() -> None:
    assert kernel.parameter_pattern("net/ipv4/conf/eth0.7/accept_ra") == "net/ipv4/conf/eth0.7/accept_ra"
    assert kernel.parameter_pattern("kernel.sysrq") == "kernel/sysrq"
    assert {"nosuid", "nodev", "noexec"} <= mounts.FLAGS
