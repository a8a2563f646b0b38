# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of what an administrator must bring: the second factor's PAM stack and files, the server's own keys."""

from __future__ import annotations

from typing import Any

from .one_time import Refusal, parse
from .probing import Absent, Args, Observation
from .system import System


def pam_auth(args: Args, system: System) -> Observation:
    """What a PAM service asks for. args: path. found: its auth lines and includes, words apart by one blank."""
    path = str(args["path"])
    text = system.read(path)
    if text is None:
        raise Absent(f"{path} is not there")
    lines = [" ".join(line.split()) for line in text.replace("\\\n", " ").splitlines()]
    return Observation([line for line in lines if line.lstrip("-").startswith(("auth ", "@include common-auth"))], path)


def second_factors(args: Args, system: System) -> Observation:
    """Second factors of a host. args: path, administrators.

    found: enrolled (how many administrators have one), strange (files of others), loose (paths that somebody but root
    may read or write), weak (files that allow a code twice, many codes side by side, or endless tries).
    """
    path = str(args["path"])
    names = system.listdir(path)
    if names is None:
        return Observation({"enrolled": 0, "strange": [], "loose": [], "weak": []}, f"{path} (not there)")
    loose = []
    for target in [path, *(f"{path}/{name}" for name in names)]:
        seen = system.stat(target)
        if seen is not None and (seen.uid != 0 or seen.mode & 0o077 or seen.kind not in ("file", "directory")):
            loose.append(target)
    people = set(args["administrators"])
    found: dict[str, Any] = {"enrolled": sum(name in people for name in names), "loose": loose}
    # The PAM module and the program write beside the file and rename; what begins with a dot is nobody's.
    found["strange"] = [name for name in names if name not in people and not name.startswith(".")]
    found["weak"] = [name for name in names if name in people and _weak(system.read(f"{path}/{name}") or "")]
    return Observation(found, path)


def _weak(text: str) -> bool:
    try:
        factor = parse(text)
    except Refusal:
        return True
    named = {line.split()[1] for line in factor.options if len(line.split()) > 1}
    window, tries = factor.values("WINDOW_SIZE"), factor.values("RATE_LIMIT")
    return (
        not {"DISALLOW_REUSE", "TOTP_AUTH"} <= named
        or not window
        or window[0] > 3
        or len(tries) < 2
        or tries[0] > 3
        or tries[1] < 30
    )


PROBES = {"pam_auth": pam_auth, "second_factors": second_factors}
