# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger node must refuse, and what it must still do. Each forbidden act is tried, with ordinary tools."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pytest

from tests.driver import INVENTORY, ROOT, VALIDATORS, Done, address, ctl, sh
from tests.traffic import who_reaches

RPC = 8545
CERTIFICATES = ROOT / "build/lab/certificates/acme"
OWN = "--cert /run/app.pem --key /etc/app/app.key"
DATA = "/var/lib/goquorum"
#: One line of Python that asks a node over its IPC socket: socket, method, parameters as JSON.
ASK = (
    "import json,socket,sys;s=socket.socket(socket.AF_UNIX);s.settimeout(20);s.connect(sys.argv[1]);"
    "s.sendall(json.dumps({'jsonrpc':'2.0','id':1,'method':sys.argv[2],'params':json.loads(sys.argv[3])}).encode());"
    "print(s.makefile().readline())"
)

each_validator = pytest.mark.parametrize("host", VALIDATORS)


def ipc(host: str, method: str, *params: Any, socket: str = f"{DATA}/geth.ipc") -> dict[str, Any]:
    """The answer of a node to a call over IPC, made by root on its host."""
    words = ["python3", "-c", ASK, socket, method, json.dumps(params)]
    done = sh(host, " ".join(shlex.quote(word) for word in words))
    assert done.ok, done.err
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def body(method: str, *params: Any) -> str:
    """A JSON-RPC request."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def call(host: str, options: str = OWN, data: str | None = None, scheme: str = "https", path: str = "/") -> Done:
    """Call a node's JSON-RPC from the machine of the named caller; the last line of the output is the HTTP status."""
    data = body("eth_blockNumber") if data is None else data
    url = f"{scheme}://{address(host, 'ledger')}:{RPC}{path}"
    kind = "" if "Content-Type" in options else "-H 'Content-Type: application/json'"
    post = f"--data {shlex.quote(data)}" if data else ""
    return sh("app", f"curl -sS -m 15 --cacert /run/ca.pem -w '\\n%{{http_code}}' {kind} {post} {options} {url}")


def status(done: Done) -> str:
    """The HTTP status of a call; 000 when there was none."""
    return done.out.rsplit("\n", 1)[-1]


@pytest.fixture(scope="module", autouse=True)
def caller() -> None:
    """Hand the named caller its certificate, as its operator would."""
    for name, place in (("app.pem", "/run/app.pem"), ("ca.pem", "/run/ca.pem")):
        assert sh("app", f"cat > {place}", text_in=(CERTIFICATES / name).read_text()).ok


# --- NODE-01: encrypted, and for named callers alone ---


@pytest.mark.evidence("NODE-01", "applied")
@each_validator
def test_the_named_caller_is_served(host: str) -> None:
    done = call(host)
    assert status(done) == "200", done
    assert int(json.loads(done.out.splitlines()[0])["result"], 16) > 0


@pytest.mark.evidence("NODE-01", "proven")
@each_validator
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_service_in_clear_text_or_without_a_certificate(host: str, scheme: str) -> None:
    done = call(host, options="", scheme=scheme)
    assert status(done) in ("400", "000")
    assert "result" not in done.out


@pytest.mark.evidence("NODE-01", "proven")
@each_validator
def test_no_service_past_the_encrypted_port(host: str) -> None:
    # On the host itself, too, the ledger address offers nothing: only the loopback address does.
    assert not who_reaches(("app", host), *((address(host, "ledger"), port) for port in (18545, 8546, 6060)))


@pytest.mark.evidence("NODE-01", "proven")
def test_no_service_for_a_certificate_of_ones_own_making() -> None:
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 2 -subj /CN=app"
    assert sh("app", f"{make} -keyout /run/forged.key -out /run/forged.pem 2>/dev/null").ok
    done = call("validator1", options="--cert /run/forged.pem --key /run/forged.key")
    assert status(done) in ("400", "000")
    assert "result" not in done.out


@pytest.mark.evidence("NODE-01", "proven")
def test_no_service_for_a_name_that_is_no_caller() -> None:
    """A host's own certificate is of the right authority, but its name is not on the list of callers."""
    tls, host = "/etc/goquorum/tls", "validator1"
    script = (
        f"curl -sS -m 15 --cacert {tls}/ca.crt --cert {tls}/rpc.crt --key {tls}/rpc.key -w '\\n%{{http_code}}' "
        f"-H 'Content-Type: application/json' --data '{body('eth_blockNumber')}' "
    )
    done = sh(host, f"{script} https://{address(host, 'ledger')}:{RPC}/")
    assert status(done) in ("400", "403"), done
    assert "result" not in done.out


@pytest.mark.evidence("NODE-01", "proven")
def test_no_service_over_old_tls() -> None:
    assert status(call("validator1", options=f"{OWN} --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0")) == "000"


@pytest.mark.evidence("NODE-01", "proven")
@pytest.mark.parametrize(
    ("options", "data", "path", "expected"),
    [
        (OWN, "", "/", "405"),
        (f"{OWN} -X OPTIONS", None, "/", "405"),
        (f"{OWN} -H 'Content-Type: text/plain'", None, "/", "415"),
        (OWN, None, "/debug/vars", "404"),
        (f"{OWN} -H 'Upgrade: websocket' -H 'Connection: Upgrade'", "", "/", "405"),
    ],
)
def test_only_plain_calls_pass(options: str, data: str | None, path: str, expected: str) -> None:
    done = call("validator1", options=options, data=data, path=path)
    assert status(done) == expected, done


@pytest.mark.evidence("NODE-01", "proven")
def test_a_call_too_large_is_refused() -> None:
    assert sh("app", "head -c 3000000 /dev/zero | tr '\\0' ' ' > /run/large").ok
    url = f"https://{address('validator1', 'ledger')}:{RPC}/"
    script = f"curl -sS -m 20 --cacert /run/ca.pem {OWN} -o /dev/null -w '%{{http_code}}' --data-binary @/run/large"
    assert sh("app", f"{script} -H 'Content-Type: application/json' {url}").out == "413"


# --- NODE-04: never an unlocked account ---


@pytest.mark.evidence("NODE-04", "proven")
@each_validator
@pytest.mark.parametrize(
    "method", ["personal_unlockAccount", "personal_listWallets", "admin_startHTTP", "debug_setHead", "miner_start"]
)
def test_methods_of_power_are_not_to_be_had_from_outside(host: str, method: str) -> None:
    done = call(host, data=body(method))
    assert "does not exist/is not available" in json.loads(done.out.splitlines()[0])["error"]["message"]


@pytest.mark.evidence("NODE-04", "proven")
@each_validator
def test_even_root_cannot_unlock_an_account(host: str) -> None:
    answer = ipc(host, "personal_unlockAccount", "0x" + "11" * 20, "password", 0)
    assert "unlock with HTTP access is forbidden" in answer["error"]["message"]


@pytest.mark.evidence("NODE-04", "proven")
@each_validator
def test_nobody_spends_from_the_node(host: str) -> None:
    order = {"from": "0x" + "11" * 20, "to": "0x" + "22" * 20, "value": "0x1"}
    done = call(host, data=body("eth_sendTransaction", order))
    assert "unknown account" in json.loads(done.out.splitlines()[0])["error"]["message"]


# --- NODE-05: pages of other sites ---


@pytest.mark.evidence("NODE-05", "proven")
@each_validator
def test_a_page_of_another_site_is_turned_away(host: str) -> None:
    assert status(call(host, options=f"{OWN} -H 'Origin: https://stranger.example'")) == "403"
    assert status(call(host, options=f"{OWN} -H 'Host: stranger.example'")) == "421"


@pytest.mark.evidence("NODE-05", "proven")
@each_validator
def test_so_it_is_by_the_client_itself(host: str) -> None:
    ask = f"curl -sS -m 10 -i -H 'Content-Type: application/json' --data '{body('eth_blockNumber')}'"
    local = "http://127.0.0.1:18545/"
    assert " 200 " in sh(host, f"{ask} {local}").out.splitlines()[0]
    assert " 403 " in sh(host, f"{ask} -H 'Host: stranger.example' {local}").out.splitlines()[0]
    foreign = sh(host, f"{ask} -H 'Origin: https://stranger.example' {local}").out
    assert "access-control-allow-origin" not in foreign.lower()


# --- NODE-06: peers of the register alone ---


@pytest.mark.evidence("NODE-06", "proven")
@each_validator
def test_nothing_listens_for_discovery(host: str) -> None:
    assert ":30303" not in sh(host, "ss -lnu").out
    assert ":30303" in sh(host, "ss -lnt").out


@pytest.mark.evidence("NODE-06", "proven")
@each_validator
def test_the_client_cannot_rewrite_its_own_lists_of_peers(host: str) -> None:
    for name in ("permissioned-nodes.json", "static-nodes.json"):
        path = f"{DATA}/{name}"
        for act in (f"echo '[]' > {path}", f"rm -f {path}", f"mv {path} {DATA}/geth/x"):
            assert not sh(host, act, user="goquorum").ok, act
        assert sh(host, f"cat {path}", user="goquorum").ok


@pytest.mark.evidence("NODE-06", "proven")
def test_a_stranger_who_stands_at_the_door_is_not_let_in() -> None:
    """A second client with a key of its own, past every packet filter on the validator's host, asks for entry."""
    host = "validator1"
    if "--permissioned" not in sh(host, "tr '\\0' ' ' < /proc/$(pidof geth)/cmdline").out:
        pytest.skip("the stand-in client has no list of permitted nodes")
    enode = ipc(host, "admin_nodeInfo")["result"]["enode"].split("?")[0]
    known = enode.split("@")[0] + f"@{address(host, 'ledger')}:30303"
    geth = "/opt/goquorum/current/geth --datadir /run/stranger --verbosity 1"
    start = (
        f"{geth} init /etc/goquorum/genesis.json && systemd-run --quiet --collect --unit=stranger "
        f"{geth} --networkid 1337 --syncmode full --nodiscover --nat none --port 31999"
    )
    try:
        done = sh(host, start)
        assert done.ok, done.err
        deadline = time.monotonic() + 30
        while not sh(host, "test -S /run/stranger/geth.ipc").ok:
            assert time.monotonic() < deadline, sh(host, "journalctl -u stranger -n 20 --no-pager").out
            time.sleep(0.5)
        stranger = "/run/stranger/geth.ipc"
        assert ipc(host, "admin_addPeer", known, socket=stranger)["result"] is True
        time.sleep(12)
        assert ipc(host, "admin_peers", socket=stranger)["result"] == []
        peers = [peer["id"] for peer in ipc(host, "admin_peers")["result"]]
        assert ipc(host, "admin_nodeInfo", socket=stranger)["result"]["id"] not in peers
        assert len(peers) >= len(VALIDATORS) - 1
    finally:
        sh(host, "systemctl stop stranger.service; rm -rf /run/stranger")


# --- NODE-09: an identity of its own, for the client alone ---


@pytest.mark.evidence("NODE-09", "proven")
@each_validator
@pytest.mark.parametrize("user", ["ops", "www-data", "nobody"])
def test_nobody_else_reads_the_key(host: str, user: str) -> None:
    assert not any(sh(host, act, user=user).ok for act in (f"cat {DATA}/geth/nodekey", f"ls {DATA}/geth"))


@pytest.mark.evidence("NODE-09", "proven")
@each_validator
def test_the_web_server_does_not_even_see_it(host: str) -> None:
    inside = "nsenter -t $(systemctl show -P MainPID nginx.service) -m"
    assert sh(host, f"{inside} true").ok
    assert not sh(host, f"{inside} cat {DATA}/geth/nodekey").ok


@pytest.mark.evidence("NODE-09", "applied|proven")
def test_every_node_has_another_key() -> None:
    keys = [sh(host, f"sha256sum < {DATA}/geth/nodekey").out for host in VALIDATORS]
    assert len(set(keys)) == len(VALIDATORS)
    shown = [ipc(host, "admin_nodeInfo")["result"]["enode"][8:136] for host in VALIDATORS]
    register = (ROOT / "build/lab/inventory/group_vars/all/register.yml").read_text()
    assert all(key in register for key in shown)


# --- the chain ---


def test_no_node_may_leave_while_another_is_away() -> None:
    """With one of four away, a second one would halt the chain: the gate stays shut, and opens again afterwards."""
    modules = ipc("validator1", "rpc_modules")["result"]
    if "istanbul" not in modules:
        pytest.skip("the stand-in's chain is made by one signer outside")
    ask = [
        str(ROOT / ".venv/bin/ansible"),
        "-i",
        str(INVENTORY),
        "validator1",
        "-b",
        "-m",
        "quorum.hardening.chain_gate",
    ]
    try:
        assert sh("validator4", "systemctl stop goquorum.service", timeout=330).ok
        time.sleep(40)  # more than the blocks over which seals are judged
        shut = ctl(*ask, "-a", "ask=spare within=5")
        assert not shut.ok
        assert "would be away" in shut.out, shut.out
    finally:
        assert sh("validator4", "systemctl start goquorum.service", timeout=120).ok
    opened = ctl(*ask, "-a", "ask=spare within=150", timeout=200)
    assert opened.ok, opened.out
