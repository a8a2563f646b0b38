# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of what an account may do once it is on the host: sudo, PAM, passwords, and what people leave behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from . import pam_check
from .accounts import NO_SHELLS, SHADOWED, logs_in_nowhere
from .accounts_book import Account, Book, parse
from .accounts_host import BY_NAME
from .probing import Absent, Args, Inapplicable, Observation, Unreadable
from .system import System

FILES = "/etc/passwd, /etc/shadow, /etc/group"
ASSIGNED = re.compile(r"(?:export\s+|readonly\s+)?(\w+)(?:\s*=\s*|\s+|\Z)(.*)\Z")


def _book(system: System) -> Book:
    texts = []
    for name in ("passwd", "group", "shadow"):
        text = system.read(f"/etc/{name}")
        if text is None:
            raise Unreadable(f"/etc/{name}: not there")
        texts.append(text)
    return parse(*texts)


def _opens(account: Account) -> bool:
    """Whether some password opens the account."""
    return account.password != SHADOWED and not account.password.startswith(("!", "*"))


def account_state(args: Args, system: System) -> Observation:
    """What no account may be or have. args: powerful (groups that lead to root), closed (a group that stays empty).

    found: roots (accounts of uid 0), empty (accounts that no password keeps), shells and passwords (services, and
    people without a shell, that could log in), powerful ("person group"), closed (members, or that there is none such).
    """
    book = _book(system)
    closed = str(args["closed"])
    services = [account for account in book.accounts.values() if account.system]
    found = {
        "roots": [account.name for account in book.accounts.values() if account.uid == 0],
        "empty": [account.name for account in book.accounts.values() if not account.password],
        "shells": [f"{account.name} {account.shell}" for account in services if account.shell not in NO_SHELLS],
        "passwords": [
            account.name for account in book.accounts.values() if logs_in_nowhere(account) and _opens(account)
        ],
        "powerful": [
            f"{name} {group}"
            for group in args["powerful"]
            for name in book.groups.get(str(group), ())
            if name in book.accounts and book.accounts[name].person
        ],
        "closed": list(book.groups[closed]) if closed in book.groups else [f"no group {closed}"],
    }
    return Observation({name: sorted(values) for name, values in found.items()}, FILES)


def account_ends(args: Args, system: System) -> Observation:
    """Last day of accounts as the host keeps it. args: names. found: name -> YYYY-MM-DD, empty for no end."""
    book = _book(system)
    found = {}
    for name in args["names"]:
        account = book.accounts.get(str(name))
        ends = account.expires if account else "no account"
        if ends.isdigit():
            ends = (date(1970, 1, 1) + timedelta(days=int(ends) - 1)).isoformat()
        found[str(name)] = ends
    return Observation(found, "/etc/shadow")


def former_people(args: Args, system: System) -> Observation:
    """What people who left still have. args: people (who is listed). found: "name what", of accounts that we made."""
    book = _book(system)
    found = []
    for account in book.accounts.values():
        if not account.ours or account.name in args["people"]:
            continue
        left = [f"is in {group}" for group in book.groups_of(account.name)]
        left += [] if account.locked_by_us else ["is open"]
        left += ["has a password"] if _opens(account) else []
        left += [f"has {folder}/{account.name}" for folder in BY_NAME if system.stat(f"{folder}/{account.name}")]
        found += [f"{account.name} {what}" for what in left]
    running = {process.uid for process in system.processes()}
    former = [a for a in book.accounts.values() if a.ours and a.name not in args["people"]]
    found += [f"{account.name} runs programs" for account in former if account.uid in running]
    return Observation(sorted(found), f"{FILES}, {', '.join(BY_NAME)}, /proc")


def _who(entry: Mapping[str, Any]) -> str:
    marks = {"username": "", "usergroup": "%", "userid": "#", "usergid": "%#", "netgroup": "+", "nonunixgroup": "%:"}
    kind = next((name for name in marks if name in entry), "")
    name = f"{marks[kind]}{entry[kind]}" if kind else json.dumps(entry, sort_keys=True)
    return f"!{name}" if entry.get("negated") else name


def _command(entry: Mapping[str, Any]) -> str:
    name = str(entry["command"]) if "command" in entry else json.dumps(entry, sort_keys=True)
    return f"!{name}" if entry.get("negated") else name


def sudo_rules(args: Args, system: System) -> Observation:
    """Whom sudo lets do anything, as sudo itself reads all of its files. args: settings (names of Defaults).

    found: grants (users and %groups of any rule), unasked (those of them with a command without a password), free
    (these commands, as the rules have them), asks (whether every rule for all commands wants one), exceptions (Defaults
    for some users, hosts or commands only), settings (name -> value, None where it is not set).
    """
    path = "/etc/sudoers"
    if system.stat(path) is None:
        raise Absent("sudo is not installed")
    done = system.run(["cvtsudoers", "-e", "-f", "json", path])
    if done.code != 0:
        raise Unreadable(f"cvtsudoers: {done.err.strip() or done.code}")
    rules = json.loads(done.out or "{}")
    settings: dict[str, Any] = {str(name): None for name in args["settings"]}
    exceptions: list[str] = []
    for row in rules.get("Defaults", []):
        if "Binding" in row:
            exceptions.append(json.dumps(row["Binding"], sort_keys=True))
            continue
        for name, value in ((name, value) for option in row.get("Options", []) for name, value in option.items()):
            if name in settings:
                settings[name] = value
    grants, unasked, free = set(), set(), set()
    for row in rules.get("User_Specs", []):
        who = {_who(entry) for entry in row.get("User_List", [])}
        grants |= who
        commands = {
            _command(entry)
            for command in row.get("Cmnd_Specs", [])
            if any(option.get("authenticate") is False for option in command.get("Options", []))
            for entry in command.get("Commands", [])
        }
        unasked |= who if commands else set()
        free |= commands
    found = {
        "grants": sorted(grants),
        "unasked": sorted(unasked),
        "free": sorted(free),
        "asks": "ALL" not in free,
        "exceptions": exceptions,
        "settings": settings,
    }
    return Observation(found, path)


def _steps(system: System, service: str, kind: str, depth: int = 0) -> Iterator[str]:
    text = system.read(f"{pam_check.FOLDER}/{service}")
    if text is None or depth > pam_check.DEEPEST:
        raise Absent(f"{pam_check.FOLDER}/{service} is not there")
    for line in pam_check.lines(text):
        include, step = pam_check.INCLUDE.match(line), pam_check.LINE.match(line)
        if include:
            yield from _steps(system, include[1], kind, depth + 1)
        elif step and step[2].lower() == kind:
            yield " ".join(f"{step[3]} {step[4]} {step[5] or ''}".split())


def pam_steps(args: Args, system: System) -> Observation:
    """What PAM does for a service, with what is included.

    args: service, kind, needed (false: a host may do without the service). found: control and module, line by line.
    """
    service, kind = str(args["service"]), str(args["kind"])
    if not args.get("needed", True) and system.stat(f"{pam_check.FOLDER}/{service}") is None:
        raise Inapplicable(f"there is no service {service}")
    return Observation(list(_steps(system, service, kind)), f"{pam_check.FOLDER}/{service}")


def assigned_values(args: Args, system: System) -> Observation:
    """Values in files of the form "name value" or "name = value", the last one counts.

    args: files (in the order they are read), keys. found: key -> value (empty for a bare word), None when unset.
    """
    found: dict[str, str | None] = {str(key): None for key in args["keys"]}
    for path in args["files"]:
        for raw in (system.read(str(path)) or "").splitlines():
            match = ASSIGNED.match(raw.split("#", 1)[0].strip())
            if match and match[1] in found and (match[2] or "=" not in raw) and not _again(raw):
                found[match[1]] = match[2].strip().strip("\"'")
    return Observation(found, ", ".join(str(path) for path in args["files"]))


def _again(raw: str) -> bool:
    """Whether a line of a shell script only names what has its value already."""
    return raw.strip().startswith(("export ", "readonly ")) and "=" not in raw


PROBES = {
    "account_state": account_state,
    "account_ends": account_ends,
    "former_people": former_people,
    "sudo_rules": sudo_rules,
    "pam_steps": pam_steps,
    "assigned_values": assigned_values,
}
