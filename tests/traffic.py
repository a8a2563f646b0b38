# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic within the lab, for the tests: listeners, attempts by the dozen, floods, and single bare packets."""

from __future__ import annotations

import fcntl
import shlex
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.driver import PATIENCE, ROOT, reaches, sh

#: Accepts and holds whatever comes to a port.
LISTEN = (
    "import socket; s = socket.create_server(('0.0.0.0', {port}), backlog=1024); k = []\nwhile 1: k.append(s.accept())"
)
#: Tries all "address:port" at once and says which of them let a connection come up.
TRY = """
import selectors, socket, sys, time
waiting, up, kept = selectors.DefaultSelector(), [], []
for place in sys.argv[1:]:
    address, port = place.rsplit(":", 1)
    one = socket.socket(); one.setblocking(False); kept.append(one)
    if one.connect_ex((address, int(port))) in (0, 115):
        waiting.register(one, selectors.EVENT_WRITE, place)
end = time.monotonic() + 4
while waiting.get_map() and time.monotonic() < end:
    for key, _events in waiting.select(0.5):
        waiting.unregister(key.fileobj)
        if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            up.append(key.data)
print(*up)
"""


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """A listener on a host for the time of a test: so a refusal is the packet filter's, and not an empty port's.

    Two streams of tests may want the same port: they have it one after the other.
    """
    unit = f"probe-listener-{port}"
    with (ROOT / "build" / f"{host}-{unit}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        opened = sh(host, f"systemd-run --unit={unit} -q python3 -c {shlex.quote(LISTEN.format(port=port))}")
        assert opened.ok, opened.err
        try:
            sh(host, f"for i in $(seq 50); do ss -ltn | grep -q ':{port} ' && break; sleep 0.2; done")
            near = reaches(host, "127.0.0.1", port, PATIENCE)
            assert near, "the listener does not answer: the test would prove nothing"
            yield
        finally:
            sh(host, f"systemctl stop {unit}; systemctl reset-failed {unit} 2>/dev/null")


def reached(source: str, *places: tuple[str, int]) -> set[str]:
    """Those of some addresses and ports that a container reaches, all tried at once."""
    words = " ".join(f"{target}:{port}" for target, port in places)
    done = sh(source, f"python3 -c {shlex.quote(TRY)} {words}")
    assert done.ok, done.err
    return set(done.out.split())


def who_reaches(sources: Iterable[str], *places: tuple[str, int]) -> dict[str, set[str]]:
    """Those of some containers that reach any of some addresses and ports, and which; all tried at once."""
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda source: (source, reached(source, *places)), sources)
    return {source: those for source, those in found if those}


#: Opens connections at once, says how many came up, and holds them for a while: target, port, count, seconds.
OPEN = """
import selectors, socket, sys, time
target, port, count, seconds = sys.argv[1], *map(int, sys.argv[2:5])
waiting, kept, up = selectors.DefaultSelector(), [], 0
for _number in range(count):
    one = socket.socket(); one.setblocking(False); one.connect_ex((target, port))
    waiting.register(one, selectors.EVENT_WRITE); kept.append(one)
end = time.monotonic() + 5
while time.monotonic() < end and up < count:
    for key, _events in waiting.select(0.5):
        waiting.unregister(key.fileobj)
        up += key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
print(up, flush=True)
time.sleep(seconds)
"""
#: One bare TCP packet: source, target, port, flags; the kernel chooses the way.
RAW = """
import socket, struct, sys
source, target, port, flags = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
ends = socket.inet_aton(source) + socket.inet_aton(target)
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
def packet(check):
    return struct.pack("!HHLLBBHHH", 41000 + flags, port, 1, 0, 5 << 4, flags, 1024, check, 0)
tcp = packet(checksum(ends + struct.pack("!BBH", 0, 6, 20) + packet(0)))
head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + ends
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
out.sendto(head + tcp, (target, 0))
"""


def python(host: str, script: str, *words: object, timeout: int = 90) -> str:
    """What a Python script says that runs on a container."""
    line = " ".join(shlex.quote(str(word)) for word in ("python3", "-c", script, *words))
    done = sh(host, line, timeout=timeout)
    assert done.ok, done.err
    return done.out.strip()


@contextmanager
def flood(source: str, target: str, port: int, count: int = 400, seconds: int = 30) -> Iterator[int]:
    """A flood from a container for the time of a test; gives how many of its connections came up."""
    words = " ".join(shlex.quote(str(word)) for word in ("python3", "-c", OPEN, target, port, count, seconds))
    assert sh(source, f"rm -f /run/flood; {words} >/run/flood 2>&1 & echo $! >/run/flood.pid").ok
    try:
        text = sh(source, "for i in $(seq 60); do [ -s /run/flood ] && break; sleep 0.5; done; cat /run/flood").out
        assert text.strip().isdigit(), text
        yield int(text)
    finally:
        sh(source, "kill $(cat /run/flood.pid); rm -f /run/flood /run/flood.pid")
