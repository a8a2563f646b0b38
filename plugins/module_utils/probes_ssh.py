# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of remote administration: what sshd really does, who may log in, and whether root can."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from typing import Any

from .probing import Absent, Args, Observation, Unreadable
from .system import System

COMMA_LISTS = frozenset(
    {
        "casignaturealgorithms",
        "ciphers",
        "hostbasedacceptedalgorithms",
        "hostkeyalgorithms",
        "kexalgorithms",
        "macs",
        "pubkeyacceptedalgorithms",
    }
)
WORD_LISTS = frozenset(
    {
        "allowgroups",
        "allowusers",
        "authenticationmethods",
        "authorizedkeysfile",
        "denygroups",
        "denyusers",
        "permitlisten",
        "permitopen",
    }
)
LOCKED = ("!", "*")
KEY_TYPE = re.compile(r"(ssh-(ed25519|rsa|dss)|ecdsa-sha2-[a-z0-9-]+|sk-[a-z0-9-]+)(-cert-v01)?(@openssh\.com)?")


def parse_settings(text: str) -> dict[str, Any]:
    """Settings of ``sshd -T`` by lower-case name; lists for the settings that hold several values."""
    settings: dict[str, Any] = {}
    for line in text.splitlines():
        name, _space, value = line.strip().partition(" ")
        if name in COMMA_LISTS:
            settings.setdefault(name, []).extend(value.split(","))
        elif name in WORD_LISTS:
            settings.setdefault(name, []).extend(value.split())
        elif name:
            settings[name] = value
    return settings


def _settings(args: Args, system: System) -> tuple[dict[str, Any], str]:
    user, address = str(args.get("user", "nobody")), str(args.get("address", "203.0.113.10"))
    connection = f"user={user},host={address},addr={address}"
    done = system.run(["sshd", "-T", "-C", connection])
    if done.code == 127:
        raise Absent("sshd is not installed")
    if done.code != 0:
        raise Unreadable(f"sshd -T: {done.err.strip().splitlines()[-1] if done.err.strip() else done.code}")
    return parse_settings(done.out), f"sshd -T -C {connection}"


def sshd_settings(args: Args, system: System) -> Observation:
    """Effective sshd settings for a connection.

    args: settings (names), user and address (the connection that Match blocks are judged by).
    found: name -> value, None when sshd has no such setting.
    """
    settings, where = _settings(args, system)
    return Observation({name: settings.get(name) for name in args["settings"]}, where)


def authorized_keys(args: Args, system: System) -> Observation:
    """Whose keys are in the directory of authorised keys, which are not theirs, and which others could change.

    args: path, keys (name -> key lines that belong there).
    found: names (files with at least one key), strange ("name fingerprint" of keys that do not belong to that name),
    loose (paths that somebody but root may write).
    """
    path = str(args["path"])
    names = system.listdir(path)
    if names is None:
        return Observation({"names": [], "strange": [], "loose": []}, f"{path} (not there)")
    known = {str(name): {fingerprint(line) for line in lines} for name, lines in args["keys"].items()}
    holders, strange, loose = [], [], []
    for target in [path, *(f"{path}/{name}" for name in names)]:
        seen = system.stat(target)
        if seen is not None and (seen.uid != 0 or seen.mode & 0o022 or seen.kind in ("link", "other")):
            loose.append(target)
    for name in names:
        prints = [fingerprint(line) for line in _keys(system.read(f"{path}/{name}") or "")]
        holders += [name] if prints else []
        strange += [f"{name} {shown}" for shown in prints if shown not in known.get(name, set())]
    return Observation({"names": holders, "strange": strange, "loose": loose}, path)


def fingerprint(line: str) -> str:
    """Fingerprint of a line of authorised keys, as ssh-keygen shows it; where it holds no key, the line's beginning."""
    words = line.split()
    for position, word in enumerate(words[:-1]):
        if KEY_TYPE.fullmatch(word):
            try:
                digest = hashlib.sha256(base64.b64decode(words[position + 1], validate=True)).digest()
            except ValueError:
                break
            return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
    return f"unreadable line {line.strip()[:20]!r}"


def _keys(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def group_members(args: Args, system: System) -> Observation:
    """Members of groups, by their entry or as a user's primary group. args: groups. found: group -> sorted names."""
    passwd = [line.split(":") for line in (system.read("/etc/passwd") or "").splitlines()]
    found: dict[str, list[str]] = {str(name): [] for name in args["groups"]}
    for line in (system.read("/etc/group") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[0] in found:
            members = {name for name in fields[3].split(",") if name}
            members |= {user[0] for user in passwd if len(user) > 3 and user[3] == fields[2]}
            found[fields[0]] = sorted(members)
    return Observation(found, "/etc/group, /etc/passwd")


def password_state(args: Args, system: System) -> Observation:
    """Whether an account has a password. args: user. found: locked, set or empty."""
    user = str(args["user"])
    shadow = system.read("/etc/shadow")
    if shadow is None:
        raise Unreadable("/etc/shadow: not there")
    for line in shadow.splitlines():
        fields = line.split(":")
        if fields[0] == user and len(fields) > 1:
            state = "empty" if not fields[1] else "locked" if fields[1].startswith(LOCKED) else "set"
            return Observation(state, "/etc/shadow")
    return Observation("locked", f"/etc/shadow (no {user})")


def keys_in_effect(args: Args, system: System) -> Observation:
    """Files from which sshd would take keys for a user. args: user, home. found: those that hold a key."""
    user, home = str(args["user"]), str(args["home"])
    settings, where = _settings({"user": user}, system)
    found = []
    for pattern in settings.get("authorizedkeysfile") or []:
        path = pattern.replace("%u", user).replace("%h", home).replace("%%", "%")
        path = path if path.startswith("/") else f"{home}/{path}"
        if path != f"{home}/none" and _keys(system.read(path) or ""):
            found.append(path)
    return Observation(found, where)


def sshd_exceptions(args: Args, system: System) -> Observation:
    """Where sshd's file makes an exception or reads another file: neither shows in what it would do for a stranger.

    args: path, users (accounts that have a Match block of their own). found: all other Match and Include lines.
    """
    path = str(args["path"])
    text = system.read(path)
    if text is None:
        raise Absent(f"{path} is not there")
    expected = {("match", "user", str(user)) for user in args["users"]}
    found = []
    for line in text.splitlines():
        words = line.replace("=", " ", 1).split()
        if words and words[0].lower() in ("match", "include"):
            key = tuple([word.lower() for word in words[:2]] + words[2:])
            if key not in expected:
                found.append(line.strip())
    return Observation(found, path)


def host_keys(args: Args, system: System) -> Observation:
    """Host keys that lie on the disk, offered or not. args: path. found: "type bits" of each, sorted."""
    path = str(args["path"])
    names = [name for name in system.listdir(path) or () if name.startswith("ssh_host_") and name.endswith("_key.pub")]
    private = [name for name in system.listdir(path) or () if name.startswith("ssh_host_") and name.endswith("_key")]
    found = [_described(system.read(f"{path}/{name}") or "") for name in names]
    found += [f"{name[9:-4]} unknown" for name in private if f"{name}.pub" not in names]
    if not found:
        raise Absent(f"{path} holds no host key")
    return Observation(sorted(found), path)


def _described(line: str) -> str:
    """Type and size of a public key."""
    try:
        blob = base64.b64decode(line.split()[1], validate=True)
        fields, rest = [], blob
        while rest:
            (size,) = struct.unpack_from(">I", rest)
            fields.append(rest[4 : 4 + size])
            rest = rest[4 + size :]
        kind = fields[0].decode("ascii")
        bits = int.from_bytes(fields[2], "big").bit_length() if kind == "ssh-rsa" else 8 * len(fields[-1])
    except (IndexError, ValueError, struct.error) as problem:
        raise Unreadable(f"a host key cannot be read: {problem}") from problem
    return f"{kind} {bits}"


PROBES = {
    "sshd_settings": sshd_settings,
    "sshd_exceptions": sshd_exceptions,
    "authorized_keys": authorized_keys,
    "group_members": group_members,
    "password_state": password_state,
    "keys_in_effect": keys_in_effect,
    "host_keys": host_keys,
}
