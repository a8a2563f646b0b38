# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first hours of a secret store: anchor, first certificate, the files that only root or one person may read."""

from __future__ import annotations

import os
import pwd
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import own, x509

ANCHOR_DAYS = 3653
FIRST_DAYS = 30


@dataclass(frozen=True)
class Birth:
    """Where things lie and what the store is called. Paths are absolute."""

    directory: str
    memory: str
    state_file: str
    owner: str
    name: str
    addresses: tuple[str, ...]
    organisation: str
    consortium: str

    def file(self, name: str) -> str:
        """A file beside the listener's key."""
        return os.path.join(self.directory, name)

    @property
    def anchor_key(self) -> str:
        """The key of the anchor, in memory, until the store's root is signed."""
        return os.path.join(self.memory, "anchor.key")

    @property
    def configured(self) -> bool:
        """Whether the store's own authority runs."""
        return os.path.exists(self.state_file)


def read_text(path: str) -> str:
    """The content of a file, "" when there is none."""
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""


def write_file(path: str, text: str, mode: int, owner: str = "") -> bool:
    """Put ``text`` at ``path`` by one rename, with mode and owner from the start; True when something differed."""
    uid, gid = 0, 0
    if owner:
        account = pwd.getpwnam(owner)
        uid, gid = account.pw_uid, account.pw_gid
    if os.path.exists(path) and read_text(path) == text:
        found = os.stat(path)
        same = (found.st_mode & 0o7777) == mode and (not owner or (found.st_uid, found.st_gid) == (uid, gid))
        if same:
            return False
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".quorum-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if owner:
                os.fchown(stream.fileno(), uid, gid)
            os.fsync(stream.fileno())
        with own.changes([path]):
            os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def directory(path: str, mode: int) -> None:
    """A directory with this mode, and its parents."""
    os.makedirs(path, mode=mode, exist_ok=True)
    os.chmod(path, mode)


def private_directory(path: str) -> None:
    """A directory that only root can enter, with its parents."""
    directory(path, 0o700)


def hand_over(path: str, owner: str) -> bool:
    """Give the private key at ``path`` to the service that uses it, and to nobody else; True when that was not so."""
    try:
        account = pwd.getpwnam(owner)
    except KeyError:
        return False
    found = os.stat(path)
    if found.st_uid == account.pw_uid and found.st_mode & 0o7777 in (0o400, 0o600):
        return False
    os.chown(path, account.pw_uid, account.pw_gid)
    os.chmod(path, 0o400)
    return True


def listener_problem(birth: Birth, key_sha256: str, now: float) -> str:
    """Why the listener needs a certificate from the anchor, "" when it does not."""
    pem = read_text(birth.file("listener.crt"))
    if not pem:
        return "there is none"
    try:
        paper = x509.read_certificate(pem)
    except x509.X509Error:
        return "the file holds none"
    if paper.key_sha256 != key_sha256:
        return "it is for another key"
    if paper.not_after <= now:
        return "it has expired"
    return ""


def bootstrap(birth: Birth, csr: str, check: bool) -> dict[str, Any]:
    """Make what is missing. {changed, made, restart, reload, ca}. X509Error when the request does not fit the key."""
    made: list[str] = []
    restart = reload = False
    request = x509.read_request(csr)
    key = birth.file("listener.key")
    if not os.path.exists(key):
        raise x509.X509Error(f"{key} is missing: run the playbook enrol, which makes it on this host")
    if x509.key_of(key) != request.key_sha256:
        raise x509.X509Error(f"the request in the register is not for {key}: run the playbook enrol again")
    anchor = read_text(birth.file("anchor.crt"))
    trusted = read_text(birth.file("ca.crt"))
    problem = listener_problem(birth, request.key_sha256, time.time())
    lost = not birth.configured and not os.path.exists(birth.anchor_key)
    if not problem and not (lost or not anchor):
        if birth.configured and trusted != anchor and x509.verifies(read_text(birth.file("listener.crt")), anchor):
            made.append("the stopgap authority is no longer trusted")
            if not check:
                write_file(birth.file("ca.crt"), anchor, 0o644)
            trusted = anchor
    elif check:
        made.append("authority and first certificate of the listener")
    else:
        private_directory(birth.memory)
        signer, signer_key = anchor, birth.anchor_key
        if lost or not anchor:
            # Nothing of an unconfigured store hangs on an anchor whose key is gone (a reboot): start anew.
            signer = x509.make_anchor(signer_key, _subject(birth, "anchor"), ANCHOR_DAYS)
            restart = write_file(birth.file("clients-ca.crt"), signer, 0o644)
            write_file(birth.file("anchor.crt"), signer, 0o644)
            made.append("authority (anchor)")
            trusted = signer
        elif birth.configured:
            # The anchor cannot sign any more. A stopgap lets this host reach its own store to renew; its key ends here.
            signer_key = os.path.join(birth.memory, "stopgap.key")
            signer = x509.make_anchor(signer_key, _subject(birth, "stopgap"), FIRST_DAYS)
            trusted = signer + anchor
        addresses = ("127.0.0.1", *birth.addresses)
        extensions = x509.SERVER.format(names=x509.server_names([birth.name, "localhost"], addresses))
        pem = x509.sign(csr, extensions, anchor=signer, key=signer_key, days=FIRST_DAYS)
        if birth.configured:
            os.unlink(signer_key)
        reload = write_file(birth.file("listener.crt"), pem, 0o644)
        write_file(birth.file("ca.crt"), trusted, 0o644)
        made.append(f"certificate of the listener ({problem or 'its authority was lost'})")
    if not check and hand_over(key, birth.owner):
        made.append(f"key of the listener given to {birth.owner}")
    return {"changed": bool(made), "made": made, "restart": restart, "reload": reload and not restart, "ca": trusted}


def _subject(birth: Birth, what: str) -> dict[str, str]:
    """The subject of an authority of the given kind."""
    return {"O": birth.organisation, "CN": f"{birth.consortium} {what}"}


def sign_root(birth: Birth, csr: str) -> str:
    """The certificate of the store's own root, by the anchor. X509Error when the anchor's key is gone."""
    if not os.path.exists(birth.anchor_key):
        raise x509.X509Error(
            "the anchor's key is gone (it lived in memory, so after a reboot) before the store's root was signed: "
            "run site again"
        )
    anchor = read_text(birth.file("anchor.crt"))
    return x509.sign(csr, x509.AUTHORITY.format(depth=1), anchor=anchor, key=birth.anchor_key, days=ANCHOR_DAYS - 2)


def forget_anchor(birth: Birth) -> bool:
    """Destroy the anchor's key; True when it was still there."""
    if not os.path.exists(birth.anchor_key):
        return False
    with open(birth.anchor_key, "r+b") as handle:
        handle.write(b"\0" * os.path.getsize(birth.anchor_key))
    os.unlink(birth.anchor_key)
    return True
