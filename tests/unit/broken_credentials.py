# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes about what administrators must bring."""

from __future__ import annotations

from broken_inventories import on, row

BROKEN_CREDENTIALS = [
    row(
        "store by key alone",
        "second-factor vault host_ssh_second_factor",
        "one stolen key",
        "PTM-10 in host_skip_controls",
        on("vault", host_ssh_second_factor=False),
    ),
    row(
        "no time for a code",
        "second-factor vault host_undo_seconds",
        "unused code",
        "90 or more",
        on("vault", host_undo_seconds=60),
    ),
    row(
        "no time for a code elsewhere",
        "second-factor jump host_undo_seconds",
        "unused code",
        "90 or more",
        on("jump", host_undo_seconds=60, host_ssh_second_factor="yes"),
    ),
]
