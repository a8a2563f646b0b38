# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of a GoQuorum node: how it was started, what its configuration says, what it answers over IPC.

Values of command-line flags are never handed back: one of them may be a secret.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

from .probes_host import programs_named
from .probing import Absent, Args, Observation, Unreadable
from .system import System
from .wire import header, status_line

CLIENTS = ("geth",)


def _flag(word: str) -> str:
    """Name of a flag: ``--unlock=0`` and ``-unlock`` are both ``unlock``; empty for any other word."""
    return word.lstrip("-").split("=", 1)[0] if word.startswith("-") else ""


def command_flags(args: Args, system: System) -> Observation:
    """Forbidden flags of the running client, in its unit, and in files that start it.

    args: forbidden (flag names without dashes), unit, files. found: sorted "--flag in place".
    """
    forbidden, unit = set(args["forbidden"]), str(args["unit"])
    found = set()
    for process in programs_named(system, CLIENTS):
        found |= {f"--{_flag(word)} in process {process.pid}" for word in process.argv if _flag(word) in forbidden}
    shown = system.run(["systemctl", "cat", unit])
    if shown.code != 0:
        raise Absent(f"there is no unit {unit}")
    texts = {unit: shown.out}
    for path in args.get("files", []):
        text = system.read(str(path))
        if text is not None:
            texts[str(path)] = text
    for place, text in texts.items():
        words = text.replace("\\\n", " ").replace('"', " ").replace("'", " ").split()
        found |= {f"--{_flag(word)} in {place}" for word in words if _flag(word) in forbidden}
    return Observation(sorted(found), f"/proc/*/cmdline, {', '.join(texts)}")


def _toml(system: System, path: str) -> Mapping[str, Any]:
    text = system.read(path)
    if text is None:
        raise Absent(f"{path} is not there")
    try:
        parser = importlib.import_module("tomllib")
    except ImportError as problem:  # Python before 3.11
        raise Unreadable(f"{path}: this Python cannot read TOML") from problem
    try:
        parsed: Mapping[str, Any] = parser.loads(text)
    except ValueError as problem:
        raise Unreadable(f"{path}: {problem}") from problem
    return parsed


def config_settings(args: Args, system: System) -> Observation:
    """Values of the client's TOML configuration. args: path, keys (``Node.HTTPCors``). found: key -> value or None."""
    path = str(args["path"])
    tree = _toml(system, path)
    found: dict[str, Any] = {}
    for key in args["keys"]:
        value: Any = tree
        for part in str(key).split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        found[str(key)] = value
    return Observation(found, path)


def peer_discovery(args: Args, system: System) -> Observation:
    """How the client looks for peers, by its configuration and by how it was started. args: path (TOML).

    found: discovery, discovery_v5 (bool), bootnodes (list; None where the client's own public list would be used).
    """
    path = str(args["path"])
    node = _toml(system, path).get("Node", {})
    settings = node.get("P2P", {}) if isinstance(node, Mapping) else {}
    flags = {_flag(word) for process in programs_named(system, CLIENTS) for word in process.argv} - {""}
    bootnodes = settings.get("BootstrapNodes")
    found = {
        "discovery": not (bool(settings.get("NoDiscovery")) or "nodiscover" in flags),
        "discovery_v5": bool(settings.get("DiscoveryV5")) or "v5disc" in flags,
        "bootnodes": [*(bootnodes or []), "named on the command line"] if "bootnodes" in flags else bootnodes,
    }
    return Observation(found, f"{path}, /proc/*/cmdline")


def discovery_socket(args: Args, system: System) -> Observation:
    """Whether the running client has a datagram socket on its peer-to-peer port. args: port. found: bool."""
    sockets: set[int] = set()
    for process in programs_named(system, CLIENTS):
        sockets |= system.socket_inodes(process.pid)
    port = int(args["port"])
    found = any(item.inode in sockets and item.proto == "udp" and item.port == port for item in system.listeners())
    return Observation(found, "/proc/net/udp, /proc/*/fd")


def config_in_use(args: Args, system: System) -> Observation:
    """Configuration files that the running client was started with. args: none. found: sorted paths."""
    del args
    found = set()
    for process in programs_named(system, CLIENTS):
        words = list(process.argv)
        for position, word in enumerate(words):
            if _flag(word) == "config":
                following = words[position + 1] if position + 1 < len(words) else ""
                found.add(word.split("=", 1)[1] if "=" in word else following)
    return Observation(sorted(found), "/proc/*/cmdline")


def unlocked_wallets(args: Args, system: System) -> Observation:
    """Wallets that the client holds unlocked. args: ipc. found: status of each such wallet."""
    path = str(args["ipc"])
    wallets = system.json_rpc(path, "personal_listWallets") or []
    states = [str(wallet.get("status", "")) for wallet in wallets]
    # A keystore says Unlocked; the vault plugin says how many accounts are, and none is fine.
    found = [state for state in states if "unlocked" in state.lower() and not state.startswith("0 unlocked")]
    return Observation(found, f"{path} personal_listWallets")


def node_identity(args: Args, system: System) -> Observation:
    """Public key the client answers with. args: ipc. found: enode (128 hex digits)."""
    path = str(args["ipc"])
    info = system.json_rpc(path, "admin_nodeInfo")
    enode = str(info.get("enode", "")) if isinstance(info, Mapping) else ""
    if not enode.startswith("enode://"):
        raise Unreadable(f"{path}: admin_nodeInfo names no enode")
    return Observation({"enode": enode[8:].split("@", 1)[0].lower()}, f"{path} admin_nodeInfo")


def node_list(args: Args, system: System) -> Observation:
    """Enode URLs in a JSON file. args: path. found: the list."""
    path = str(args["path"])
    text = system.read(path)
    if text is None:
        raise Absent(f"{path} is not there")
    try:
        nodes = json.loads(text)
    except ValueError as problem:
        raise Unreadable(f"{path}: {problem}") from problem
    return Observation(nodes, path)


def foreign_request(args: Args, system: System) -> Observation:
    """What the client answers a page of a foreign site. args: address, port, site.

    found: status of a request with a foreign Host header, and whether a foreign Origin is allowed to read an answer.
    """
    address, port, site = str(args["address"]), int(args["port"]), str(args["site"])
    body = b'{"jsonrpc":"2.0","id":1,"method":"rpc_modules","params":[]}'

    def ask(host: str, *more: str) -> bytes:
        lines = [
            "POST / HTTP/1.0",
            f"Host: {host}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *more,
        ]
        answer = system.exchange(address, port, "\r\n".join([*lines, "", ""]).encode() + body)
        if answer is None:
            raise Absent(f"nothing listens on {address} port {port}")
        return answer

    words = status_line(ask(site)).split()
    allowed = header(ask(f"{address}:{port}", f"Origin: https://{site}"), "Access-Control-Allow-Origin")
    found = {"foreign_host": words[1] if len(words) > 1 else "refused", "foreign_origin": allowed}
    return Observation(found, f"{address} port {port}")


PROBES = {
    "command_flags": command_flags,
    "config_settings": config_settings,
    "config_in_use": config_in_use,
    "peer_discovery": peer_discovery,
    "discovery_socket": discovery_socket,
    "unlocked_wallets": unlocked_wallets,
    "node_identity": node_identity,
    "node_list": node_list,
    "foreign_request": foreign_request,
}
