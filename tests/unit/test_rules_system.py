# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the system that need a look at the host."""

from __future__ import annotations

from typing import Any

import pytest
from consortium_sample import inventory, preflight

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Finding

LOOK = {"distribution": "debian", "version": "12", "memory_mb": 1000, "tmp_mb": 900, "capabilities": {"modules": True}}


def mount(kind: str) -> dict[str, Any]:
    return {"type": kind, "options": ["rw"]}


def judged(look: dict[str, Any], **variables: Any) -> list[Finding]:
    return preflight(inventory(**variables), looks={"vault": {**LOOK, **look}})


@pytest.mark.parametrize(
    ("look", "variables", "rule", "problem"),
    [
        ({"mounts": {"/": mount("ext4")}}, {"host_mount_options": {"/srv": ["nodev"]}}, "mount-options", "is no mount"),
        ({"mounts": {"/srv": mount("squashfs")}}, {}, "module-in-use", "mounted squashfs"),
        ({"mounts": {"/srv": mount("nfs4")}}, {"host_modules": {"nfs4": False}}, "module-in-use", "mounted nfs4"),
        (
            {"mounts": {"/srv": mount("fuseblk")}},
            {"host_modules": {"fuse": False, "ntfs3": True}},
            "module-in-use",
            "fuseblk",
        ),
        ({"memory_mb": 200}, {}, "tmp-size", "50 MiB: too small"),
        ({"memory_mb": 200}, {"host_tmp_size": "150m"}, "tmp-size", "takes the host down"),
        ({"mounts": {"/tmp": mount("ext4")}, "tmp_mb": 32}, {}, "tmp-size", "too small"),
    ],
)
def test_what_only_a_look_shows(look: dict[str, Any], variables: dict[str, Any], rule: str, problem: str) -> None:
    found = judged(look, **variables)
    assert [(finding.rule, finding.host) for finding in found] == [(rule, "vault")], [f.line() for f in found]
    assert problem in found[0].problem
    assert found[0].advice


@pytest.mark.parametrize(
    ("look", "variables"),
    [
        (
            {"mounts": {"/srv": mount("xfs")}},
            {"host_mount_options": {"/srv": ["nodev"], "/var/tmp": ["nodev"], "/gone": []}},
        ),
        ({"mounts": {"/srv": mount("squashfs")}}, {"host_modules": {"squashfs": True}}),
        ({"mounts": {"/": mount("overlay")}, "capabilities": {"modules": False}}, {}),
        ({"mounts": {"/tmp": mount("ext4")}, "tmp_mb": 100}, {}),
        ({}, {"host_tmp_size": "64m"}),
        ({"capabilities": {"clock": False}}, {}),
    ],
)
def test_what_is_in_order(look: dict[str, Any], variables: dict[str, Any]) -> None:
    assert [finding.line() for finding in judged(look, **variables)] == []


def test_a_clock_that_belongs_to_the_machine_below_needs_no_server() -> None:
    looks = {name: {**LOOK, "capabilities": {"clock": False}} for name in inventory()}
    assert preflight(inventory(host_ntp_servers=[]), looks=looks) == []
