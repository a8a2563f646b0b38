# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of itself, for those who judge it and those who change it."""

from __future__ import annotations

import os
import socket
import struct

AUDIT_GET = 1000


def parameter_pattern(name: str) -> str:
    """Path of a parameter below /proc/sys; a name with slashes may hold dots (an interface's, say)."""
    return name if "/" in name else name.replace(".", "/")


def loaded(modules: str) -> dict[str, int]:
    """Loaded modules and how many things use each, of the text of /proc/modules."""
    rows = (line.split() for line in modules.splitlines())
    return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdigit()}


def swap_areas(swaps: str) -> dict[str, int]:
    """Swap areas and the KiB in use of each, of the text of /proc/swaps; compressed memory is no disk."""
    rows = (line.split() for line in swaps.splitlines()[1:])
    return {row[0]: int(row[3]) for row in rows if len(row) > 3 and not os.path.basename(row[0]).startswith("zram")}


def encrypted(area: str, root: str = "") -> bool:
    """Whether a swap area lies on a device that the kernel encrypts."""
    name = os.path.basename(os.path.realpath(area))
    try:
        with open(f"{root}/sys/block/{name}/dm/uuid", encoding="utf-8") as handle:
            return handle.read().startswith("CRYPT-")
    except OSError:
        return False


def audit_answers() -> bool:
    """Whether the kernel's audit subsystem talks to us; it does not to a container."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 9) as link:
            link.settimeout(0.5)
            link.send(struct.pack("=IHHII", 16, AUDIT_GET, 1, 1, 0))
            return answer_is_status(link.recv(4096))
    except OSError:
        return False


def answer_is_status(answer: bytes) -> bool:
    """Whether a netlink answer is the audit status rather than a refusal."""
    return len(answer) >= 16 and struct.unpack_from("=IH", answer)[1] == AUDIT_GET
