# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that was removed under an undo is not forgotten: the undo may bring it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from landing_fakes import OwnNames, Script

from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground
from ansible_collections.quorum.hardening.plugins.module_utils.overlaying import Order, Overlay, Result
from ansible_collections.quorum.hardening.plugins.module_utils.tree import Entry

KEYS = Entry("/etc/keys/erin", b"key\n", undo="sshd")


class Rope:
    def arm(self, name: str, paths: list[str], commands: list[list[str]], seconds: int) -> Mapping[str, Any]:
        return {"extended": False}

    def settle(self, name: str) -> None: ...

    def disarm(self, name: str) -> None: ...


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    (tmp_path / "etc/keys").mkdir(parents=True)
    with Ground(str(tmp_path)) as found:
        yield found


def land(ground: Ground, *entries: Entry, role: str = "host", seconds: int = 45) -> Result:
    return Overlay(ground, Script(), OwnNames(), Rope()).apply(Order(role, entries, True, undo_seconds=seconds))


def test_what_an_undo_brought_back_is_removed_again(ground: Ground, tmp_path: Path) -> None:
    file = tmp_path / "etc/keys/erin"
    land(ground, KEYS)
    assert land(ground).removed == [KEYS.path]
    file.write_bytes(KEYS.content)
    assert land(ground).removed == [KEYS.path]
    assert not file.exists()


def test_once_it_is_gone_nothing_is_written_any_more(ground: Ground, tmp_path: Path) -> None:
    land(ground, KEYS)
    land(ground)
    memory = tmp_path / "var/lib/quorum.hardening/overlay/host.json"
    before = memory.stat().st_mtime_ns
    assert not land(ground).changed
    assert memory.stat().st_mtime_ns == before
    assert not land(ground, KEYS, role="other").kept
    assert land(ground, role="other").removed == [KEYS.path]


def test_without_an_undo_it_is_forgotten(ground: Ground, tmp_path: Path) -> None:
    land(ground, KEYS, seconds=0)
    assert land(ground, seconds=0).changed
    assert "erin" not in (tmp_path / "var/lib/quorum.hardening/overlay/host.json").read_text()
