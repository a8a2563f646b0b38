# SPDX-License-Identifier: GPL-3.0-or-later
"""All updates at once, and what has to follow them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from landing_fakes import Script
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import patching
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome
from ansible_collections.quorum.hardening.plugins.module_utils.packages import Apt, Plan

PLAN = (
    "Inst nginx [1.21] (1.22-9 Debian-Security:12/stable-security [amd64])\nInst linux-image-6.1.0-9 (6.1 x [amd64])\n"
)


def host(tmp_path: Path, plan: str = PLAN, code: int = 0) -> tuple[Apt, Script]:
    def answer(argv: Sequence[str]) -> Outcome | None:
        return Outcome(code, plan, "E: it broke" if code else "") if "--simulate" in argv else None

    (tmp_path / "status").write_text("")
    script = Script(answer)
    return Apt(script, str(tmp_path / "status"), str(tmp_path / "lock"), 1), script


def test_everything_newer_is_brought(tmp_path: Path) -> None:
    apt, script = host(tmp_path)
    plan = patching.upgrade(apt, script, check_mode=False)
    assert plan.steps == {"nginx": ("1.21", "1.22-9"), "linux-image-6.1.0-9": ("", "6.1")}
    words = [" ".join(call) for call in script.calls]
    assert words[0].endswith(" update")
    assert words[1].endswith("--with-new-pkgs upgrade --simulate")
    assert words[2].endswith("--with-new-pkgs upgrade")


def test_nothing_newer_upgrades_nothing(tmp_path: Path) -> None:
    apt, script = host(tmp_path, "")
    assert patching.upgrade(apt, script, check_mode=False).steps == {}
    assert len(script.calls) == 2


def test_a_preview_fetches_and_changes_nothing(tmp_path: Path) -> None:
    apt, script = host(tmp_path)
    assert len(patching.upgrade(apt, script, check_mode=True).steps) == 2
    (call,) = script.calls
    assert "--simulate" in call
    with pytest.raises(HostError, match="it broke"):
        patching.upgrade(*host(tmp_path, code=100), check_mode=False)


MAPS = "7f00-7f01 r-xp 00001000 fe:00 132 /usr/lib/x86_64-linux-gnu/libc.so.6 (deleted)\n"


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/nginx.service\n", "nginx.service"),
        ("12:cpu:/x\n1:name=systemd:/system.slice/system-pg.slice/pg@15-main.service\n", "pg@15-main.service"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", ""),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", ""),
        ("0::/\n", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_unit_of_a_process(cgroup: str, unit: str) -> None:
    assert patching.unit_of(cgroup) == unit


def test_what_has_to_follow() -> None:
    units = {1: "init.scope", 5: "system.slice/dbus.service", 7: "system.slice/nginx.service"}
    units |= {8: "system.slice/nginx.service", 9: "user.slice/session-1.scope"}
    files = {f"/proc/{pid}/maps": MAPS for pid in units}
    files |= {f"/proc/{pid}/cgroup": f"0::/{unit}\n" for pid, unit in units.items()}
    files["/run/reboot-required"] = ""
    programs = [(pid, [name]) for pid, name in ((1, "systemd"), (5, "dbus"), (7, "nginx"), (8, "nginx"), (9, "bash"))]
    found = patching.follow_up(Plan(), FakeSystem(files=files, programs=programs))
    assert found.units == ["nginx.service"]
    assert found.programs == ["bash 9: /usr/lib/x86_64-linux-gnu/libc.so.6"]
    assert found.reboot[0] == "asked for by a package"
    assert [why.split()[0] for why in found.reboot[1:]] == ["systemd", "dbus"]


def test_where_the_host_stands_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"result": "failed", "problem": "x", "pending": []}')
    patching.record(Script(), Plan({"nginx": ("1.21", "1.22-9"), "new": ("", "1")}), str(path))
    state = json.loads(path.read_text())
    assert (state["result"], state["problem"], state["pending"]) == ("done", "", [])
    assert state["upgraded"] == ["new -> 1", "nginx 1.21 -> 1.22-9"]
