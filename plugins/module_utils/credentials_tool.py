# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second factor of an administrator's logins, and the password that sudo asks him for.

usage: sudo quorum-credentials second-factor | password | status | reset NAME [password]

second-factor   set up your second factor; to replace one, a code of the old one is asked for
password        set your first password (later ones with passwd)
status          who has what on this host
reset NAME      another administrator lost his second factor (or password): what he needs to make a new one

Installed on hosts with :mod:`one_time`, so it uses Python's standard library alone. Secrets come and go over the
terminal (or standard input and output), never as an argument; the journal learns who did what, and no secret.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import grp
import os
import pwd
import socket
import subprocess
import sys
import syslog
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Callable

from .one_time import INVITED, Factor, Refusal, check, fresh, parse, render

FOLDER = "/etc/ssh/second_factor.d"
SHADOW = "/etc/shadow"
GROUP = "quorum-admin"
SHORTEST_PASSWORD = 14


def weakness(password: str, name: str) -> str | None:
    """Why a password is refused, before PAM has its say."""
    if len(password) < SHORTEST_PASSWORD:
        return f"it is shorter than {SHORTEST_PASSWORD} characters"
    if len(set(password)) < 6 or name.lower() in password.lower() or not password.isprintable():
        return "it repeats few characters, holds your name, or a character that cannot be typed"
    return None


class Store:
    """The factors and passwords of a host."""

    def __init__(self, folder: str = FOLDER, shadow: str = SHADOW) -> None:
        self.folder, self.shadow = folder, shadow

    def factor(self, name: str) -> Factor | None:
        """Somebody's factor, None where he has none."""
        try:
            with open(os.path.join(self.folder, name), encoding="ascii") as file:
                return parse(file.read())
        except FileNotFoundError:
            return None

    def opens(self, name: str, entered: str, now: float) -> bool:
        """Whether a code opens somebody's factor; it is used up, and tries made side by side all count."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            factor = self.factor(name)
            right, factor = check(factor, entered, now) if factor else (False, None)
            if factor:
                self.keep(name, factor)
        finally:
            os.close(handle)
        return right

    def keep(self, name: str, factor: Factor) -> None:
        """Write a factor in one step; no login name begins with a dot."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        path = os.path.join(self.folder, f".{name}.new")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(render(factor))
            file.flush()
            os.fsync(file.fileno())
        os.rename(path, os.path.join(self.folder, name))

    def has_password(self, name: str) -> bool:
        """Whether some password fits an account."""
        with open(self.shadow, encoding="utf-8") as file:
            rows = [line.split(":") for line in file]
        return any(row[0] == name and len(row) > 1 and row[1].startswith("$") for row in rows)


class Talk:
    """Questions and answers: at a terminal without showing passwords, else line by line."""

    def say(self, *lines: str) -> None:
        """Show lines at once."""
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def ask(self, question: str, hidden: bool = False) -> str:
        """One answer. Raises Refusal at the end of the input."""
        if hidden and sys.stdin.isatty():
            return getpass.getpass(f"{question}: ")
        sys.stdout.write(f"{question}: " + ("\n" if hidden else ""))
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise Refusal("no answer came; nothing was changed")
        return line.rstrip("\n")


def set_password(name: str, password: str) -> None:
    """Through PAM, which has the host's own rules. Raises Refusal with its words."""
    given = f"{name}:{password}\n"
    done = subprocess.run(["/usr/sbin/chpasswd"], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refusal(f"the password was refused: {(done.stderr or done.stdout).strip()}")


def second_factor(name: str, store: Store, talk: Talk, now: Callable[[], float] = time.time) -> str:
    """Set up or replace somebody's own second factor."""
    old = store.factor(name)
    if old is not None and not old.invited:
        entered = talk.ask("You have a second factor. A code of it, or one of its recovery codes, to replace it")
        if not store.opens(name, entered, now()):
            raise Refusal("that is no valid code; nothing was changed. Lost it? Another administrator resets it")
    new, host = fresh(), urllib.parse.quote(socket.gethostname())
    talk.say(
        "Scan or type this into your authenticator. It is shown once.",
        f"uri: otpauth://totp/{host}:{name}?secret={new.secret}&issuer={host}",
        f"secret: {new.secret}",
        "Keep these where your phone is not; each opens one login:",
        *(f"recovery: {one}" for one in new.codes),
    )
    right, new = check(new, talk.ask("Now a code that it shows"), now())
    if not right:
        raise Refusal("that is not its code; nothing was changed. Are both clocks right?")
    store.keep(name, new)
    return f"{name} {'replaced' if old else 'set up'} the second factor"


def password(name: str, store: Store, talk: Talk, change: Callable[[str, str], None] = set_password) -> str:
    """Set somebody's own first password."""
    if store.has_password(name):
        raise Refusal("you have a password: change it with passwd")
    first = talk.ask(f"A password for sudo, at least {SHORTEST_PASSWORD} characters", hidden=True)
    problem = weakness(first, name)
    if problem:
        raise Refusal(f"the password is refused: {problem}; nothing was changed")
    if talk.ask("The same again", hidden=True) != first:
        raise Refusal("the two are not the same; nothing was changed")
    change(name, first)
    return f"{name} set a first password"


def reset(name: str, by: str, what: str, store: Store, talk: Talk) -> str:
    """Take back another one's second factor or password, so that he can make a new one."""
    if name == by:
        raise Refusal("your own is replaced with 'second-factor' or passwd; this is for another administrator")
    if name not in administrators():
        raise Refusal(f"{name} is not an administrator of this host")
    if what == "password":
        subprocess.run(["/usr/sbin/usermod", "--password", "*", "--", name], check=True)
        talk.say(f"{name} can set a new one: sudo quorum-credentials password")
    else:
        invited = fresh(1, INVITED)
        store.keep(name, invited)
        talk.say(
            f"Tell {name} this code by a way on which you know the voice or the face. It opens one login:",
            f"recovery: {invited.codes[0]}",
            "In that session: sudo quorum-credentials second-factor",
        )
    return f"{by} reset the {what} of {name}"


def administrators() -> list[str]:
    """Members of the administrators' group; before the first run, when there is no such group, all people."""
    try:
        return sorted(grp.getgrnam(GROUP).gr_mem)
    except KeyError:
        return sorted(row.pw_name for row in pwd.getpwall() if 1000 <= row.pw_uid < 60000)


def status(store: Store) -> list[str]:
    """One line for each administrator; no secrets."""
    rows = []
    for name in administrators():
        factor = store.factor(name)
        state = "none" if factor is None else "invited" if factor.invited else f"set, {len(factor.codes)} codes left"
        rows.append(f"{name}: password {'set' if store.has_password(name) else 'none'}, second factor {state}")
    return rows


def act(words: Sequence[str], user: str, store: Store, talk: Talk) -> str:
    """Do what the words say for ``user``; gives what to log, or nothing. Raises Refusal."""
    if list(words) == ["status"]:
        talk.say(*status(store))
        return ""
    if words[:1] == ["reset"] and (len(words) == 2 or list(words[2:]) == ["password"]):
        return reset(words[1], user or "root", words[2] if len(words) == 3 else "second factor", store, talk)
    if len(words) != 1 or words[0] not in ("second-factor", "password"):
        raise Refusal(str(__doc__))
    if user in ("", "root"):
        raise Refusal("this is for a person: log in as yourself and use sudo")
    return second_factor(user, store, talk) if words[0] == "second-factor" else password(user, store, talk)


def main(words: Sequence[str], environment: Mapping[str, str], store: Store, talk: Talk) -> int:
    """Entry point; gives the exit status."""
    if os.geteuid() != 0:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    user = environment.get("SUDO_USER", "")
    syslog.openlog("quorum-credentials", 0, syslog.LOG_AUTHPRIV)
    try:
        done = act(list(words), user, store, talk)
    except (Refusal, OSError, subprocess.CalledProcessError) as problem:
        syslog.syslog(syslog.LOG_WARNING, f"{user or 'root'}: {' '.join(words[:1])} refused")
        sys.stderr.write(f"quorum-credentials: {problem}\n")
        return 1
    if done:
        syslog.syslog(syslog.LOG_NOTICE, done)
        talk.say("Done.")
    return 0
