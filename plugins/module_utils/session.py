# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which SSH connection does this process belong to, when did it begin, and where does it come from?

A connection that stood before a change proves nothing about it: packet filters let established flows pass, and sshd
keeps the sessions it has. So a change is confirmed only over a connection whose server process began afterwards.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass

# Debian 12 runs every session in "sshd", Debian 13 in "sshd-session".
PROGRAMS = {"sshd", "sshd-session"}


class SessionError(Exception):
    """The session proves nothing; the message says why."""


@dataclass(frozen=True)
class Process:
    """One row of the process table; ``started`` in seconds since boot."""

    pid: int
    parent: int
    started: float
    program: str
    title: str


@dataclass(frozen=True)
class Session:
    """An SSH connection: pid of its server process, its start (seconds since boot) and the peer's address."""

    pid: int
    started: float
    peer: str


class Proc:
    """Reads the process table under ``root``. Every method raises SessionError for a process that is not there."""

    def __init__(self, root: str = "/proc", ticks: int = 0) -> None:
        self.root = root
        self.ticks = ticks or os.sysconf("SC_CLK_TCK")

    def _read(self, pid: int, name: str) -> str:
        try:
            with open(os.path.join(self.root, str(pid), name), "rb") as file:
                return file.read().decode("utf-8", "surrogateescape")
        except OSError as error:
            raise SessionError(f"process {pid} cannot be read: {error}") from error

    def process(self, pid: int) -> Process:
        """The process ``pid``; the program is taken from its executable, which a process cannot rename at will."""
        # The name in brackets may itself hold blanks and brackets: the fields begin after the last bracket.
        fields = self._read(pid, "stat").rpartition(")")[2].split()
        try:
            target = os.readlink(os.path.join(self.root, str(pid), "exe"))
        except OSError:  # kernel threads and foreign namespaces show none
            target = ""
        return Process(
            pid=pid,
            parent=int(fields[1]),
            started=int(fields[19]) / self.ticks,
            program=os.path.basename(target.removesuffix(" (deleted)")),
            title=self._read(pid, "cmdline").replace("\0", " ").strip(),
        )

    def ancestors(self, pid: int) -> list[Process]:
        """``pid`` and its parents, nearest first."""
        chain: list[Process] = []
        while pid > 0:
            chain.append(self.process(pid))
            pid = chain[-1].parent
        return chain

    def variable(self, pid: int, name: str) -> str | None:
        """A variable of the environment ``pid`` was started with."""
        for pair in self._read(pid, "environ").split("\0"):
            key, equals, value = pair.partition("=")
            if equals and key == name:
                return value
        return None


def find(proc: Proc, pid: int) -> Session:
    """The SSH connection that the process ``pid`` was started over. Raises SessionError where there is none."""
    chain = proc.ancestors(pid)
    servers = [row for row in chain if row.program in PROGRAMS and "[listener]" not in row.title]
    if not servers:
        raise SessionError("this is no SSH session (no sshd among the parents of the process)")
    # The outermost one began when the connection was accepted; those inside, at log in or for a single command.
    server = servers[-1]
    below = chain[: chain.index(servers[0])]
    for row in reversed(below):
        # sshd sets it for the command it starts; sudo removes it further down.
        value = proc.variable(row.pid, "SSH_CONNECTION")
        if value:
            return Session(server.pid, server.started, value.split()[0])
    raise SessionError(f"the peer of the SSH session {server.pid} is not known (no SSH_CONNECTION)")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def prove(session: Session, since: float, sources: Sequence[str]) -> None:
    """Refuse a session that does not prove the change.

    ``since``: moment of the change in seconds since boot; ``sources``: addresses or CIDRs the session must come from.
    Raises SessionError.
    """
    if session.started <= since:
        raise SessionError(
            f"this SSH connection began {since - session.started:.2f} s before the change and proves nothing about it:"
            " close the shared connection and connect anew"
        )
    try:
        peer = _address(session.peer)
        networks = [ipaddress.ip_network(source, strict=False) for source in sources]
    except ValueError as error:
        raise SessionError(str(error)) from error
    if not any(peer in network for network in networks):
        raise SessionError(
            f"this SSH connection comes from {session.peer}, not the way administrators come"
            f" ({', '.join(sources) or 'no address is named'})"
        )
