# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of the ledger node, on a machine made of dictionaries."""

from __future__ import annotations

import importlib

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_geth
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable

UNIT = """\
[Service]
ExecStart=/opt/geth \\
    --config /etc/c.toml --nat none \\
    --unlock=0
"""


def node(*words, **more):
    more.setdefault("commands", {"systemctl cat": UNIT})
    return FakeSystem(programs=[(7, ["/opt/goquorum/geth", *words])], **more)


def test_forbidden_flags_are_named_without_their_values():
    args = {
        "forbidden": ["unlock", "password", "nodekeyhex"],
        "unit": "g.service",
        "files": ["/etc/default/g", "/none"],
    }
    system = node("--password", "/run/pw", "--nodekeyhex=secret", "unlock", files={"/etc/default/g": 'A="--unlock 1"'})
    assert probes_geth.command_flags(args, system).found == [
        "--nodekeyhex in process 7",
        "--password in process 7",
        "--unlock in /etc/default/g",
        "--unlock in g.service",
    ]
    with pytest.raises(Absent):
        probes_geth.command_flags(args, node(commands={}))
    with pytest.raises(Absent):
        probes_geth.command_flags(args, FakeSystem())


TOML = """\
[Node]
HTTPHost = "127.0.0.1"
HTTPCors = []
[Node.P2P]
NoDiscovery = true
BootstrapNodes = []
"""


def test_settings_of_the_configuration():
    args = {"path": "/c", "keys": ["Node.HTTPHost", "Node.HTTPCors", "Node.HTTPHost.Deep", "Eth.X"]}
    found = probes_geth.config_settings(args, node(files={"/c": TOML})).found
    assert found == {"Node.HTTPHost": "127.0.0.1", "Node.HTTPCors": [], "Node.HTTPHost.Deep": None, "Eth.X": None}
    with pytest.raises(Absent):
        probes_geth.config_settings(args, node())
    with pytest.raises(Unreadable):
        probes_geth.config_settings(args, node(files={"/c": "= ="}))


def test_a_python_without_toml_says_so(monkeypatch):
    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", gone)
    with pytest.raises(Unreadable, match="cannot read TOML"):
        probes_geth.config_settings({"path": "/c", "keys": []}, node(files={"/c": TOML}))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--config", "/a"], ["/a"]),
        (["--config=/a", "--config", "/b"], ["/a", "/b"]),
        ([], []),
        (["--config"], [""]),
    ],
)
def test_configuration_in_use(words, found):
    assert probes_geth.config_in_use({}, node(*words)).found == found


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        ([], TOML, (False, False, [])),
        ([], "[Node.P2P]\nDiscoveryV5 = true\n", (True, True, None)),
        (["--nodiscover"], "", (False, False, None)),
        (["--v5disc", "--bootnodes", "x"], TOML, (False, True, ["named on the command line"])),
        ([], "Node = 3\n", (True, False, None)),
    ],
)
def test_peer_discovery(words, text, found):
    seen = probes_geth.peer_discovery({"path": "/c"}, node(*words, files={"/c": text})).found
    assert (seen["discovery"], seen["discovery_v5"], seen["bootnodes"]) == found


def test_discovery_socket():
    sockets = [("udp", "::", 30303, 4), ("tcp", "::", 30303, 5)]
    assert probes_geth.discovery_socket({"port": 30303}, node(sockets=sockets, held={7: [4, 5]})).found is True
    assert probes_geth.discovery_socket({"port": 30303}, node(sockets=sockets, held={7: [5]})).found is False


@pytest.mark.parametrize(
    ("wallets", "found"),
    [
        (None, []),
        ([{"status": "Locked"}, {}], []),
        ([{"status": "Unlocked"}], ["Unlocked"]),
        (
            [{"status": "0 unlocked account(s)"}, {"status": "2 unlocked account(s): [x]"}],
            ["2 unlocked account(s): [x]"],
        ),
    ],
)
def test_wallets(wallets, found):
    system = node(rpc={"/ipc": {"personal_listWallets": wallets}})
    assert probes_geth.unlocked_wallets({"ipc": "/ipc"}, system).found == found


def test_identity():
    system = node(rpc={"/ipc": {"admin_nodeInfo": {"enode": "enode://ABCD@10.0.0.1:30303?discport=0"}}})
    assert probes_geth.node_identity({"ipc": "/ipc"}, system).found == {"enode": "abcd"}
    for answer in ({}, None):
        with pytest.raises(Unreadable):
            probes_geth.node_identity({"ipc": "/ipc"}, node(rpc={"/ipc": {"admin_nodeInfo": answer}}))


def test_lists_of_nodes():
    assert probes_geth.node_list({"path": "/n"}, node(files={"/n": '["enode://a"]'})).found == ["enode://a"]
    with pytest.raises(Absent):
        probes_geth.node_list({"path": "/n"}, node())
    with pytest.raises(Unreadable):
        probes_geth.node_list({"path": "/n"}, node(files={"/n": "["}))


SITE = {"address": "127.0.0.1", "port": 18545, "site": "stranger.example"}


def test_a_foreign_page_is_turned_away():
    def strict(payload):
        return b"HTTP/1.0 403 Forbidden\r\n\r\n" if b"Host: stranger" in payload else b"HTTP/1.0 200 OK\r\n\r\n{}"

    found = probes_geth.foreign_request(SITE, node(plain={("127.0.0.1", 18545): strict})).found
    assert found == {"foreign_host": "403", "foreign_origin": None}


def test_a_foreign_page_is_let_in():
    answer = b"HTTP/1.0 200 OK\r\nVary: Origin\r\nAccess-Control-Allow-Origin: *\r\n\r\n{}"
    found = probes_geth.foreign_request(SITE, node(plain={("127.0.0.1", 18545): answer})).found
    assert found == {"foreign_host": "200", "foreign_origin": "*"}


def test_a_client_that_hangs_up_or_is_not_there():
    assert probes_geth.foreign_request(SITE, node(plain={("127.0.0.1", 18545): b""})).found["foreign_host"] == "refused"
    with pytest.raises(Absent):
        probes_geth.foreign_request(SITE, node())
