# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered rules under real traffic: two network namespaces, one with a validator's table, one with its callers."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from consortium_sample import consortium

from ansible_collections.quorum.hardening.plugins.module_utils import nft
from ansible_collections.quorum.hardening.plugins.module_utils.ruleset import ruleset
from tests.traffic import RAW

FLOODER, CALLER, PEER, JUMP = "198.18.1.40", "198.18.1.41", "198.18.1.22", "198.18.0.2"
NODE, NODE_MANAGEMENT = "198.18.1.21", "198.18.0.21"
RPC, P2P, SSH = 8545, 30303, 22

#: Accepts on all ports given, holds what comes, and says when it is ready.
SERVE = """
import selectors, socket, sys
ready, kept = selectors.DefaultSelector(), []
for port in map(int, sys.argv[1:]):
    server = socket.create_server(("0.0.0.0", port), backlog=4096)
    ready.register(server, selectors.EVENT_READ)
print("up", flush=True)
while True:
    for key, _events in ready.select():
        kept.append(key.fileobj.accept())
"""
#: Opens connections at once and counts those that come up: source, target, port, how many, seconds to wait.
OPEN = """
import selectors, socket, sys, time
source, target, port, count, seconds = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
waiting, kept, up = selectors.DefaultSelector(), [], 0
for _number in range(count):
    one = socket.socket()
    one.setblocking(False)
    one.bind((source, 0))
    one.connect_ex((target, port))
    waiting.register(one, selectors.EVENT_WRITE)
    kept.append(one)
end = time.monotonic() + seconds
while time.monotonic() < end and up < count:
    for key, _events in waiting.select(0.2):
        waiting.unregister(key.fileobj)
        up += key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
print(up)
"""


@dataclass
class Pair:
    """Two namespaces by the process that holds each: ``near`` has the table, ``far`` the callers."""

    near: int
    far: int
    text: str = ""

    def run(self, where: int, *argv: str, text: str = "") -> tuple[int, str, str]:
        command = ["nsenter", "-t", str(where), "-n", *argv]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def filter(self, argv: list[str], text: str) -> tuple[int, str, str]:
        """A runner for the functions of ``nft``."""
        return self.run(self.near, *argv, text=text)

    def must(self, where: int, line: str) -> str:
        status, out, err = self.run(where, *line.split())
        assert status == 0, f"{line}: {err}"
        return out

    def opened(self, source: str, port: int, count: int = 1, target: str = NODE, seconds: int = 2) -> int:
        argv = ["python3", "-c", OPEN, source, target, str(port), str(count), str(seconds)]
        status, out, err = self.run(self.far, *argv)
        assert status == 0, err
        return int(out)

    def dropped(self, chain: str) -> int:
        """Packets that ended in a chain of refusals."""
        out = self.must(self.near, f"nft list chain inet quorum_hardening {chain}")
        found = re.search(r"counter packets (\d+)", out)
        assert found
        return int(found[1])

    def raw(self, source: str, target: str, port: int, flags: int) -> None:
        status, _out, err = self.run(self.far, "python3", "-c", RAW, source, target, str(port), str(flags))
        assert status == 0, err


def able() -> bool:
    tools = all(shutil.which(name) for name in ("nft", "ip", "nsenter", "unshare"))
    if os.geteuid() != 0 or not tools:
        return False
    return subprocess.run(["unshare", "-n", "ip", "link", "add", "trial0", "type", "veth"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    not able(), reason="nft-load: needs root, nft and the right to make a network namespace"
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    holders = [subprocess.Popen(["unshare", "-n", "sleep", "300"]) for _side in range(2)]
    own = os.readlink("/proc/self/ns/net")
    while any(os.readlink(f"/proc/{holder.pid}/ns/net") == own for holder in holders):
        pass
    both = Pair(holders[0].pid, holders[1].pid)
    for leg, mine, theirs in (("l", NODE, (FLOODER, CALLER, PEER)), ("m", NODE_MANAGEMENT, (JUMP,))):
        both.must(both.near, f"ip link add {leg}0 type veth peer name {leg}1 netns {both.far}")
        for side, end, addresses in ((both.near, f"{leg}0", (mine,)), (both.far, f"{leg}1", theirs)):
            for address in addresses:
                both.must(side, f"ip address add {address}/24 dev {end}")
            both.must(side, f"ip link set {end} up")
    callers = [{"name": "flooder", "addresses": [FLOODER]}, {"name": "caller", "addresses": [CALLER]}]
    both.text = nft.prepared(ruleset(consortium(consortium_clients=callers), "validator1"))
    try:
        yield both
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()


@pytest.fixture
def node(pair: Pair) -> Iterator[Pair]:
    """The pair with the table loaded and listeners up."""
    nft.load(pair.text, pair.filter)
    ports = [str(port) for port in (RPC, P2P, SSH, 8099)]
    command = ["nsenter", "-t", str(pair.near), "-n", "python3", "-c", SERVE, *ports]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    assert server.stdout.readline() == "up\n"
    try:
        yield pair
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_a_flood_is_cut_and_the_other_caller_is_served(node: Pair) -> None:
    assert node.opened(FLOODER, RPC, 600) <= 64
    assert node.dropped("in_flood") > 0
    rules = node.must(node.near, "nft list chain inet quorum_hardening input")
    for reason in ("rpc: too many new ones of one source", "rpc: one source holds too many"):
        hits = [line for line in rules.splitlines() if reason in line and f" {FLOODER}" in line]
        assert any(int(n) for line in hits for n in re.findall(r"counter packets (\d+)", line)), reason
    assert node.opened(CALLER, RPC, 20) == 20, "the legitimate caller is shut out by the other one's flood"


def test_peers_may_come_back_all_at_once(node: Pair) -> None:
    assert node.opened(PEER, P2P, 400, seconds=10) == 400
    assert node.dropped("in_flood") == 0


def test_what_packets_leave_in_the_sets_is_no_drift(node: Pair) -> None:
    node.opened(FLOODER, RPC, 300)
    elements = json.loads(node.must(node.near, "nft -j list set inet quorum_hardening new_rpc_v4"))
    assert FLOODER in json.dumps(elements), "nothing was counted: the test would prove nothing"
    live, goal = nft.live(node.filter), nft.wanted(node.text)
    assert live is not None
    assert live.rules == goal.rules
    assert live.text == goal.text


def test_flags_of_no_sound_packet(node: Pair) -> None:
    for count, flags in enumerate((0x00, 0x01, 0x29, 0x03, 0x06, 0x05, 0x3F), 1):
        node.raw(PEER, NODE, P2P, flags)
        assert node.dropped("in_flags") == count, hex(flags)
    node.raw(PEER, NODE, P2P, 0x10)
    assert node.dropped("in_unbegun") == 1, "an ACK began a connection"


def test_a_neighbour_of_another_segment_does_not_pass_for_the_jump_host(node: Pair) -> None:
    assert node.opened(JUMP, SSH, target=NODE_MANAGEMENT) == 1, "the jump host itself does not get through"
    node.must(node.far, "ip link set m1 down")
    node.must(node.far, f"ip address add {JUMP}/32 dev l1")
    node.must(node.far, f"ip route add {NODE_MANAGEMENT} via {NODE} dev l1")
    node.raw(JUMP, NODE_MANAGEMENT, SSH, 0x02)
    assert node.dropped("in_spoofed") == 1


def test_sources_that_no_network_has(node: Pair) -> None:
    for name in ("all", "l0"):
        node.must(node.near, f"sysctl -q -w net.ipv4.conf.{name}.rp_filter=0 net.ipv4.conf.{name}.accept_local=1")
    for count, source in enumerate(("127.0.0.9", "224.0.0.9", "240.0.0.9", NODE), 1):
        node.raw(source, NODE, P2P, 0x02)
        assert node.dropped("in_spoofed") == count, source


#: Sends large datagrams, each in several fragments: source, target, how many.
LARGE = """
import socket, sys
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.bind((sys.argv[1], 0))
for _number in range(int(sys.argv[3])):
    out.sendto(bytes(9000), (sys.argv[2], 9))
"""


def test_fragments_are_few(node: Pair) -> None:
    for count, cut in ((5, False), (300, True)):
        status, _out, err = node.run(node.far, "python3", "-c", LARGE, PEER, NODE, str(count))
        assert status == 0, err
        assert (node.dropped("in_fragments") > 0) == cut


#: A session that is older than the table: the host that has it speaks first after the table is loaded.
SESSION = """
import socket, sys
server = socket.create_server((sys.argv[1], 22))
print("up", flush=True)
one, _peer = server.accept()
print("met", flush=True)
sys.stdin.readline()
one.sendall(b"after")
one.settimeout(3)
print(one.recv(5).decode(), flush=True)
"""
GUEST = """
import socket, sys
one = socket.create_connection((sys.argv[2], 22), 3, (sys.argv[1], 0))
print(one.recv(5).decode())
one.sendall(b"heard")
"""


@pytest.mark.parametrize("adopted", [True, False])
def test_a_session_older_than_the_table_goes_on(pair: Pair, adopted: bool) -> None:
    command = ["nsenter", "-t", str(pair.near), "-n", "python3", "-c", SESSION, NODE_MANAGEMENT]
    host = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert host.stdin and host.stdout
    assert host.stdout.readline() == "up\n"
    command = ["nsenter", "-t", str(pair.far), "-n", "python3", "-c", GUEST, JUMP, NODE_MANAGEMENT]
    guest = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert host.stdout.readline() == "met\n"
    nft.load(pair.text, pair.filter)
    if adopted:
        nft.adopt(pair.text, pair.filter)
    host.stdin.write("go on\n")
    host.stdin.flush()
    told, _none = guest.communicate(timeout=30)
    host.kill()
    host.communicate()
    assert (told == "after\n") == adopted
    assert nft.live(pair.filter) == nft.wanted(pair.text)


def test_ports_of_ours_are_adopted_and_no_others(pair: Pair) -> None:
    assert nft.served(pair.text) == [SSH, RPC, P2P]
    nft.load(pair.text, pair.filter)
    nft.adopt(pair.text, pair.filter)
    out = pair.must(pair.near, "nft list set inet quorum_hardening adopting")
    assert sorted(map(int, re.findall(r"(\d+) timeout 2m", out))) == [SSH, RPC, P2P]
    assert nft.served("table inet other {\n}\n") == []
