# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Initialise a store so that its shares are born encrypted, each to the person who holds it."""

from __future__ import annotations

import base64
import json
import os
import pwd
import shutil
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.quorum.hardening.plugins.module_utils import pgp, vault_birth
from ansible_collections.quorum.hardening.plugins.module_utils.openbao import HEALTH, Bao, BaoError

ANSWERS = frozenset({200, 429, 501, 503})


class CeremonyError(Exception):
    """Why the store was not initialised, and what people can do."""


@dataclass(frozen=True)
class Ceremony:
    """Who holds shares: (name, armored public key); how many open the store; where shares and one-run key go."""

    holders: tuple[tuple[str, str], ...]
    threshold: int
    shares: str
    memory: str

    def share_file(self, holder: str) -> str:
        """The file with the encrypted share of ``holder``."""
        return os.path.join(self.shares, f"{holder}.json")


def check_keys(ceremony: Ceremony) -> list[str]:
    """The holders' keys in base64, all tried. CeremonyError names everyone whose key is no good."""
    names = [name for name, _key in ceremony.holders]
    if not 1 <= ceremony.threshold <= len(names) or (ceremony.threshold == 1 and len(names) > 1):
        raise CeremonyError(f"a threshold of {ceremony.threshold} does not fit {len(names)} holders: 2 to {len(names)}")
    if len(set(names)) != len(names):
        raise CeremonyError("two holders have the same name")
    keys, bad = [], []
    for name, armored in ceremony.holders:
        key, problem = pgp.check_public_key(armored)
        keys.append(key)
        if problem:
            bad.append(f"the PGP key of {name} {problem}")
    if bad:
        raise CeremonyError("; ".join(bad))
    return keys


def initialise(connect: Callable[[], Bao], ceremony: Ceremony, check: bool, timeout: float) -> dict[str, Any]:
    """Initialise if need be. {changed, status, waiting_for, without_account}; nothing secret in it."""
    holders = [name for name, _key in ceremony.holders]
    result: dict[str, Any] = {"changed": False, "status": 0, "waiting_for": holders, "without_account": []}
    try:
        bao = connect()
    except BaoError:
        if check:  # a host that was never touched has no certificate to recognise the server by
            return planned(ceremony, result)
        raise
    status = bao.wait(0 if check else timeout, ANSWERS)
    result["status"] = status
    if status == 0:
        if check:
            return planned(ceremony, result)
        raise CeremonyError(f"the server does not answer within {timeout:g} s (look at: journalctl -u openbao)")
    if status != 501:
        missing = [name for name in holders if not os.path.exists(ceremony.share_file(name))]
        # An open store needs nobody's share; a sealed one with too few of them would be waited for in vain.
        if status == 503 and len(holders) - len(missing) < ceremony.threshold:
            raise CeremonyError(
                f"it is sealed, and {ceremony.shares} holds no share for {', '.join(missing)}: the run that made them "
                "was killed before it kept them, or they were taken away since. Where holders have theirs, they open "
                "the store by hand. Only where nobody ever had one can it be made anew: stop openbao.service, move "
                "/var/lib/openbao away and run site again"
            )
        if not check:
            result["changed"], result["without_account"] = give_shares(ceremony)
        return result
    if check:
        return planned(ceremony, result)
    keys = check_keys(ceremony)
    own_key = one_run_key(ceremony.memory)
    # Holders may reach their own file by its name; none may list the others.
    vault_birth.directory(ceremony.shares, 0o711)
    answer = bao.call(
        "PUT",
        "sys/init",
        {
            "secret_shares": len(holders),
            "secret_threshold": ceremony.threshold,
            "pgp_keys": keys,
            "root_token_pgp_key": own_key,
        },
    )
    shares = answer.get("keys_base64") or []
    if len(shares) != len(holders) or not answer.get("root_token"):
        raise CeremonyError(f"the server gave {len(shares)} shares for {len(holders)} holders")
    for name, share in zip(holders, shares):
        vault_birth.write_file(ceremony.share_file(name), json.dumps({"share": share}) + "\n", 0o400)
    vault_birth.write_file(os.path.join(ceremony.memory, "root-token"), str(answer["root_token"]) + "\n", 0o400)
    _given, result["without_account"] = give_shares(ceremony)
    result.update(changed=True, status=bao.wait(10, frozenset({503, 200})))
    return result


def planned(ceremony: Ceremony, result: dict[str, Any]) -> dict[str, Any]:
    """What check mode says: the keys are tried where gpg is there already, a virgin host may lack it."""
    if shutil.which("gpg"):
        check_keys(ceremony)
    return {**result, "changed": True}


def one_run_key(memory: str) -> str:
    """Public half (binary, in base64) of the key that a root token is encrypted to; also put beside it for people."""
    vault_birth.private_directory(memory)
    key = pgp.make_one_run_key(os.path.join(memory, "gnupg"))
    vault_birth.write_file(os.path.join(memory, "one-run.pub"), key + "\n", 0o600)
    return key


def give_shares(ceremony: Ceremony) -> tuple[bool, list[str]]:
    """Let each holder, and nobody else but root, read the own share: (changed, holders without an account)."""
    changed, without = False, []
    for name, _key in ceremony.holders:
        path = ceremony.share_file(name)
        if not os.path.exists(path):
            continue
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            without.append(name)
            continue
        found = os.stat(path)
        if (found.st_uid, found.st_mode & 0o7777) != (account.pw_uid, 0o400):
            os.chown(path, account.pw_uid, 0)
            os.chmod(path, 0o400)
            changed = True
    return changed, without


def root_token(memory: str) -> str:
    """The first root token, decrypted; "" when there is none (any more). It must never leave this process."""
    stored = vault_birth.read_text(os.path.join(memory, "root-token")).strip()
    if not stored:
        return ""
    return pgp.decrypt(os.path.join(memory, "gnupg"), base64.b64decode(stored)).decode().strip()


def forget_root_token(memory: str) -> bool:
    """Destroy the encrypted root token and the one-run key; True when there was something."""
    there = False
    for name in ("root-token", "one-run.pub"):
        path = os.path.join(memory, name)
        if os.path.exists(path):
            os.unlink(path)
            there = True
    return pgp.destroy_home(os.path.join(memory, "gnupg")) or there


def meaning(status: int) -> str:
    """A health status in words."""
    return HEALTH.get(status, f"status {status}")
