# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PGP by the gpg program, always in a home directory of its own: check keys, make a one-run key, decrypt.

Plaintext travels through pipes only. Nothing of it is put into an exception.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Callable

Run = Callable[[Sequence[str], bytes], "tuple[int, bytes, bytes]"]

ONE_RUN = """%no-protection
Key-Type: EDDSA
Key-Curve: ed25519
Key-Usage: sign
Subkey-Type: ECDH
Subkey-Curve: cv25519
Subkey-Usage: encrypt
Name-Real: quorum.hardening one-run key
Expire-Date: 0
%commit
"""


class PgpError(Exception):
    """gpg refused; the text says what, without any plaintext."""


def run_gpg(arguments: Sequence[str], data: bytes) -> tuple[int, bytes, bytes]:
    """(exit status, output, errors) of gpg with ``data`` on its standard input; 60 s at most."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            list(arguments), input=data, capture_output=True, timeout=60, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PgpError(f"gpg cannot run: {type(error).__name__}") from None
    return done.returncode, done.stdout, done.stderr


def gpg(home: str, *arguments: str) -> list[str]:
    """The command line: batch, own home directory, no agent options of a person."""
    return ["gpg", "--homedir", home, "--batch", "--no-tty", "--quiet", "--no-autostart", *arguments]


def with_agent(command: list[str]) -> list[str]:
    """The same command allowed to start the agent, which everything with a secret key needs."""
    return [word for word in command if word != "--no-autostart"]


def problem_of_listing(listing: str, now: float) -> str:
    """What is wrong with the keys of a ``--with-colons`` listing, or "" when exactly one key can encrypt.

    Only a key that can encrypt is any good: the store accepts a sign-only key, fails halfway through its own
    initialisation, and stays unusable.
    """
    rows = [line.split(":") for line in listing.splitlines()]
    primaries = [row for row in rows if row and row[0] == "pub"]
    if len(primaries) != 1:
        return f"holds {len(primaries)} keys where exactly one is wanted"
    if any(row[0] in ("sec", "ssb") for row in rows):
        return "holds a secret key: export the public one only"
    usable = False
    for row in rows:
        if row[0] not in ("pub", "sub") or len(row) < 12:
            continue
        expired = row[6].isdigit() and int(row[6]) <= now
        if "e" in row[11] and row[1] not in ("r", "e", "d", "i") and not expired:
            usable = True
    if primaries[0][1] in ("r", "e", "d", "i"):
        return "is revoked, expired or invalid"
    return "" if usable else "has no valid encryption key (make one with: gpg --quick-gen-key NAME default default 2y)"


def check_public_key(armored: str, run: Run = run_gpg, now: float | None = None) -> tuple[str, str]:
    """(binary key in base64, ""), or ("", problem). Tried for real: something is encrypted to the key."""
    home = tempfile.mkdtemp(prefix="quorum-pgp-")
    try:
        if "PRIVATE KEY BLOCK" in armored:
            return "", "holds a secret key: export the public one only"
        code, binary, _err = run(gpg(home, "--dearmor"), armored.encode())
        if code != 0 or not binary:
            return "", "is not an armored PGP public key"
        code, listing, _err = run(gpg(home, "--with-colons", "--import-options", "show-only", "--import"), binary)
        if code != 0:
            return "", "is not a PGP public key"
        problem = problem_of_listing(listing.decode(errors="replace"), time.time() if now is None else now)
        if problem:
            return "", problem
        run(gpg(home, "--import"), binary)
        fingerprint = next(
            (r.split(":")[9] for r in listing.decode(errors="replace").splitlines() if r[:4] == "fpr:"), ""
        )
        code, _out, _err = run(gpg(home, "--trust-model", "always", "--encrypt", "--recipient", fingerprint), b"test")
        if code != 0:
            return "", "cannot be encrypted to"
        return base64.b64encode(binary).decode(), ""
    finally:
        shutil.rmtree(home, ignore_errors=True)


def make_one_run_key(home: str, run: Run = run_gpg) -> str:
    """Make a key pair without a passphrase in ``home`` (to be a tmpfs, 0700); its public half, binary in base64.

    One that is there already is used again: an interrupted run continues with the same key.
    """
    os.makedirs(home, mode=0o700, exist_ok=True)
    os.chmod(home, 0o700)
    code, public, _err = run(gpg(home, "--export"), b"")
    if code != 0 or not public:
        code, _out, err = run(with_agent(gpg(home, "--gen-key")), ONE_RUN.encode())
        if code != 0:
            raise PgpError(f"the one-run key cannot be made: {err.decode(errors='replace').strip()[-300:]}")
        code, public, _err = run(gpg(home, "--export"), b"")
    if code != 0 or not public:
        raise PgpError("the one-run key cannot be exported")
    return base64.b64encode(public).decode()


def decrypt(home: str, ciphertext: bytes, run: Run = run_gpg) -> bytes:
    """The plaintext of ``ciphertext`` by a secret key in ``home``. PgpError when none fits."""
    code, plain, _err = run(with_agent(gpg(home, "--decrypt")), ciphertext)
    if code != 0 or not plain:
        raise PgpError("the one-run key does not decrypt what is stored beside it")
    return plain


def destroy_home(home: str) -> bool:
    """End the agent of ``home`` and remove the directory; True when there was one."""
    if not os.path.isdir(home):
        return False
    # Where there is no agent there is nothing to end; the directory goes all the same.
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, timeout=20, check=False)
    for folder, _dirs, files in os.walk(home):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "r+b") as handle:
                    handle.write(b"\0" * os.path.getsize(path))
    shutil.rmtree(home)
    return True
