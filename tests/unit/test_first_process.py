# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sits in a session looks and asks through the first process; everybody else does things himself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import first_process
from ansible_collections.quorum.hardening.plugins.module_utils.first_process import confined, seen, through


def host(root: Path, own: str = "mnt:[2]", rise: str = "0", booted: bool = True) -> str:
    for pid, space in (("self", own), ("1", "mnt:[1]")):
        (root / f"proc/{pid}/ns").mkdir(parents=True)
        os.symlink(space, root / f"proc/{pid}/ns/mnt")
    (root / "proc/self/status").write_text(f"Name:\tx\nNoNewPrivs:\t{rise}\nSeccomp:\t2\n", encoding="utf-8")
    if booted:
        (root / first_process.BOOTED.lstrip("/")).mkdir(parents=True)
    return str(root)


@pytest.mark.parametrize(
    ("given", "asks"),
    [({}, True), ({"own": "mnt:[1]"}, False), ({"rise": "1"}, False), ({"booted": False}, False)],
    ids=["session", "mounts of the machine", "sandbox of a service", "no systemd"],
)
def test_only_a_session_asks_the_first_process(tmp_path: Path, given: dict[str, Any], asks: bool) -> None:
    root = host(tmp_path, **given)
    assert confined(root) is asks
    command = through(["mount", "-o", "remount,ro", "--", "/mnt"], root)
    assert command[-5:] == ["mount", "-o", "remount,ro", "--", "/mnt"]
    assert (command[0] == "systemd-run") is asks


def test_where_nothing_can_be_read_nothing_is_asked(tmp_path: Path) -> None:
    assert not confined(str(tmp_path))
    assert through(["true"], str(tmp_path)) == ["true"]


def test_what_the_first_process_sees(tmp_path: Path) -> None:
    assert seen("/proc/sys/a", str(tmp_path)) == f"{tmp_path}/proc/sys/a"
    (tmp_path / "proc/1/root/proc/1").mkdir(parents=True)
    assert seen("/proc/sys/a", str(tmp_path)) == f"{tmp_path}/proc/1/root/proc/sys/a"


def test_systemd_reads_no_variable_into_the_words(tmp_path: Path) -> None:
    root = host(tmp_path)
    assert through(["sh", "-c", 'echo ${A} $$ "$B"'], root)[-1] == 'echo $${A} $$$$ "$$B"'
