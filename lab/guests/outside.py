# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the world beyond the lab: answers on a few ports, and as a DNS server nobody named; notes who came.

Every contact is one JSON line in /var/log/contacts.jsonl: {"proto", "port", "to", "from"}.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time

TCP_PORTS = (22, 53, 80, 123, 443, 3142, 5432, 6514, 8200, 8545, 9000, 9101, 30303)
UDP_PORTS = (53, 123, 514, 30303)
ANSWER = socket.inet_aton("203.0.113.10")
LOG = "/var/log/contacts.jsonl"
IP_PKTINFO = 8  # of Linux; Python has no name for it before 3.14
_lock = threading.Lock()


def note(proto: str, port: int, to: str, source: str) -> None:
    """One line for a test to find."""
    with _lock, open(LOG, "a", encoding="utf-8") as log:
        log.write(json.dumps({"proto": proto, "port": port, "to": to, "from": source, "at": time.time()}) + "\n")


def dns_answer(query: bytes) -> bytes:
    """Any question is answered with 203.0.113.10 (one A record)."""
    end = query.index(b"\0", 12) + 5
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + ANSWER
    return query[:2] + b"\x81\x80" + b"\0\x01\0\x01\0\0\0\0" + query[12:end] + record


def serve_tcp(port: int) -> None:
    """Accept, note, greet, close; on 53 answer DNS over TCP, on the others HTTP, which any client can read."""
    with socket.create_server(("", port), backlog=64) as listener:
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=_talk, args=(connection, port, peer[0]), daemon=True).start()


def _talk(connection: socket.socket, port: int, source: str) -> None:
    with connection, contextlib.suppress(OSError, ValueError):
        note("tcp", port, connection.getsockname()[0], source)
        connection.settimeout(5)
        if port == 53:
            query = connection.recv(2048)[2:]
            answer = dns_answer(query)
            connection.sendall(struct.pack("!H", len(answer)) + answer)
            return
        if port == 22:
            connection.sendall(b"SSH-2.0-outside\r\n")
            return
        connection.recv(2048)
        body = b"outside\n"
        head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\nContent-Type: text/plain\r\n\r\n"
        connection.sendall(head.encode() + body)


def serve_udp(port: int) -> None:
    """Note and answer: DNS on 53, an echo elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        # The reply must leave from the address that was asked, and this container has many.
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        server.bind(("", port))
        while True:
            data, ancillary, _flags, peer = server.recvmsg(4096, 256)
            own = socket.inet_ntoa(ancillary[0][2][8:12])
            note("udp", port, own, peer[0])
            with contextlib.suppress(OSError, ValueError):
                reply = dns_answer(data) if port == 53 else data
                info = struct.pack("=I4s4s", 0, socket.inet_aton(own), b"\0" * 4)
                server.sendmsg([reply], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, peer)


def main() -> None:
    """One thread per port, for ever."""
    servers = [threading.Thread(target=serve_tcp, args=(port,)) for port in TCP_PORTS]
    servers += [threading.Thread(target=serve_udp, args=(port,)) for port in UDP_PORTS]
    for server in servers:
        server.start()


if __name__ == "__main__":
    main()
