# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are born on a host and stay there: their forms, their certificate requests, and how a file of them lands.

The private halves pass through memory and standard input only: never a command line, an environment or a log.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass

# Order of the group of secp256k1 (SEC 2, version 2.0, § 2.4.1): a private key is a number from 1 to one below it.
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# ECPrivateKey (RFC 5915) around a 32-byte secp256k1 scalar: version 1, the octets, the curve's name.
_SEC1_HEAD = bytes.fromhex("302e0201010420")
_SEC1_TAIL = bytes.fromhex("a00706052b8104000a")
STAGED_SUFFIX = ".quorum-staged"

_NODE_KEY = re.compile(r"[0-9a-fA-F]{64}\Z")


class KeyFileError(Exception):
    """A key file that must not be used or touched; the message says what a person should do."""


@dataclass(frozen=True)
class Names:
    """Whom a certificate request speaks for: common name, DNS names, IP addresses (in canonical form)."""

    common_name: str
    dns: frozenset[str]
    ips: frozenset[str]

    @classmethod
    def of(cls, common_name: str, dns: Iterable[str], ips: Iterable[str]) -> Names:
        """Return the names, addresses brought into canonical form; ValueError for what is no name or address."""
        for name in (common_name, *dns):
            if not re.match(r"[A-Za-z0-9._-]{1,64}\Z", name):
                raise ValueError(f"not a name for a certificate: {name!r}")
        return cls(common_name, frozenset(dns), frozenset(str(ipaddress.ip_address(ip)) for ip in ips))


def new_node_secret() -> str:
    """Return a fresh node key: 64 hex digits, from the kernel's randomness."""
    return f"{1 + secrets.randbelow(SECP256K1_ORDER - 1):064x}"


def node_secret(text: str) -> str:
    """Return the 64 hex digits of a node key file's content; KeyFileError (without the content) if it is damaged."""
    value = text.strip()
    if not _NODE_KEY.match(value) or not 0 < int(value, 16) < SECP256K1_ORDER:
        raise KeyFileError("it holds no node key (64 hex digits below the order of secp256k1)")
    return value.lower()


def sec1_der(secret: str) -> bytes:
    """Return the node key as the DER structure that openssl reads."""
    return _SEC1_HEAD + bytes.fromhex(secret) + _SEC1_TAIL


def public_key_of(spki: bytes) -> str:
    """Return the 128 hex digits of a secp256k1 public key in DER (SubjectPublicKeyInfo, uncompressed point)."""
    if len(spki) != 88 or spki[-65] != 4:
        raise KeyFileError("openssl did not answer with an uncompressed secp256k1 public key")
    return spki[-64:].hex()


def request_config(names: Names) -> str:
    """Return the openssl configuration that makes the certificate request."""
    entries = [f"DNS:{name}" for name in sorted(names.dns)] + [f"IP:{ip}" for ip in sorted(names.ips)]
    lines = ["[req]", "prompt = no", "utf8 = yes", "distinguished_name = subject"]
    if entries:
        lines.append("req_extensions = extensions")
    lines += ["[subject]", f"CN = {names.common_name}"]
    if entries:
        lines += ["[extensions]", "subjectAltName = " + ", ".join(entries)]
    return "\n".join(lines) + "\n"


def request_names(text: str) -> Names | None:
    """Return the names in what C(openssl req -text) prints, or None when there is no common name."""
    subject = re.search(r"Subject:.*?CN\s*=\s*([A-Za-z0-9._-]+)\s*$", text, re.MULTILINE)
    if not subject:
        return None
    line = re.search(r"Subject Alternative Name:[^\n]*\n\s*([^\n]+)", text)
    dns: set[str] = set()
    ips: set[str] = set()
    for entry in (line.group(1) if line else "").split(","):
        kind, _colon, value = entry.strip().partition(":")
        if kind == "DNS":
            dns.add(value)
        elif kind == "IP Address":
            ips.add(value)
    return Names.of(subject.group(1), dns, ips)


def regular_file(path: str) -> os.stat_result | None:
    """Return the status of a key file, None when it is absent; KeyFileError when it is no plain file."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is no plain file (a link or a device?): put the key itself there or take it away")
    return status


def staged_leftovers(directory: str) -> list[str]:
    """Return the half-written files that a killed run of ours left behind in C(directory)."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(os.path.join(directory, name) for name in names if name.endswith(STAGED_SUFFIX))


def land(path: str, content: bytes, mode: int, uid: int, gid: int, *, replace: bool) -> None:
    """Put a file in place as a whole or not at all, with owner and mode from the first moment.

    Without C(replace) an existing file is never overwritten (FileExistsError): a key made by somebody else meanwhile
    wins. Safe against a kill at any point: what is left is a staged file, which the next run removes.
    """
    directory = os.path.dirname(path)
    descriptor, staged = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", suffix=STAGED_SUFFIX, dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            os.replace(staged, path)
        else:
            os.link(staged, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(path: str, mode: int, uid: int, gid: int) -> bool:
    """Make a directory (its parents plain, root's, 0755) with that mode and owner; return whether anything changed."""
    parent = os.path.dirname(path.rstrip("/"))
    if parent and not os.path.isdir(parent):
        make_directory(parent, 0o755, os.geteuid(), os.getegid())
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        status = os.stat(path)
        if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, uid, gid):
            return False
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return True
