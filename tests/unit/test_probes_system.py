# SPDX-License-Identifier: GPL-3.0-or-later
"""The live machine, on temporary trees."""

from __future__ import annotations

import os
import pathlib
import time

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils.probing import OutOfTime, Unreadable, time_limit
from ansible_collections.quorum.hardening.plugins.module_utils.system import (
    TOGETHER,
    Completed,
    Listener,
    System,
    hex_address,
)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\nodd\nops:x:1234:5::/:/bin/sh\n")
    return tmp_path


def test_files_are_seen_as_they_are(root):
    system = System(str(root))
    (root / "key").write_text("x")
    (root / "key").chmod(0o640)
    (root / "link").symlink_to("key")
    os.mkfifo(root / "pipe")
    assert (system.stat("/key").mode, system.stat("/key").kind, system.stat("/key").size) == (0o640, "file", 1)
    assert [system.stat(f"/{name}").kind for name in ("link", "etc", "pipe")] == ["link", "directory", "other"]
    assert system.stat("/none") is None
    assert system.stat("/key/below") is None
    assert system.read("/key") == "x"
    assert system.read("/none") is None
    assert system.listdir("/etc") == ["passwd"]
    assert system.listdir("/none") is None
    assert system.writable("/key")
    assert (system.user(1234), system.user(77)) == ("ops", "77")


def test_what_cannot_be_read_is_no_absence(root):
    system = System(str(root))
    (root / "loop").symlink_to("loop")
    with pytest.raises(Unreadable):
        system.read("/etc")
    with pytest.raises(Unreadable):
        system.listdir("/loop/x")
    with pytest.raises(Unreadable):
        system.stat("/loop/x")


def test_commands_run_once_in_the_c_locale():
    system = System()
    first = system.run(["sh", "-c", "echo $LC_ALL; date +%N; cat"], "in")
    assert first.out.startswith("C\n")
    assert first.out.endswith("in")
    assert system.run(["sh", "-c", "echo $LC_ALL; date +%N; cat"], "in") is first
    assert system.run(["no-such-program"]).code == 127
    assert system.run(["sh", "-c", "echo bad >&2; exit 3"]).code == 3
    with pytest.raises(Unreadable):
        system.run(["/etc/passwd"])


def test_a_hanging_command_is_ended_with_its_children(tmp_path):
    mark = tmp_path / "pid"
    with pytest.raises(OutOfTime), time_limit(0.5):
        System().run(["sh", "-c", f"sleep 77 & echo $! > {mark}; wait"])
    pid = int(mark.read_text())
    for _attempt in range(50):
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2]
        except OSError:
            state = "gone"
        if state in ("Z", "gone"):
            return
        time.sleep(0.1)
    pytest.fail("the child lives on")


def test_processes(root):
    proc = root / "proc"
    for pid, cmdline in (("7", b"/usr/bin/geth\0--x\0"), ("8", b""), ("9", b"nginx: worker\0")):
        (proc / pid).mkdir(parents=True)
        (proc / pid / "cmdline").write_bytes(cmdline)
        (proc / pid / "comm").write_text("nginx\n")
    (proc / "10").mkdir()
    (proc / "self").mkdir()
    (proc / "7" / "exe").symlink_to("/opt/goquorum/24.4.1/geth (deleted)")
    (proc / "7" / "fd").mkdir()
    (proc / "7" / "fd" / "3").symlink_to("socket:[4711]")
    (proc / "7" / "fd" / "4").symlink_to("/dev/null")
    (proc / "7" / "fd" / "5").write_text("no link")
    system = System(str(root))
    assert [(p.pid, p.name, p.argv) for p in sorted(system.processes(), key=lambda p: p.pid)] == [
        (7, "geth", ("/usr/bin/geth", "--x")),
        (9, "nginx", ("nginx: worker",)),
    ]
    assert system.processes() is system.processes()
    assert system.socket_inodes(7) == {4711}
    assert system.socket_inodes(99) == set()


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TAIL = "00000000:00000000 00:00000000 00000000     0        0"


def test_listeners(root):
    net = root / "proc" / "net"
    net.mkdir(parents=True)
    with pytest.raises(Unreadable):
        System(str(root)).listeners()
    (net / "tcp").write_text(
        HEAD
        + f"   0: 0B00007F:A39F 00000000:0000 0A {TAIL} 11 1\n   1: 0B00007F:A39F 0100007F:0016 01 {TAIL} 12 1\n x\n"
    )
    (net / "tcp6").write_text(HEAD + f"   0: 00000000000000000000000000000000:0016 0:0 0A {TAIL} 13 1\n")
    (net / "udp").write_text(HEAD + f"  10: 150112C6:765F 00000000:0000 07 {TAIL} 14 2\n")
    assert System(str(root)).listeners() == [
        Listener("tcp", "127.0.0.11", 41887, 11),
        Listener("tcp", "::", 22, 13),
        Listener("udp", "198.18.1.21", 30303, 14),
    ]


def test_addresses_of_both_families():
    assert hex_address("0100007F") == "127.0.0.1"
    assert hex_address("B80D0120000000000000000001000000") == "2001:db8::1"


def test_units_that_go_together_are_read_in_one_go(monkeypatch):
    asked = []

    def answer(self, argv, stdin):
        asked.append(argv[4:])
        return Completed(0, "\n".join(f"Id={unit}\nDeviceAllow=a\nDeviceAllow=b\n" for unit in argv[4:]), "")

    monkeypatch.setattr(System, "_run", answer)
    system = System()
    names = ["user.slice", "ssh.service", "nginx.service"]
    assert [system.unit(name)["Id"] for name in names] == names
    assert system.unit("user.slice")["DeviceAllow"] == "a\nb"
    assert asked == [list(TOGETHER), ["nginx.service"]]


def test_an_answer_for_too_few_units_is_none(monkeypatch):
    monkeypatch.setattr(System, "_run", lambda self, argv, stdin: Completed(0, "LoadState=loaded\n", ""))
    with pytest.raises(Unreadable, match=r"systemctl show ssh\.service"):
        System().unit("ssh.service")
