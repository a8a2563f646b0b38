# SPDX-License-Identifier: GPL-3.0-or-later
"""The daily patching: versions, what is pending, what is written down, and who holds dpkg."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import patch_run

STATUS = """Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.0.1-1
Description: x
 continued

Package: nginx
Status: install ok installed
Architecture: amd64
Version: 1.22-1

Package: held
Status: hold ok installed
Architecture: all
Version: 1

Package: gone
Status: deinstall ok config-files
Version: 1
"""
LIST = """Package: openssl
Architecture: amd64
Version: 3.0.1-1+deb12u1

Package: openssl
Architecture: amd64
Version: 3.0.1-1+deb12u2

Package: nginx
Architecture: amd64
Version: 1.22-1+deb12u1

Package: held
Architecture: all
Version: 2

Package: gone
Architecture: all
Version: 2

Package: openssl
Architecture: i386
Version: 9
"""


@pytest.mark.parametrize(
    "order",
    [
        ["1.0~~", "1.0~~a", "1.0~rc1", "1.0", "1.0-1~bpo12+1", "1.0-1", "1.0-1+deb12u1", "1.0-1.1", "1.0a", "1.0+dfsg"],
        ["9", "10", "1:0.1", "2:0"],
        ["2.36-9+deb12u9", "2.36-9+deb12u10", "2.36-10"],
        ["1.0a", "1.0z", "1.0+", "1.0.1", "1.9", "1.10"],
        ["6.1.112-1", "6.1.115-1", "6.12.9-1"],
    ],
)
def test_versions_sort_as_dpkg_sorts_them(order: list[str]) -> None:
    shuffled = order[::-1]
    assert sorted(shuffled, key=patch_run.version_key) == order


def test_an_epoch_that_is_no_number_counts_as_none() -> None:
    assert patch_run.version_key("x:1") < patch_run.version_key("1:1")


def test_the_newest_offer_for_what_is_here() -> None:
    have = patch_run.installed(STATUS)
    assert set(have) == {"openssl", "nginx", "held"}
    assert patch_run.offers(LIST, have) == {"openssl": "3.0.1-1+deb12u2", "nginx": "1.22-1+deb12u1", "held": "2"}


def test_an_update_is_as_old_as_its_first_sight() -> None:
    have = patch_run.installed(STATUS)
    known = [
        {"package": "openssl", "installed": "3.0.1-1", "offered": "3.0.1-1+deb12u1", "since": "then"},
        {"package": "nginx", "installed": "1.20-1", "offered": "1.22-1", "since": "then"},
    ]
    rows = patch_run.pending(have, patch_run.offers(LIST, have), known, ["^nginx"], "now")
    assert [(row["package"], row["since"], row["blocked"]) for row in rows] == [
        ("held", "now", "on hold"),
        ("nginx", "now", "left to the patch playbook"),
        ("openssl", "then", ""),
    ]


def lock_of_another(path: Path, seconds: float) -> subprocess.Popen[str]:
    program = (
        "import fcntl,sys,time; h=open(sys.argv[1],'w'); fcntl.lockf(h, fcntl.LOCK_EX); print('held', flush=True);"
        " time.sleep(float(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(path), str(seconds)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


def test_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert patch_run.lock_holder(str(path)) == 0
    path.write_text("")
    assert patch_run.wait_for_lock(5, str(path)) == 0
    other = lock_of_another(path, 30)
    try:
        assert patch_run.lock_holder(str(path)) == other.pid
        assert patch_run.wait_for_lock(0.2, str(path), 0.05) == other.pid
        threading.Timer(0.3, other.kill).start()
        assert patch_run.wait_for_lock(10, str(path), 0.05) == 0
    finally:
        other.kill()
        other.wait()
    with open(path, "w", encoding="ascii") as mine:
        fcntl.lockf(mine, fcntl.LOCK_EX)
        assert patch_run.lock_holder(str(path)) == 0


class Host:
    """A host made of answers."""

    def __init__(self, tmp_path: Path, **codes: int) -> None:
        self.codes = codes
        self.calls: list[str] = []
        self.state = tmp_path / "state/state.json"
        self.status = tmp_path / "status"
        self.status.write_text(STATUS)
        self.upgrade: Callable[[], Any] = lambda: None

    def __call__(self, argv: Sequence[str]) -> tuple[int, str]:
        words = " ".join(argv)
        self.calls.append(words)
        if "apt-config" in words:
            said = 'Unattended-Upgrade::Package-Blacklist "";\nUnattended-Upgrade::Package-Blacklist:: "^nginx";\n'
            return 0, said
        if "indextargets" in words:
            return (
                0,
                "Debian\tbookworm\t/l/main\nDebian-Security\tbookworm-security\t/l/sec\nDebian-Security\tx\t/l/no\n",
            )
        if "cat-file" in words:
            return (0, LIST) if words.endswith("/l/sec") else (1, "E: no such file")
        if "unattended-upgrade" in words:
            self.upgrade()
            return self.codes.get("upgrade", 0), "ERROR it broke\n"
        return self.codes.get("update", 0), "Hit:1\nE: Failed to fetch\n"

    def run(self) -> tuple[int, dict[str, Any]]:
        code = patch_run.patch(self, str(self.state), str(self.status), str(self.status) + ".lock")
        return code, json.loads(self.state.read_text())


def test_a_run_writes_down_what_it_did_and_what_is_left(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.upgrade = lambda: host.status.write_text(STATUS.replace("Version: 3.0.1-1", "Version: 3.0.1-1+deb12u2"))
    code, state = host.run()
    assert (code, state["result"], state["problem"]) == (0, "done", "")
    assert state["upgraded"] == ["openssl 3.0.1-1 -> 3.0.1-1+deb12u2"]
    assert [row["package"] for row in state["pending"]] == ["held", "nginx"]
    assert state["security_sources"] == ["Debian-Security bookworm-security", "Debian-Security x"]
    assert state["updated"]
    assert host.state.stat().st_mode & 0o777 == 0o600
    assert host.state.parent.stat().st_mode & 0o777 == 0o700
    since = [row["since"] for row in state["pending"]]
    again = host.run()[1]
    assert [row["since"] for row in again["pending"]] == since


def test_a_mirror_that_fails_leaves_the_lists_as_old_as_they_were(tmp_path: Path) -> None:
    host = Host(tmp_path, update=100)
    host.state.parent.mkdir()
    host.state.write_text('{"updated": "2026-01-01T00:00:00Z"}')
    code, state = host.run()
    assert (code, state["result"], state["updated"]) == (1, "failed", "2026-01-01T00:00:00Z")
    assert state["problem"] == "apt-get: E: Failed to fetch"
    assert not any("unattended" in call for call in host.calls)
    assert len(state["pending"]) == 3


def test_an_upgrade_that_fails_says_so(tmp_path: Path) -> None:
    code, state = Host(tmp_path, upgrade=1).run()
    assert (code, state["result"], state["problem"]) == (1, "failed", "unattended-upgrade: ERROR it broke")


def test_a_lock_that_is_never_let_go_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_run, "wait_for_lock", lambda **_given: 77)
    code, state = Host(tmp_path).run()
    assert (code, state["result"]) == (1, "failed")
    assert "process 77" in state["problem"]


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_state_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "s").write_text(text)
    assert patch_run.read_state(str(tmp_path / "s")) == {}
    assert patch_run.read_state(str(tmp_path / "none")) == {}


def test_a_half_written_state_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "s.new").write_text("{")
    patch_run.write_state({"a": 1}, str(tmp_path / "s"))
    assert patch_run.read_state(str(tmp_path / "s")) == {"a": 1}
    assert os.listdir(tmp_path) == ["s"]


def test_commands() -> None:
    assert patch_run.run_command(["sh", "-c", "echo $LC_ALL; echo bad >&2; exit 3"]) == (3, "C\nbad\n")
    assert patch_run.run_command(["no-such-program"])[0] == 127
    assert patch_run.last_words("a\n\nb\n") == "a; b"


def test_a_request_to_stop_is_passed_on_and_the_end_awaited(tmp_path: Path) -> None:
    """The whole program, as systemd stops it: what it started hears of it and may finish."""
    script = "trap 'echo heard; sleep 0.3; echo finished; exit 9' TERM; echo up > $0; while :; do sleep 0.05; done"
    mark = tmp_path / "up"
    program = (
        "import runpy,sys; run = runpy.run_path(sys.argv[1])['run_command'];"
        " print(run(['sh', '-c', sys.argv[2], sys.argv[3]]), flush=True)"
    )
    command = [sys.executable, "-c", program, patch_run.__file__, script, str(mark)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 20
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.02)
    child.terminate()
    said, _nothing = child.communicate(timeout=20)
    assert said.strip() == "(9, 'heard\\nfinished\\n')"
