# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hardened host must refuse, and what it must still do. Each refusal is tried for real, from the lab alone."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.driver import MANAGED, PATIENCE, ROOT, SSH_CONFIG, VALIDATORS, address, ctl, reaches, sh, ssh, sudo
from tests.traffic import reached, who_reaches

OUTSIDE = "203.0.113.10"
UNNAMED_DNS = "203.0.113.53"
#: The run's own key: what it cannot open, no key can.
PUBLIC_KEY = ROOT / "build/lab/ssh/id_ed25519.pub"
BEHIND_JUMP = tuple(host for host in MANAGED if host != "jump")


# --- HOST-02: only through the jump host, only named administrators ---


@pytest.mark.evidence("HOST-02", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_a_named_administrator_comes_in_through_the_jump_host(host: str) -> None:
    done = sudo(host, "id -u")
    assert done.ok, done.err
    assert done.out.strip() == "0"


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", BEHIND_JUMP)
def test_nobody_reaches_ssh_round_the_jump_host(host: str) -> None:
    around = ctl("python3", "-c", f"import socket; socket.create_connection(({address(host)!r}, 22), 3)")
    assert not around.ok, "the controller reached the host's SSH without the jump host"
    assert not reaches("outside", address(host), 22), "a stranger reached the host's SSH"


@pytest.mark.evidence("HOST-02", "proven")
def test_a_stranger_does_not_reach_the_jump_host() -> None:
    assert not reaches("outside", address("jump"), 22)


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_an_unnamed_account_with_a_key_of_its_own_is_refused(host: str) -> None:
    made = sh(host, "useradd -m -p '*' intruder && install -d -o intruder -m 700 /home/intruder/.ssh")
    assert made.ok, made.err
    keys = "/home/intruder/.ssh/authorized_keys"
    assert sh(host, f"cat > {keys} && chown intruder {keys}", text_in=PUBLIC_KEY.read_text()).ok
    try:
        done = ssh(host, "id", "-l", "intruder")
        assert not done.ok
        assert "denied" in done.err.lower()
    finally:
        sh(host, "userdel -r intruder")


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_a_key_in_a_home_directory_opens_nothing(host: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    assert ctl("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)).ok
    public = (tmp_path / "key.pub").read_text()
    assert sh(host, "install -d -o ops -m 700 ~ops/.ssh && cat >> ~ops/.ssh/authorized_keys", text_in=public).ok
    # The jump host still gets the right key: only the last hop offers the other one.
    config = tmp_path / "config"
    general = f"  IdentityFile {PUBLIC_KEY.with_suffix('')}\n"
    lab = SSH_CONFIG.read_text()
    assert general in lab
    config.write_text(f"Host {host}\n  IdentityFile {key}\nHost * !{host}\n{general}" + lab.replace(general, ""))
    try:
        done = ssh(host, "id", config=config)
        assert not done.ok, "a key that the administrator put there himself opened the host"
        assert "denied" in done.err.lower()
    finally:
        sh(host, "sed -i '$d' ~ops/.ssh/authorized_keys")


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_no_password_and_no_old_algorithm_is_offered(host: str) -> None:
    password = ssh(
        host, "id", "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive"
    )
    assert not password.ok
    assert "Permission denied (publickey)" in password.err
    for option in (
        "KexAlgorithms=diffie-hellman-group14-sha256",
        "KexAlgorithms=curve25519-sha256",
        "Ciphers=aes128-ctr",
        "HostKeyAlgorithms=ecdsa-sha2-nistp256",
    ):
        done = ssh(host, "id", "-o", option)
        assert not done.ok
        assert "no matching" in done.err.lower(), (option, done.err)


@pytest.mark.evidence("HOST-02", "proven")
def test_forwarding_ends_where_it_is_not_needed() -> None:
    # Through the jump host only to SSH of a managed host, and through any other host to nothing at all.
    beyond = ssh("jump", "", "-W", f"{OUTSIDE}:443")
    assert not beyond.ok
    assert "administratively prohibited" in beyond.err
    onward = ssh("vault", "", "-W", "127.0.0.1:22")
    assert not onward.ok
    assert "administratively prohibited" in onward.err


# --- PTM-11: root does not log in from afar ---


@pytest.mark.evidence("PTM-11", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_root_is_refused_with_the_right_key(host: str) -> None:
    assert sh(host, "test ! -e /root/.ssh/authorized_keys").ok
    given = "install -d -m 700 /root/.ssh && cat > /root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys"
    assert sh(host, given, text_in=PUBLIC_KEY.read_text()).ok
    try:
        done = ssh(host, "id", "-l", "root")
        assert not done.ok
        assert "denied" in done.err.lower()
    finally:
        sh(host, "rm -f /root/.ssh/authorized_keys")


@pytest.mark.evidence("PTM-11", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_sudo_is_the_way_to_root(host: str) -> None:
    assert sudo(host, "cat /etc/shadow >/dev/null").ok


# --- HOST-04, PTM-06: default deny, both directions ---


@pytest.mark.evidence("HOST-04", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_a_port_that_nobody_named_is_closed_from_everywhere(host: str) -> None:
    opened = sh(host, "systemd-run --unit=probe-listener -q python3 -m http.server 8099 --bind 0.0.0.0")
    assert opened.ok, opened.err
    try:
        sh(host, "for i in 1 2 3 4 5 6 7 8 9 10; do ss -ltn | grep -q :8099 && break; sleep 0.2; done")
        assert reaches(host, "127.0.0.1", 8099, PATIENCE), (
            "the listener itself does not answer: the test would prove nothing"
        )
        assert not who_reaches(("outside", "infra", "jump" if host != "jump" else "vault"), (address(host), 8099))
    finally:
        sh(host, "systemctl stop probe-listener")


@pytest.mark.evidence("HOST-04", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_nothing_goes_out_that_nobody_named(host: str) -> None:
    assert not reached(host, *((OUTSIDE, port) for port in (80, 443, 53)))
    query = (
        "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); "
        f"s.sendto(bytes.fromhex('12340100000100000000000001310000010001'), ('{UNNAMED_DNS}', 53)); s.recv(512)"
    )
    done = sh(host, f"python3 -c {shlex.quote(query)}")
    assert not done.ok, f"{host} asked a DNS server that nobody named"


@pytest.mark.evidence("HOST-04", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_what_is_named_still_works(host: str) -> None:
    assert sh(host, "getent ahostsv4 infra >/dev/null || getent ahostsv4 localhost >/dev/null").ok
    assert reaches(host, "198.18.0.3", 3142, PATIENCE), "the package mirror is out of reach"
    assert reaches(host, "198.18.0.3", 53, PATIENCE), "the named DNS server is out of reach"


@pytest.mark.evidence("HOST-04", "proven")
@pytest.mark.parametrize("host", VALIDATORS)
def test_json_rpc_is_reached_by_the_named_caller_alone(host: str) -> None:
    target = address(host, "ledger")
    assert reaches("app", target, 8545, PATIENCE), "the legitimate caller does not get through"
    peer = next(one for one in VALIDATORS if one != host)
    assert not who_reaches(("outside", "tessera", peer), (target, 8545))


@pytest.mark.evidence("PTM-06", "proven")
def test_the_secret_store_is_reached_by_its_consumer_alone() -> None:
    store = address("vault", "secrets")
    assert reaches("tessera", store, 8200, PATIENCE), "the store's consumer does not get through"
    others = ("outside", "jump", "database", "validator1", "infra", "holders")
    assert not who_reaches(others, (store, 8200), (address("vault"), 8200))


@pytest.mark.evidence("PTM-06", "proven")
def test_the_secret_store_reaches_nothing_beyond_its_needs() -> None:
    doors = ((address("tessera", "secrets"), 22), (address("jump"), 22), (address("validator1"), 22))
    assert not reached("vault", (OUTSIDE, 443), *doors)


@pytest.mark.evidence("HOST-04", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_the_packet_filter_is_there_before_the_network_and_others_tables_survive(host: str) -> None:
    assert sh(host, "systemctl is-enabled quorum-firewall.service").out.strip() == "enabled"
    assert sh(
        host, "nft add table inet foreign && systemctl restart quorum-firewall.service && nft list table inet foreign"
    ).ok
    assert sh(
        host, "systemctl stop quorum-firewall.service; nft list table inet quorum_hardening | grep -q 'policy drop'"
    ).ok
    assert sh(host, "nft delete table inet foreign; systemctl start quorum-firewall.service").ok


# --- HOST-06: one duty a host ---


@pytest.mark.evidence("HOST-06", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_no_program_of_another_duty_runs_here(host: str) -> None:
    duty = "goquorum" if host in VALIDATORS else host
    programs = {"goquorum": "geth", "vault": "bao", "tessera": "java", "database": "postgres"}
    names = sh(host, "ps -eo comm=").out.split()
    for other, program in programs.items():
        if other != duty:
            assert program not in names, f"{program} runs on {host}"
    if duty in ("goquorum", "vault"):
        assert programs[duty] in names, f"{programs[duty]} does not run on {host}"


# --- PTM-13: no memory image reaches the disk ---


@pytest.mark.evidence("PTM-13", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_a_crash_in_a_session_leaves_no_core_file(host: str) -> None:
    done = ssh(host, "d=$(mktemp -d) && cd $d && { sh -c 'kill -SEGV $$'; ls -A $d | wc -l; ulimit -c; ulimit -Hc; }")
    assert done.out.split()[-3:] == ["0", "0", "0"], done.out + done.err


@pytest.mark.evidence("PTM-13", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_a_crash_in_a_service_leaves_no_core_file(host: str) -> None:
    script = (
        "d=$(mktemp -d); systemd-run -q --wait --unit=probe-crash -p WorkingDirectory=$d sh -c 'kill -SEGV $$'; "
        "ls -A $d | wc -l; systemctl reset-failed probe-crash 2>/dev/null; rmdir $d"
    )
    assert sh(host, script).out.split()[0] == "0"


@pytest.mark.evidence("PTM-13", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_no_daemon_may_dump_core(host: str) -> None:
    names = [n for n in ("geth", "bao", "nginx", "sshd") if sh(host, f"pidof {n}").ok and n != "sshd"]
    for name in names:
        limits = sh(host, f"cat /proc/$(pidof {name} | cut -d' ' -f1)/limits").out
        line = next(row for row in limits.splitlines() if row.startswith("Max core file size"))
        assert line.split()[4:6] == ["0", "0"], f"{name}: {line}"
    assert sh(host, "systemctl show -p DefaultLimitCORE --value").out.strip() == "0"
