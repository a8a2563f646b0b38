# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account cannot do once it is on a host: each refusal is tried for real, and what must work still does."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.driver import PASSWORD, Done, sh, ssh, sudo

#: One host of each release; what is asked here does not depend on the duty.
HOSTS = ("database", "tessera")
PERSON = "stranger"
#: Nobody's: made for the run, strong enough for the rules themselves.
WORD = f"Lab-{secrets.token_hex(6)}-Pear-Tree"


def as_stranger(host: str, script: str, words: str = "") -> Done:
    """Run a script as the person without a post, who has a shell on the host and knows his password."""
    return sh(host, f"runuser -u {PERSON} -- sh -c {script!r}", text_in=words)


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    """A host with an account that nobody listed, with a known password and a shell."""
    name = str(request.param)
    made = (
        f"userdel -rf {PERSON} 2>/dev/null; useradd -m -s /bin/bash --key PASS_MIN_DAYS=0 "
        f'-p "$(openssl passwd -6 -stdin)" {PERSON}'
    )
    done = sh(name, made, text_in=WORD)
    assert done.ok, done.err
    yield name
    assert sh(name, f"faillock --user {PERSON} --reset; userdel -rf {PERSON} 2>/dev/null; ! id {PERSON} 2>/dev/null").ok


@pytest.mark.evidence("HOST-01", "proven")
def test_nobody_becomes_root_with_su_though_he_knows_the_password(host: str) -> None:
    before = sh(host, "getent shadow root | cut -d: -f2").out.strip()
    assert sh(host, 'usermod -p "$(openssl passwd -6 -stdin)" root', text_in=WORD).ok
    try:
        done = as_stranger(host, "su -c id", WORD + "\n")
        assert not done.ok
        assert "uid=0" not in done.out
    finally:
        assert sh(host, "xargs -d '\\n' -I{} usermod -p {} root", text_in=before).ok
    assert sh(host, "getent shadow root | cut -d: -f2").out.strip() == before
    # Root itself still can, which services rely on.
    assert f"({PERSON})" in sh(host, f"su {PERSON} -c id").out


@pytest.mark.evidence("HOST-01", "proven")
def test_a_rule_that_a_stranger_drops_in_gives_nothing(host: str) -> None:
    rule = "/etc/sudoers.d/90-stranger"
    assert sh(host, f"mkdir -p /etc/sudoers.d; echo '{PERSON} ALL=(ALL) NOPASSWD: ALL' > {rule}; chmod 440 {rule}").ok
    try:
        done = as_stranger(host, "sudo -n id")
        assert not done.ok
        assert "uid=0" not in done.out
    finally:
        sh(host, f"rm -f {rule}")
    assert sudo(host, "id -u").out.strip() == "0"


@pytest.mark.evidence("HOST-01", "proven")
def test_who_is_no_administrator_has_no_sudo_though_he_knows_his_password(host: str) -> None:
    # Debian's own group for it means nothing here.
    assert sh(host, f"gpasswd -a {PERSON} sudo").ok
    done = as_stranger(host, "sudo -S -p '' id", WORD + "\n")
    assert not done.ok
    assert "not in the sudoers file" in done.err


@pytest.mark.evidence("HOST-01", "proven")
def test_an_account_is_shut_after_a_few_wrong_passwords_and_opens_again(host: str) -> None:
    for _try in range(5):
        assert not as_stranger(host, "sudo -k -S -p '' id", "wrong\n").ok
    assert sh(host, f"faillock --user {PERSON}").out.count(" V\n") >= 5
    shut = as_stranger(host, "sudo -k -S -p '' id", WORD + "\n")
    assert "not in the sudoers file" not in shut.err, "the right password was taken though the account should be shut"
    assert sh(host, f"faillock --user {PERSON} --reset").ok
    again = as_stranger(host, "sudo -k -S -p '' id", WORD + "\n")
    assert "not in the sudoers file" in again.err, "the right password is refused after the account was opened again"


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("weak", ["", "short1!A", "my-stranger-word-9", "aaaaaaaaaaaaaaaaaa"])
def test_a_weak_password_is_refused(host: str, weak: str) -> None:
    done = as_stranger(host, "passwd", f"{WORD}\n" + f"{weak}\n{weak}\n" * 3)
    assert not done.ok
    assert sh(host, f"getent shadow {PERSON}").out.split(":")[1].startswith("$6$"), "the password was changed"


@pytest.mark.evidence("HOST-01", "applied")
def test_a_good_password_is_taken_and_kept_with_a_slow_hash(host: str) -> None:
    # Chance in small pieces: more than three letters or digits in a row of the alphabet are refused.
    better = "-".join(["Sea", *(secrets.token_hex(1) for part in range(6)), "Gull"])
    done = as_stranger(host, "passwd", f"{WORD}\n{better}\n{better}\n")
    assert done.ok, done.err
    assert sh(host, f"getent shadow {PERSON}").out.split(":")[1].startswith("$y$")


@pytest.mark.evidence("HOST-01", "proven")
def test_an_account_without_a_password_opens_to_nobody(host: str) -> None:
    assert sh(host, f"passwd -d {PERSON}").ok
    done = as_stranger(host, "sudo -k -S -p '' id", "\n")
    assert "not in the sudoers file" not in done.err, "an empty password was taken"


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("name", HOSTS)
def test_an_administrator_whose_access_has_ended_does_not_come_in(name: str) -> None:
    assert sh(name, "usermod --expiredate 1 ops").ok
    try:
        done = ssh(name, "id")
        assert not done.ok
        assert "uid=" not in done.out
    finally:
        assert sh(name, "usermod --expiredate '' ops").ok
    assert ssh(name, "id").ok


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("name", HOSTS)
def test_a_session_that_still_stands_loses_sudo_with_the_group(name: str) -> None:
    script = "gpasswd -d ops quorum-admin >/dev/null; sleep 4; gpasswd -a ops quorum-admin >/dev/null"
    assert sh(name, f"systemd-run -q --on-active=2 --timer-property=AccuracySec=100ms sh -c '{script}'").ok
    root = "printf '%s\\n' \"$password\" | sudo -k -S -p '' id -u"
    script = f"read -r password; {root}; sleep 4; {root}; echo; sleep 4; {root}"
    done = ssh(name, script, text_in=PASSWORD.read_text() + "\n")
    assert done.out.split() == ["0", "0"], done.out + done.err
    assert "not in the sudoers file" in done.err or "not allowed" in done.err, done.err


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("name", HOSTS)
def test_what_an_administrator_does_as_root_is_written_down(name: str) -> None:
    mark = secrets.token_hex(8)
    assert sudo(name, f"/bin/echo {mark}").ok
    assert mark in sh(name, "cat /var/log/sudo.log").out
    assert mark in sh(name, "journalctl --no-pager -t sudo --since -5min").out
    assert not ssh(name, "cat /var/log/sudo.log").ok, "the log is open to others than root"


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("name", HOSTS)
def test_a_session_shows_others_nothing_and_ends_when_idle(name: str) -> None:
    assert ssh(name, "umask").out.strip() == "0027"
    done = ssh(name, "bash -lic 'echo $TMOUT; TMOUT=0; echo $TMOUT' 2>&1 </dev/null")
    assert done.out.split().count("900") >= 1
    assert "readonly" in done.out


@pytest.mark.evidence("HOST-01", "proven")
@pytest.mark.parametrize("name", HOSTS)
def test_a_service_s_account_gives_no_shell(name: str) -> None:
    assert sh(name, "command -v su").ok
    for account in ("daemon", "games", "www-data", "nobody"):
        done = sh(name, f"su {account} -c id")
        assert not done.ok
        assert "uid=" not in done.out
