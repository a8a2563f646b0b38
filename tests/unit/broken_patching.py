# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes about updates: where they come from, when, and what is kept back."""

from __future__ import annotations

from broken_inventories import everywhere, on, row

BROKEN_PATCHING = [
    row(
        "no mirror",
        "patch-mirror vault host_package_mirrors",
        "no security update",
        "package proxy",
        on("vault", host_package_mirrors=[]),
    ),
    row(
        "no package's name",
        "patch-held consortium host_patch_held_packages[0]",
        "not the name of a package",
        "asterisk",
        everywhere(host_patch_held_packages=["nginx; reboot"]),
    ),
    row(
        "no text",
        "patch-held vault host_patch_held_packages[1]",
        "not the name of a package",
        "asterisk",
        on("vault", host_patch_held_packages=["curl", 7]),
    ),
    row(
        "keeps the kernel back",
        "patch-held vault host_patch_held_packages[0]",
        "of linux-image-",
        "whole name",
        on("vault", host_patch_held_packages=["linux*"]),
    ),
    row(
        "keeps openssl back",
        "patch-held vault host_patch_held_packages[0]",
        "of openssl waiting",
        "one service only",
        on("vault", host_patch_held_packages=["openssl"]),
    ),
    row("no hour", "range vault host_patch_hour", "out of range", "0 to 23", on("vault", host_patch_hour=24)),
    row(
        "patience without end",
        "range vault host_patch_max_age_days",
        "out of range",
        "1 to 90",
        on("vault", host_patch_max_age_days=365),
    ),
]
