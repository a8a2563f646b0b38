# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine as its first process has it, for those who sit in an SSH session.

What sshd may not do, no session may: it has mounts of its own, a read-only /proc/sys, and the kernel refuses it mounts,
modules, namespaces and the like. So a session looks through the eyes of the first process, and what it may not do it
asks of the first process, which runs it as a unit with an entry in the journal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .commands import SEARCH_PATH

#: The mounts as the first process has them, and the descriptions of them.
ROOT, MOUNTINFO, MOUNTS, STATUS = "/proc/1/root", "/proc/1/mountinfo", "/proc/1/mounts", "/proc/1/status"
BOOTED = "/run/systemd/system"
#: Seconds that a step may take, the same for the command and for who waits for it: none goes on unseen. The
#: audit's checker judges its rules one by one, and the walk for setuid bits sees every file.
PATIENCE = 300
ASK = (
    *("systemd-run", "--pipe", "--wait", "--collect", "--quiet", "--service-type=exec"),
    *("--description=A step of quorum.hardening", f"--property=RuntimeMaxSec={PATIENCE}"),
    *("--setenv=LC_ALL=C", f"--setenv=PATH={SEARCH_PATH}", "--"),
)


def seen(path: str, root: str = "") -> str:
    """Where a path of /proc or /sys is found as the first process sees it; the path itself where that cannot be had."""
    # Without the right to look, and below a directory that stands for a host in a test.
    return root + (ROOT if os.path.isdir(f"{root}{ROOT}/proc/1") else "") + path


def confined(root: str = "") -> bool:
    """Whether this process sits in mounts of its own, and the first process can be asked instead.

    A service of ours that sits in a sandbox has what it needs there; it has given up new privileges, as no session can.
    """
    try:
        with open(f"{root}/proc/self/status", encoding="utf-8", errors="replace") as handle:
            may_rise = "\nNoNewPrivs:\t0\n" in handle.read()
        apart = os.readlink(f"{root}/proc/self/ns/mnt") != os.readlink(f"{root}/proc/1/ns/mnt")
    except OSError:
        return False
    return may_rise and apart and os.path.isdir(root + BOOTED)


def through(argv: Sequence[str], root: str = "") -> list[str]:
    """The command, asked of the first process where this one is confined; input, output and exit code are the same."""
    # systemd reads ${NAME} and $$ in the words of a command for itself.
    return [*ASK, *(word.replace("$", "$$") for word in argv)] if confined(root) else list(argv)
