# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each daemon judges its configuration, and how its checker is shown files that have not landed yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import first_process, pam_check

# Runs inside a private mount namespace: puts new files where nothing is yet (as well as the kernel lets it), mounts
# copies over the real places, empties directories, and becomes the checker. All names come in as arguments. The copies
# come second: a layer over a parent directory would hide what is mounted below it.
ENTER = """set -eu
n=$1; shift
while [ "$n" -gt 0 ]; do
  mount -t overlay overlay -o "lowerdir=$3,upperdir=$1,workdir=$2" "$3" 2>/dev/null || :
  shift 3; n=$((n - 1))
done
n=$1; shift
while [ "$n" -gt 0 ]; do
  mount --bind -- "$1" "$2"
  # The copies lie below /run, from where nothing is executed; a checker of units asks whether their programs could be.
  mount -o remount,bind,exec -- "$2"
  shift 2; n=$((n - 1))
done
n=$1; shift
while [ "$n" -gt 0 ]; do
  [ ! -d "$1" ] || mount -t tmpfs -o mode=0755,size=16m tmpfs "$1"
  shift; n=$((n - 1))
done
n=$1; shift
while [ "$n" -gt 0 ]; do mkdir -p -- "$1"; shift; n=$((n - 1)); done
exec "$@"
"""
UNIT_DIRECTORY = "/etc/systemd/system"

Command = Callable[[Sequence[str], Sequence[str]], "list[str]"]


def below(path: str, root: str) -> bool:
    """Whether a path is a root or lies below it."""
    return path == root or path.startswith(root + "/")


@dataclass(frozen=True)
class Validator:
    """How a daemon judges its configuration.

    ``roots``: what it reads. ``program``: the checker. ``command``: its arguments, from the paths that change and the
    paths that leave; none when there is nothing to judge. ``empty``: directories that are empty in the checker's view,
    so that it can leave no trace there; ``made``: directories it wants to find.
    """

    roots: tuple[str, ...]
    program: str
    command: Command
    empty: tuple[str, ...] = ()
    made: tuple[str, ...] = ()


def _units(changing: Sequence[str], leaving: Sequence[str]) -> list[str]:
    """Units that the paths are files or drop-ins of, without those that leave."""
    gone = {os.path.basename(path) for path in leaving if os.path.dirname(path) == UNIT_DIRECTORY}
    units = set()
    for path in (*changing, *leaving):
        name = path[len(UNIT_DIRECTORY) + 1 :].split("/")[0]
        name = name[:-2] if name.endswith(".d") else name
        # A drop-in for all units of a type has no unit of its own.
        if path.startswith(UNIT_DIRECTORY + "/") and "." in name and not name.endswith((".wants", ".requires")):
            units.add(name)
    units -= gone
    return ["verify", "--man=no", "--recursive-errors=no", *sorted(units)] if units else []


def _always(*arguments: str) -> Command:
    return lambda changing, leaving: list(arguments)


def _pam(changing: Sequence[str], leaving: Sequence[str]) -> list[str]:
    # Asked of the loader and not of a file: an Ansible module runs from a zip archive.
    loader: Any = pam_check.__loader__
    return ["-I", "-c", str(loader.get_source(pam_check.__name__)), *changing, *leaving]


# The client locks the data directory it is given, so it gets an empty one.
_GETH = ("--datadir", "/run/scratch", "--config", "/etc/goquorum/config.toml", "dumpconfig")

# auditctl has no dry run. In a process namespace of its own it judges the words, and the kernel refuses to hear it.
_AUDIT = """
status=0
for file in /etc/audit/rules.d/*.rules; do
  number=0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    case $line in ''|'#'*) continue ;; esac
    # The words are parted at spaces, as auditctl itself parts the lines of its files.
    said=$(set -f; auditctl $line 2>&1 </dev/null | grep -v -e '^Error sending ' -e ' is slower$' -e ' are slower$' \
      -e '^There was an error while processing parameters$' || :)
    [ -z "$said" ] || { echo "$file, line $number: $line: $said" >&2; status=1; }
  done <"$file"
done
exit $status
"""

VALIDATORS: Mapping[str, Validator] = {
    "sshd": Validator(("/etc/ssh",), "sshd", _always("-t"), ("/run",), ("/run/sshd",)),
    "sudoers": Validator(("/etc/sudoers", "/etc/sudoers.d"), "visudo", _always("-c", "-q")),
    "pam": Validator(("/etc/pam.d",), "python3", _pam),
    "nginx": Validator(("/etc/nginx",), "nginx", _always("-t", "-q"), ("/run", "/var/log/nginx", "/var/lib/nginx")),
    "systemd": Validator((UNIT_DIRECTORY,), "systemd-analyze", _units),
    "geth": Validator(("/etc/goquorum",), "/opt/goquorum/current/geth", _always(*_GETH), ("/run",), ("/run/scratch",)),
    "audit": Validator(("/etc/audit",), "unshare", _always("--pid", "--fork", "sh", "-c", _AUDIT)),
    "apt": Validator(("/etc/apt",), "apt-config", _always("dump")),
    "rsyslog": Validator(("/etc/rsyslog.conf", "/etc/rsyslog.d"), "rsyslogd", _always("-N1")),
}
NAMES = ("none", "json", *VALIDATORS)


@dataclass
class View:
    """What the checker sees instead of the host's own files.

    ``copies``: pairs of (copy, place). ``additions``: triples of (new files, scratch, directory they appear in).
    """

    copies: list[tuple[str, str]] = field(default_factory=list)
    additions: list[tuple[str, str, str]] = field(default_factory=list)

    def command(self, validator: Validator, program: str, arguments: Sequence[str]) -> list[str]:
        """The checker's command inside its own mount namespace."""
        groups: list[Sequence[tuple[str, ...]]] = [
            self.additions,
            self.copies,
            [(path,) for path in validator.empty],
            [(path,) for path in validator.made],
        ]
        counted = [word for group in groups for word in (str(len(group)), *(part for row in group for part in row))]
        enter = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", ENTER, "sh"]
        return first_process.through([*enter, *counted, program, *arguments])
