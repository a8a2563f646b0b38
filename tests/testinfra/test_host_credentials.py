# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the secret store: who lacks the code, has used it up, or comes another way, is refused.

Codes are worked out here, from the standard and not from the collection.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.driver import FACTORS, MANAGED, PATIENCE, SSH_CONFIG, Done, address, ctl, reaches, sh, ssh, sudo

#: Three tries in half a minute is what a host allows, whoever makes them.
STEP = 30
WAY_IN = (
    "-o",
    "ControlMaster=no",
    "-o",
    "ControlPath=none",
    "-o",
    "ConnectTimeout=25",
    "-o",
    "NumberOfPasswordPrompts=1",
)


def totp(secret: str, step: int) -> str:
    """RFC 6238: HMAC-SHA-1 over the step's number, six digits."""
    mac = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1).digest()
    at = mac[19] & 0xF
    return str((int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF) % 10**6).zfill(6)


def come_in(answer: str, folder: Path, *options: str) -> Done:
    """A fresh session on the store's host in which a person types this answer."""
    typed = folder / "typed"
    typed.write_text(f"#!/bin/sh\necho {shlex.quote(answer)}\n")
    typed.chmod(0o700)
    way = ["-F", str(SSH_CONFIG), *WAY_IN, "-o", "BatchMode=no"]
    asked = {"SSH_ASKPASS": str(typed), "SSH_ASKPASS_REQUIRE": "force"}
    return ctl("ssh", *options, *way, "vault", "id -un", timeout=60, **asked)


def forget_tries() -> None:
    """Take what the host counted out of the way, so that one test's tries do not end another's."""
    cleared = r"s/^\(. RATE_LIMIT 3 30\).*/\1/; s/^\(. DISALLOW_REUSE\).*/\1/"
    assert sh("vault", f"sed -i {shlex.quote(cleared)} /etc/ssh/second_factor.d/ops").ok


@pytest.fixture(name="moment")
def a_step_with_time_left() -> Iterator[tuple[str, int]]:
    """The administrator's secret and the present step, begun a moment ago."""
    secret = (FACTORS / "ops@vault").read_text().strip()
    if time.time() % STEP > STEP / 3:
        time.sleep(STEP - time.time() % STEP + 1)
    forget_tries()
    yield secret, int(time.time()) // STEP
    forget_tries()


@pytest.mark.evidence("PTM-10", "proven")
def test_the_key_alone_does_not_open_the_stores_host() -> None:
    done = ctl("ssh", "-F", str(SSH_CONFIG), *WAY_IN, "vault", "id -un")
    assert not done.ok
    assert "Permission denied (keyboard-interactive)" in done.err


@pytest.mark.evidence("PTM-10", "proven")
def test_a_code_opens_it_once(moment: tuple[str, int], tmp_path: Path) -> None:
    secret, step = moment
    first = come_in(totp(secret, step), tmp_path)
    assert first.ok, first.err
    assert first.out.strip() == "ops"
    again = come_in(totp(secret, step), tmp_path)
    assert not again.ok, "a code opened the host twice"
    assert "Permission denied" in again.err


@pytest.mark.evidence("PTM-10", "proven")
def test_a_wrong_or_old_code_does_not_open_it(moment: tuple[str, int], tmp_path: Path) -> None:
    secret, step = moment
    for answer in (totp(secret, step - 20), str((int(totp(secret, step)) + 1) % 10**6).zfill(6)):
        done = come_in(answer, tmp_path)
        assert not done.ok
        assert "Permission denied" in done.err


@pytest.mark.evidence("PTM-10", "proven")
def test_guessing_ends_even_a_right_guess(moment: tuple[str, int], tmp_path: Path) -> None:
    secret, step = moment
    for _try in range(3):
        assert not come_in("000000", tmp_path).ok
    assert not come_in(totp(secret, step), tmp_path).ok, "after three wrong codes in a row the fourth was heard"


@pytest.mark.evidence("PTM-10", "proven")
def test_a_code_or_a_password_without_the_key_opens_nothing(moment: tuple[str, int], tmp_path: Path) -> None:
    secret, step = moment
    for methods in ("keyboard-interactive", "password", "password,keyboard-interactive"):
        options = ("-o", "PubkeyAuthentication=no", "-o", f"PreferredAuthentications={methods}")
        done = come_in(totp(secret, step), tmp_path, *options)
        assert not done.ok
        assert "Permission denied (publickey)" in done.err


@pytest.mark.evidence("PTM-10", "proven")
def test_a_recovery_code_opens_it_once(moment: tuple[str, int], tmp_path: Path) -> None:
    kept = FACTORS / ".ops@vault.recovery"
    spare, *rest = kept.read_text().split()
    assert moment
    first = come_in(spare, tmp_path)
    kept.write_text("\n".join(rest))
    assert first.ok, first.err
    assert not come_in(spare, tmp_path).ok, "a recovery code opened the host twice"


@pytest.mark.evidence("PTM-10", "proven")
def test_who_has_set_up_none_is_refused(moment: tuple[str, int], tmp_path: Path) -> None:
    secret, step = moment
    aside = "mv /etc/ssh/second_factor.d/ops /root/ops.kept"
    assert sh("vault", aside).ok
    try:
        for answer in (totp(secret, step), "12345678"):
            assert not come_in(answer, tmp_path).ok, "without a second factor of his own an administrator came in"
    finally:
        assert sh("vault", "mv /root/ops.kept /etc/ssh/second_factor.d/ops").ok


@pytest.mark.evidence("PTM-10", "proven")
def test_root_has_no_way_in_with_a_code_either(moment: tuple[str, int], tmp_path: Path) -> None:
    secret, step = moment
    done = come_in(totp(secret, step), tmp_path, "-l", "root")
    assert not done.ok
    assert "Permission denied" in done.err


@pytest.mark.evidence("PTM-10", "proven")
def test_nobody_reads_or_changes_the_own_secret_without_root() -> None:
    for attempt in (
        "cat /etc/ssh/second_factor.d/ops",
        "ls /etc/ssh/second_factor.d",
        "rm /etc/ssh/second_factor.d/ops",
    ):
        done = sh("vault", attempt, user="ops")
        assert not done.ok
        assert "Permission denied" in done.err


@pytest.mark.evidence("PTM-10", "proven")
def test_the_store_is_reached_from_listed_addresses_alone() -> None:
    for port, leg in ((22, "management"), (8200, "secrets")):
        for source in ("outside", "database", "holders"):
            assert not reaches(source, address("vault", leg), port), f"{source} reached the store's port {port}"
    assert reaches("jump", address("vault"), 22, PATIENCE)
    assert reaches("tessera", address("vault", "secrets"), 8200, PATIENCE)


@pytest.mark.evidence("PTM-10", "applied")
def test_with_key_and_code_administration_goes_on() -> None:
    done = ssh("vault", "id -un")
    assert done.ok, done.err
    root = sudo("vault", "id -un && systemctl is-active openbao.service")
    assert root.ok, root.err
    assert root.out.split() == ["root", "active"]


@pytest.mark.evidence("PTM-10", "applied")
def test_the_holders_still_have_their_tunnel_and_nothing_more() -> None:
    settings = sh("vault", "sshd -T -C user=holder1,host=h,addr=198.18.0.2").out.splitlines()
    assert "authenticationmethods publickey" in settings
    assert "permittty no" in settings


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_no_weak_host_key_is_offered_or_kept(host: str) -> None:
    for kind in ("ecdsa", "dsa"):
        assert sh(host, f"test ! -e /etc/ssh/ssh_host_{kind}_key").ok
    bits = int(sh(host, "ssh-keygen -lf /etc/ssh/ssh_host_rsa_key.pub").out.split()[0])
    assert bits >= 3072


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", [host for host in MANAGED if host != "vault"])
def test_sudo_gives_nothing_without_the_password(host: str) -> None:
    for command in ("sudo -k -n id", "sudo -k -n cat /etc/shadow", "sudo -k -n quorum-credentials reset ops"):
        done = ssh(host, command)
        assert not done.ok
        assert "password is required" in done.err
    own = ssh(host, "sudo -n quorum-credentials status")
    assert own.ok, own.err
    assert "ops: password set" in own.out


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_a_session_opens_no_user_namespace_and_no_exotic_socket(host: str) -> None:
    exotic = "python3 -c 'import socket; socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)'"
    done = ssh(host, f"unshare --user true && echo namespace; {exotic} && echo socket; echo reached")
    assert done.out.split() == ["reached"], done.out + done.err
