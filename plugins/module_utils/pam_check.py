# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PAM has no checker of its own, and a slip in its files shuts out everybody: this one reads what PAM would read.

The validator ``pam`` runs this file's own text as a program, over the staged whole. So it uses nothing but the standard
library and imports nothing of the collection. Syntax after pam.conf(5).
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

FOLDER = "/etc/pam.d"
PLACES = ("/lib/security", "/usr/lib/security", "/lib/*/security", "/usr/lib/*/security")
WORDS = ("required", "requisite", "sufficient", "optional", "include", "substack")
ACTIONS = ("ignore", "bad", "die", "ok", "done", "reset")
LINE = re.compile(r"(-?)(auth|account|password|session)\s+(\[[^\]]*\]|\S+)\s+(\S+)(\s.*)?\Z", re.IGNORECASE)
INCLUDE = re.compile(r"@include\s+(\S+)\Z")
DEEPEST = 16


@dataclass(frozen=True)
class Step:
    """One line of a stack and the file it stands in. ``jumps``: how many lines each of its results leaves out."""

    file: str
    kind: str
    control: str
    module: str
    optional: bool = False
    jumps: tuple[int, ...] = ()


def lines(text: str) -> list[str]:
    """Lines that say something: continued ones joined, comments and blanks left out."""
    bare = (line.split("#", 1)[0].strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in bare if line]


def parse(file: str, line: str) -> tuple[Step | None, str]:
    """A line as a step, or what is wrong with it."""
    found = LINE.match(line)
    if not found:
        return None, f"{file}: {line!r} is no line of PAM"
    dash, kind, control, module = found.group(1, 2, 3, 4)
    jumps = []
    if control.startswith("["):
        for pair in control[1:-1].split():
            value, equals, action = pair.partition("=")
            if not (value and equals) or not (action in ACTIONS or action.isdigit()):
                return None, f"{file}: {pair!r} in {control} is no value and action"
            if action.isdigit():
                jumps.append(int(action))
    elif control.lower() not in WORDS:
        return None, f"{file}: {control!r} is no control"
    return Step(file, kind.lower(), control.lower(), module, bool(dash), tuple(jumps)), ""


class Checker:
    """The files of PAM by name, and the modules there are (base names; for an absolute path the path)."""

    def __init__(self, files: Mapping[str, str], modules: Collection[str]) -> None:
        self._files = files
        self._modules = modules

    def stack(self, name: str, problems: list[str], depth: int = 0) -> list[Step]:
        """All steps of a service in their order, with what it includes."""
        steps: list[Step] = []
        for line in lines(self._files[name]):
            include = INCLUDE.match(line)
            if not include:
                step, problem = parse(name, line)
                problems += [problem] if problem else []
                steps += [step] if step else []
            elif os.path.basename(include[1]) not in self._files:
                problems.append(f"{name}: includes {include[1]}, which is not there")
            elif depth >= DEEPEST:
                problems.append(f"{name}: includes {include[1]} again and again")
            else:
                steps += self.stack(os.path.basename(include[1]), problems, depth + 1)
        return steps

    def problems(self, changed: Sequence[str]) -> list[str]:
        """What is wrong with the changed files, and with every service that reads one of them.

        What was wrong elsewhere before is not for us to refuse.
        """
        found: list[str] = []
        for name in sorted(self._files):
            told: list[str] = []
            steps = self.stack(name, told)
            if name in changed or any(step.file in changed for step in steps):
                found += told + [p for step in steps if step.file in changed for p in self._module(step)]
                found += self._jumps(name, steps)
            else:
                found += [problem for problem in told if any(f"includes {one}," in problem for one in changed)]
        return list(dict.fromkeys(found))

    def _module(self, step: Step) -> list[str]:
        if step.control in ("include", "substack"):
            return [] if step.module in self._files else [f"{step.file}: {step.control} {step.module}: not found"]
        if step.optional or step.module in self._modules:
            return []
        return [f"{step.file}: the module {step.module} is not found"]

    @staticmethod
    def _jumps(name: str, steps: Sequence[Step]) -> list[str]:
        found = []
        for kind in ("auth", "account", "password", "session"):
            mine = [step for step in steps if step.kind == kind]
            for place, step in enumerate(mine):
                if any(place + jump + 1 >= len(mine) for jump in step.jumps if jump):
                    found.append(f"{name}: {kind} {step.control} {step.module} leads past the end")
        return found


def main(argv: Sequence[str]) -> int:
    """Judge the files given as paths; says what is wrong and exits with 1, or is silent."""
    files = {}
    for name in os.listdir(FOLDER):
        path = os.path.join(FOLDER, name)
        # What a package leaves beside its file has a dot in its name; no service has.
        if "." not in name and not name.endswith("~") and os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as handle:
                files[name] = handle.read()
    modules = {path for place in PLACES for path in glob.glob(f"{place}/*.so")}
    modules |= {os.path.basename(path) for path in modules}
    found = Checker(files, modules).problems([os.path.basename(path) for path in argv])
    sys.stderr.write("".join(f"{problem}\n" for problem in found))
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
