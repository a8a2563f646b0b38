# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles and the report need from the consortium, each as a pure function of it."""

from __future__ import annotations

from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Node, to_plain
from ansible_collections.quorum.hardening.plugins.module_utils.flows import flows, in_order


def jump_addresses(c: Consortium) -> list[str]:
    """Management addresses of the jump hosts: where SSH to all other hosts comes from."""
    return list(in_order(address for host in c.with_duty("jump") for address in host.leg("management")))


def ssh_peers(c: Consortium, host: str) -> list[str]:
    """Addresses and CIDRs from which SSH reaches ``host``."""
    table = [flow for flow in flows(c) if flow.port == 22 and host in flow.target_hosts]
    return list(in_order(address for flow in table for address in flow.source_addresses))


def ssh_onward(c: Consortium, host: str) -> list[str]:
    """Where SSH may be forwarded to from ``host``, as ``address:port``; empty on all but jump hosts."""
    table = [flow for flow in flows(c) if flow.port == 22 and host in flow.source_hosts]
    return [at(address, 22) for address in in_order(a for flow in table for a in flow.target_addresses)]


def tunnel_users(c: Consortium, host: str) -> list[dict[str, Any]]:
    """Accounts on ``host`` that may open a tunnel and nothing else: the holders of the secret store's shares.

    On a jump host the tunnel leads to SSH of the store's hosts, there to the store's own loopback port; elsewhere there
    are none.  Each entry: name, keys, permit_open (list of ``address:port``).
    """
    me, targets = c.hosts[host], []
    if "jump" in me.duties:
        legs = in_order(address for vault in c.with_duty("vault") for address in vault.leg("management"))
        targets = [at(address, 22) for address in legs]
    elif "vault" in me.duties:
        targets = [at("127.0.0.1", me.ports["vault"])]
    people = sorted(c.holders, key=lambda person: person.name) if targets else []
    return [{"name": p.name, "keys": list(p.ssh_keys), "permit_open": list(targets)} for p in people]


def enode_url(node: Node) -> str:
    """A node's enode URL at its first address, discovery off."""
    return f"enode://{node.enode}@{at(node.addresses[0], node.port)}?discport=0"


def permissioned_nodes(c: Consortium) -> list[str]:
    """Enode URLs of all nodes of all members: who may join at all."""
    nodes = [node for member in c.members for node in member.nodes if node.addresses]
    return sorted(enode_url(node) for node in nodes)


def peers(c: Consortium, host: str) -> list[str]:
    """Enode URLs of all nodes but the one on ``host``: whom it dials."""
    mine = {enode_url(node) for node in c.own_member().nodes if node.name == host and node.addresses}
    return [url for url in permissioned_nodes(c) if url not in mine]


def network_picture(c: Consortium) -> dict[str, Any]:
    """The network as plain data: segments, hosts, and the flows between them as edges."""
    return {
        "segments": [{"name": name, "cidrs": list(cidrs)} for name, cidrs in c.segments.items()],
        "hosts": [
            {"name": h.name, "duties": list(h.duties), "region": h.region, "addresses": to_plain(h.addresses)}
            for h in (c.hosts[name] for name in sorted(c.hosts))
        ],
        "edges": [to_plain(flow) for flow in flows(c)],
    }


def at(address: str, port: int) -> str:
    """``address:port``, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
