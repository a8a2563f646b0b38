# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connection is it, when did it begin, where does it come from: on process tables written to a directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import session
from ansible_collections.quorum.hardening.plugins.module_utils.session import Proc, Session, SessionError

CONNECTION = "SSH_CONNECTION=198.18.0.2 40000 198.18.0.11 22"


class Table:
    """A process table below a directory; started in hundredths of a second."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.proc = Proc(str(root), ticks=100)

    def add(self, pid, parent, program, title, started, *variables, name="x"):
        folder = self.root / str(pid)
        folder.mkdir()
        middle = " ".join(["0"] * 17)
        (folder / "stat").write_text(f"{pid} ({name}) S {parent} {middle} {started} 0 0\n")
        (folder / "cmdline").write_text("\0".join(title.split()) + "\0")
        (folder / "environ").write_text("\0".join(variables))
        if program:
            (folder / "exe").symlink_to(program)


@pytest.fixture
def table(tmp_path):
    return Table(tmp_path)


def bookworm(table, variables=("LANG=C", CONNECTION)):
    table.add(1, 0, "/usr/lib/systemd/systemd", "/sbin/init", 1, name="systemd")
    table.add(50, 1, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 300)
    table.add(80, 50, "/usr/sbin/sshd", "sshd: ops [priv]", 5000)
    table.add(90, 80, "/usr/sbin/sshd", "sshd: ops@notty", 5030)
    table.add(91, 90, "/usr/bin/dash", "sh -c sudo", 5040, *variables, name="a ) strange (name")
    table.add(92, 91, "/usr/bin/sudo", "sudo -H", 5041)
    table.add(93, 92, "/usr/bin/python3.11", "python3", 5050)
    return 93


def trixie(table):
    table.add(1, 0, "/usr/lib/systemd/systemd", "/sbin/init", 1)
    table.add(50, 1, "/usr/sbin/sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 300)
    table.add(80, 50, "/usr/lib/openssh/sshd-session", "sshd-session: ops [priv]", 6000)
    table.add(90, 80, "/usr/lib/openssh/sshd-session (deleted)", "sshd-session: ops@pts/0", 6030)
    table.add(91, 90, "/usr/bin/bash", "-bash", 6040, CONNECTION)
    return 91


@pytest.mark.parametrize(("make", "started"), [(bookworm, 50.0), (trixie, 60.0)])
def test_the_connection_is_found_on_both_releases(table, make, started):
    assert session.find(table.proc, make(table)) == Session(80, started, "198.18.0.2")


def test_socket_activated_sshd_has_no_listener_above(table):
    table.add(1, 0, "/usr/lib/systemd/systemd", "/sbin/init", 1)
    table.add(80, 1, "/usr/sbin/sshd", "sshd: ops [priv]", 700)
    table.add(91, 80, "/usr/bin/bash", "-bash", 800, CONNECTION)
    assert session.find(table.proc, 91).started == 7.0


def test_a_program_that_calls_itself_sshd_is_none(table):
    table.add(1, 0, "/usr/lib/systemd/systemd", "/sbin/init", 1)
    table.add(80, 1, "/home/ops/python3", "sshd: ops [priv]", 9000)
    table.add(91, 80, "", "-bash", 9001, CONNECTION)
    with pytest.raises(SessionError, match="no SSH session"):
        session.find(table.proc, 91)


def test_a_service_of_the_host_is_no_session(table):
    bookworm(table)
    with pytest.raises(SessionError, match="no SSH session"):
        session.find(table.proc, 50)


@pytest.mark.parametrize("variables", [("LANG=C", "SSH_CONNECTION="), ("SSH_CONNECTION",), ()])
def test_an_unknown_peer_is_refused(table, variables):
    with pytest.raises(SessionError, match="peer of the SSH session 80 is not known"):
        session.find(table.proc, bookworm(table, variables))


def test_a_process_that_is_gone_is_an_error(table):
    with pytest.raises(SessionError, match="process 4711 cannot be read"):
        session.find(table.proc, 4711)


def test_the_real_process_table_can_be_read():
    own = Proc().ancestors(os.getpid())
    assert own[0].pid == os.getpid()
    assert own[-1].parent == 0
    assert own[0].started >= own[-1].started
    assert own[0].program.startswith("python")
    assert "PATH" in os.environ and Proc().variable(os.getpid(), "PATH")


@pytest.mark.parametrize(
    ("peer", "sources"),
    [
        ("198.18.0.2", ["198.18.0.2"]),
        ("198.18.0.2", ["203.0.113.0/24", "198.18.0.0/24"]),
        ("::ffff:198.18.0.2", ["198.18.0.2/32"]),
        ("fe80::1%eth0", ["fe80::/10"]),
        ("2001:db8::2", ["198.18.0.0/24", "2001:db8::/64"]),
    ],
)
def test_a_fresh_connection_from_a_named_place_proves_it(peer, sources):
    session.prove(Session(80, 50.0, peer), 49.99, sources)


@pytest.mark.parametrize("since", [50.0, 50.01, 61.5])
def test_a_connection_not_begun_after_the_change_proves_nothing(since):
    with pytest.raises(SessionError, match="before the change and proves nothing"):
        session.prove(Session(80, 50.0, "198.18.0.2"), since, ["198.18.0.2"])


@pytest.mark.parametrize("sources", [[], ["198.18.0.3"], ["2001:db8::/32", "198.18.1.0/24"]])
def test_a_connection_from_elsewhere_is_refused(sources):
    with pytest.raises(SessionError, match=r"comes from 198\.18\.0\.2, not the way"):
        session.prove(Session(80, 50.0, "198.18.0.2"), 1.0, sources)


@pytest.mark.parametrize(("peer", "source"), [("UNKNOWN", "198.18.0.0/24"), ("198.18.0.2", "jump.example.org")])
def test_what_is_no_address_is_refused(peer, source):
    with pytest.raises(SessionError, match="does not appear to be"):
        session.prove(Session(80, 50.0, peer), 1.0, [source])
