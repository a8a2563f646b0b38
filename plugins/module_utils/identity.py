# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The making of a host's keys: what is there is kept, what is missing is made, public parts come back."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
import subprocess
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import keys


class Identity:
    """One host's keys: what is there, what is missing, and the making of it."""

    def __init__(self, check_mode: bool) -> None:
        """Begin; in check mode nothing is made."""
        self.check_mode = check_mode
        self.made: list[str] = []

    def openssl(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run openssl; its error text is passed on, its input never."""
        done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False)
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
            raise keys.KeyFileError(f"openssl {arguments[0]} failed: {reason[0]}")
        return done.stdout

    def users(self, lines: list[str]) -> None:
        """Bring missing service users into being."""
        missing = [line for line in lines if not _user_exists(shlex.split(line)[1])]
        if not missing:
            return
        self.made += [f"user {shlex.split(line)[1]}" for line in missing]
        if not self.check_mode:
            subprocess.run(["systemd-sysusers", "--inline", *missing], check=True, capture_output=True)

    def directory(self, path: str, owner: str, group: str, mode: int) -> None:
        """Make a directory, or put its owner and mode right."""
        if self.check_mode:
            if not os.path.isdir(path):
                self.made.append(f"directory {path}")
        elif keys.make_directory(path, mode, _uid(owner), _gid(group)):
            self.made.append(f"directory {path} ({owner}:{group} {mode:04o})")

    def key_file(self, path: str, owner: str, group: str, fresh: Any) -> bytes:
        """Return a key file's content; made by C(fresh) when it is absent, empty when check mode keeps us from it."""
        directory = os.path.dirname(path)
        if not self.check_mode:
            if not os.path.isdir(directory):
                keys.make_directory(directory, 0o755, 0, 0)
            for leftover in keys.staged_leftovers(directory):
                os.unlink(leftover)
        status = keys.regular_file(path)
        if status is None:
            self.made.append(f"key {path} ({owner}:{group} 0600)")
            if self.check_mode:
                return b""
            keys.land(path, fresh(), 0o600, _uid(owner), _gid(group), replace=False)
        elif not self.check_mode or _user_exists(owner):
            wanted = (0o600, _uid(owner), _gid(group))
            if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) != wanted:
                self.made.append(f"owner and mode of {path} ({owner}:{group} 0600)")
                if not self.check_mode:
                    os.chown(path, wanted[1], wanted[2])
                    os.chmod(path, wanted[0])
        with open(path, "rb") as stream:
            return stream.read()

    def node(self, wanted: dict[str, Any]) -> str:
        """Return the node's public key."""
        path = wanted["path"]
        # The client prefers a key in the old place, at the top of its data directory: two identities on one host.
        old = os.path.join(os.path.dirname(os.path.dirname(path)), "nodekey")
        if old != path and os.path.lexists(old):
            raise keys.KeyFileError(f"the client would use the old key file {old}: move it to {path}, or away")
        content = self.key_file(path, wanted["owner"], wanted["group"], lambda: keys.new_node_secret().encode())
        if not content:
            return ""
        try:
            secret = keys.node_secret(content.decode("ascii", errors="replace"))
        except keys.KeyFileError as error:
            raise keys.KeyFileError(f"{path}: {error}; put the right key back from its backup") from None
        spki = self.openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", stdin=keys.sec1_der(secret))
        return keys.public_key_of(spki)

    def request(self, wanted: dict[str, Any]) -> str:
        """Return the certificate request of a key for TLS; the one that is there if it still says what is wanted."""
        path = wanted["path"]
        names = keys.Names.of(wanted["csr"]["cn"], wanted["csr"]["dns"], wanted["csr"]["ips"])
        key = self.key_file(path, wanted["owner"], wanted["group"], self.tls_key)
        csr = path[: -len(".key")] + ".csr" if path.endswith(".key") else path + ".csr"
        if key and keys.regular_file(csr):
            with open(csr, "rb") as stream:
                present = stream.read()
            if self.fits(present, key, names):
                return present.decode("ascii")
        self.made.append(f"certificate request {csr}")
        if self.check_mode:
            return ""
        config = keys.request_config(names).encode()
        fresh = self.openssl("req", "-new", "-sha384", "-key", path, "-config", "/dev/stdin", stdin=config)
        keys.land(csr, fresh, 0o644, 0, 0, replace=True)
        return fresh.decode("ascii")

    def tls_key(self) -> bytes:
        """Return a fresh EC P-384 key, PEM."""
        return self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")

    def fits(self, csr: bytes, key: bytes, names: keys.Names) -> bool:
        """Return whether a certificate request is sound, belongs to the key and has exactly these names."""
        try:
            text = self.openssl("req", "-noout", "-verify", "-text", stdin=csr).decode(errors="replace")
            ours = self.openssl("req", "-noout", "-pubkey", stdin=csr) == self.openssl("pkey", "-pubout", stdin=key)
            return ours and keys.request_names(text) == names
        except (keys.KeyFileError, ValueError):
            return False


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise keys.KeyFileError(f"there is no user {name} on this host: name it in sysusers") from None


def _gid(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise keys.KeyFileError(f"there is no group {name} on this host: name it in sysusers") from None
