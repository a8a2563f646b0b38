# SPDX-License-Identifier: GPL-3.0-or-later
"""The secret store: what it must do for those it knows, and what it must refuse everybody else."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.driver import VALIDATORS, Done, address, reaches, sh

PORT = 8200
STORE = address("vault", "secrets")
CA = "/etc/openbao/tls/ca.crt"
SITE = "/etc/quorum.hardening/vault/site"
HOLDERS = ("holder1", "holder2", "holder3")
#: A host in the store's segment, with a certificate of the store's authority for its own name.
CONSUMER = "tessera"
CONSUMER_TLS = "--cacert {0}/ca.crt --cert {0}/host.crt --key {0}/host.key".format("/etc/quorum.hardening/tls")
SITE_TLS = f"--cacert {CA} --cert {SITE}.crt --key {SITE}.key"


def curl(host: str, arguments: str, path: str = "sys/health", where: str = STORE) -> Done:
    """The HTTP status on the last line, whatever body there was before it; exit status of curl."""
    return sh(host, f"curl -s -m 8 -w '\\n%{{http_code}}' {arguments} https://{where}:{PORT}/v1/{path}")


def status(done: Done) -> str:
    """The HTTP status, 000 where no answer came."""
    return done.out.rsplit("\n", 1)[-1]


@pytest.fixture(scope="module")
def token() -> str:
    """A token of the store host's own login, as short-lived as any."""
    done = curl("vault", f'{SITE_TLS} -d \'{{"name": "site"}}\'', "auth/cert/login")
    assert status(done) == "200", done.out
    return str(json.loads(done.out.rsplit("\n", 1)[0])["auth"]["client_token"])


def asked(token: str, method: str, path: str, body: str = "") -> str:
    """Status of a call with a token, which travels on standard input and not as an argument."""
    data = f"-d {shlex.quote(body)}" if body else ""
    command = f"curl -s -m 8 -o /dev/null -w '%{{http_code}}' {SITE_TLS} -H @- -X {method} {data}"
    return sh("vault", f"{command} https://{STORE}:{PORT}/v1/{path}", text_in=f"X-Vault-Token: {token}\n").out


# --- It does its work ---


@pytest.mark.evidence("PTM-06", "applied")
def test_it_is_open_and_serves_its_own_segment() -> None:
    assert status(curl("vault", SITE_TLS)) == "200"
    assert status(curl(CONSUMER, CONSUMER_TLS)) == "200"


@pytest.mark.evidence("NODE-01", "applied")
@pytest.mark.parametrize("host", VALIDATORS)
def test_it_signed_a_certificate_for_a_key_made_on_another_host(host: str) -> None:
    tls = "/etc/goquorum/tls"
    assert sh(host, f"openssl verify -CAfile {tls}/ca.crt -untrusted {tls}/rpc.crt {tls}/rpc.crt").ok
    public = f"openssl x509 -in {tls}/rpc.crt -noout -pubkey; openssl pkey -in {tls}/rpc.key -pubout"
    halves = sh(host, public).out.strip().split("-----END PUBLIC KEY-----")
    assert halves[0].strip() == halves[1].strip(), "certificate and key do not belong together"
    assert sh("vault", f"cat {CA}").out == sh(host, f"cat {tls}/ca.crt").out


# --- It refuses strangers ---


@pytest.mark.evidence("PTM-06", "proven")
@pytest.mark.parametrize("arguments", ["", "--tls-max 1.2"])
def test_without_a_certificate_or_with_old_tls_there_is_no_answer(arguments: str) -> None:
    tls = f"--cacert {CA}" if not arguments else SITE_TLS
    done = curl("vault", f"{tls} {arguments}")
    assert not done.ok
    assert status(done) == "000"


@pytest.mark.evidence("PTM-06", "proven")
def test_a_certificate_of_a_strange_authority_is_refused() -> None:
    make = (
        "d=$(mktemp -d); openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -subj /CN=site.demo "
        f"-days 1 -keyout $d/k -out $d/c 2>/dev/null; curl -s -m 8 --cacert {CA} --cert $d/c --key $d/k "
        f"https://{STORE}:{PORT}/v1/sys/health; rc=$?; rm -r $d; exit $rc"
    )
    assert not sh("vault", make).ok


@pytest.mark.evidence("PTM-06", "proven")
def test_plain_http_is_refused() -> None:
    done = sh("vault", f"curl -s -m 8 -o /dev/null -w '%{{http_code}}' http://{STORE}:{PORT}/v1/sys/health")
    assert done.out in ("000", "400")


@pytest.mark.evidence("PTM-06", "proven")
@pytest.mark.parametrize("host", ["outside", "jump", *VALIDATORS])
def test_nobody_else_reaches_it(host: str) -> None:
    for where in (address("vault"), STORE):
        assert not reaches(host, where, PORT)


@pytest.mark.evidence("PTM-06", "proven")
def test_the_listener_for_people_is_on_loopback_alone() -> None:
    listening = sh("vault", "ss -Hltn | awk '{print $4}'").out.split()
    wide = {entry for entry in listening if not entry.startswith(("127.", "[::1]"))}
    assert f"{STORE}:{PORT}" in wide
    assert {entry for entry in wide if entry.split(":")[-1] != "22"} == {f"{STORE}:{PORT}"}


@pytest.mark.evidence("PTM-06", "proven")
def test_another_hosts_certificate_does_not_log_in_as_site() -> None:
    done = curl(CONSUMER, f'{CONSUMER_TLS} -d \'{{"name": "site"}}\'', "auth/cert/login")
    assert status(done) in ("400", "403")


# --- What the automation may not do ---


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "sys/mounts/mine", '{"type": "kv"}'),
        ("POST", "sys/policies/acl/site", '{"policy": "path \\"*\\" { capabilities = [\\"sudo\\"] }"}'),
        ("POST", "pki_services/roles/server", '{"allow_any_name": true}'),
        ("POST", "pki_root/root/sign-intermediate", "{}"),
        ("POST", "pki_services/issue/server", '{"common_name": "validator1"}'),
        ("POST", "auth/cert/certs/mine", "{}"),
        ("POST", "auth/token/create", '{"policies": ["root"]}'),
        ("POST", "sys/seal", "{}"),
        ("GET", "sys/storage/raft/snapshot", ""),
    ],
)
def test_the_login_of_the_host_changes_nothing(token: str, method: str, path: str, body: str) -> None:
    assert asked(token, method, path, body) == "403"


@pytest.mark.parametrize("name", ["bank.example", "validator1.example", "*", "localhost"])
def test_a_name_that_the_inventory_does_not_know_is_not_signed(token: str, name: str) -> None:
    make = (
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout /dev/null -subj /CN=x 2>/dev/null"
    )
    csr = sh("vault", make).out
    assert "BEGIN CERTIFICATE REQUEST" in csr
    body = json.dumps({"csr": csr, "common_name": name, "ttl": "1h"})
    assert asked(token, "POST", "pki_services/sign/server", body) == "400"


def test_an_address_that_the_inventory_does_not_know_is_not_signed(token: str) -> None:
    make = (
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout /dev/null -subj /CN=x 2>/dev/null"
    )
    body = {"csr": sh("vault", make).out, "common_name": "validator1", "ttl": "1h"}
    assert asked(token, "POST", "pki_services/sign/server", json.dumps({**body, "ip_sans": "203.0.113.10"})) == "400"
    assert asked(token, "POST", "pki_services/sign/server", json.dumps({**body, "ip_sans": "198.18.1.21"})) == "200"


@pytest.mark.parametrize("path", ["sys/rekey/init", "sys/generate-root/attempt", "sys/raw/core", "sys/metrics"])
def test_without_a_token_the_doors_of_an_emergency_are_shut(path: str) -> None:
    assert status(curl("vault", f"--cacert {CA}", path, "127.0.0.1")) in ("403", "404", "405")


# --- Nothing of its birth is left ---


def test_no_root_token_and_no_key_of_the_anchor_is_left() -> None:
    assert sh("vault", "find /run/quorum.hardening/vault -type f").out == ""
    places = "/etc /var/lib/quorum.hardening /run /root /home"
    found = sh("vault", f"grep -rlE '^-----BEGIN ([A-Z]+ )?PRIVATE KEY' {places} 2>/dev/null | sort")
    pems = found.out.split()
    ours = [path for path in pems if "/ssh/" not in path and not path.startswith("/run/systemd")]
    assert ours == ["/etc/openbao/tls/listener.key", f"{SITE}.key"]


def test_the_keys_belong_to_those_who_use_them() -> None:
    assert sh("vault", "stat -c '%U %a' /etc/openbao/tls/listener.key").out.split()[0] == "openbao"
    assert sh("vault", f"stat -c '%U %a' {SITE}.key").out.split() == ["root", "600"]
    for path in (
        "/etc/openbao/tls/listener.key",
        f"{SITE}.key",
        "/var/log/openbao/audit.log",
        "/var/lib/openbao/vault.db",
    ):
        assert not sh("vault", f"cat {path}", user="nobody").ok


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_holder_sees_the_own_share_alone_and_it_is_encrypted(holder: str) -> None:
    done = sh("vault", "/usr/local/lib/quorum.hardening/vault-share", user=holder)
    shown = json.loads(done.out)
    assert shown["address"] == f"127.0.0.1:{PORT}"
    assert shown["ca"] == sh("vault", f"cat {CA}").out
    assert len(shown["share"]) > 200, "a share in the clear would be much shorter"
    for other in HOLDERS:
        read = sh("vault", f"cat /etc/openbao/shares/{other}.json", user=holder)
        assert read.ok is (other == holder)
    assert not sh("vault", "ls /etc/openbao/shares", user=holder).ok


# --- The service ---


def test_the_service_is_sandboxed() -> None:
    exposure = sh("vault", "systemd-analyze security openbao.service --no-pager | tail -1").out
    assert float(exposure.split(":")[1].split()[0]) < 2, exposure
    pid = sh("vault", "systemctl show -P MainPID openbao.service").out.strip()
    state = dict(
        line.split(":\t", 1) for line in sh("vault", f"cat /proc/{pid}/status").out.splitlines() if ":\t" in line
    )
    assert (int(state["CapEff"], 16), int(state["CapBnd"], 16)) == (0, 0)
    assert (state["NoNewPrivs"], state["Seccomp"]) == ("1", "2")
    assert sh("vault", f"ps -o user= -p {pid}").out.strip() == "openbao"
    limits = sh("vault", f"grep 'core file' /proc/{pid}/limits").out.split()
    assert limits[4:6] == ["0", "0"]


def test_what_is_told_to_the_store_is_not_in_its_logs(token: str) -> None:
    assert (
        asked(token, "POST", "pki_services/sign/server", '{"csr": "canary-5f1d", "common_name": "validator1"}') == "400"
    )
    assert sh("vault", "test -s /var/log/openbao/audit.log").ok
    for word in ("canary-5f1d", token):
        assert sh("vault", "grep -rqF -f - /var/log/openbao", text_in=word + "\n").rc == 1
        assert sh("vault", "journalctl -o cat --no-pager | grep -qF -f /dev/fd/3 3<<E\n" + word + "\nE").rc == 1
