# SPDX-License-Identifier: GPL-3.0-or-later
"""When a host patches itself, and what it leaves to the playbook."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from consortium_sample import consortium

from ansible_collections.quorum.hardening.plugins.module_utils.patch_plan import (
    DEFAULTS,
    HELD,
    NAME,
    patching,
    pattern,
    slot,
)

ROOT = Path(__file__).resolve().parents[2]


def test_every_host_has_a_time_of_its_own() -> None:
    names = [f"host{number}" for number in range(9)]
    slots = [slot(names, name, 2) for name in names]
    assert len(set(slots)) == 9
    assert min(slots) == "02:00:00"
    assert max(slots) == "04:40:00"
    assert slot(list(reversed(names)), "host3", 2) == slot(names, "host3", 2)
    assert slot(["a", "b"], "b", 23) == "00:30:00"
    many = [f"{number:04d}" for number in range(500)]
    assert len({slot(many, name, 2) for name in many}) == 500


def test_what_the_ledger_stands_on_is_left_to_the_playbook() -> None:
    c = consortium()
    held = patching(c, "validator1", {"host_patch_held_packages": ["curl", "nginx*"]})["held"]
    assert held == ["^curl$", "^libnginx-", "^nginx"]
    assert patching(c, "vault", {}) == {
        "slot": patching(c, "vault", {"host_patch_hour": None})["slot"],
        "origins": ["origin=Debian,codename=${distro_codename}-security,label=Debian-Security"],
        "held": [],
        "max_age_days": 7,
    }
    assert len(patching(c, "vault", {"host_patch_origins": "all"})["origins"]) == 3
    odd = {"host_patch_hour": "noon", "host_patch_max_age_days": [], "host_patch_held_packages": "nginx"}
    assert patching(c, "vault", odd) == patching(c, "vault", {})


def test_patterns_mean_the_whole_name() -> None:
    assert re.match(pattern("libstdc++6"), "libstdc++6")
    assert not re.match(pattern("nginx"), "nginx-common")
    assert re.match(pattern("nginx*"), "nginx-common")
    assert all(NAME.fullmatch(name) for names in HELD.values() for name in names)


def test_defaults_are_the_roles() -> None:
    role = yaml.safe_load((ROOT / "roles/host/defaults/main.yml").read_text())
    assert {name: value for name, value in role.items() if name.startswith("host_patch_")} == DEFAULTS
