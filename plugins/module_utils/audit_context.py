# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is expected of one host: the values that the catalogue's probes refer to by name (``$administrators``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import baseline, limits, views
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, Host
from ansible_collections.quorum.hardening.plugins.module_utils.flows import Flow, flows, in_order
from ansible_collections.quorum.hardening.plugins.module_utils.patch_plan import DEFAULTS, patching
from ansible_collections.quorum.hardening.plugins.module_utils.rules_credentials import truth, wants_second_factor
from ansible_collections.quorum.hardening.plugins.module_utils.ruleset import by_family, ruleset

#: Sockets of a duty that others can reach: (protocol, service whose port it is, segments it listens in).
_LISTENERS = {
    "goquorum": (("tcp", "p2p", ("ledger",)), ("tcp", "rpc", ("ledger",))),
    "vault": (("tcp", "vault", ("secrets",)),),
    "tessera": (("tcp", "tessera_p2p", ("privacy",)), ("tcp", "tessera_q2t", ("privacy",))),
    "database": (("tcp", "database", ("privacy",)),),
}
#: What the client listens on with every address, because it has no option for less; the packet filter narrows it.
_EVERYWHERE = ("p2p",)
#: What sudo lets administrators do without a password everywhere: the first one cannot be asked for.
_FREE = tuple(f"/usr/local/sbin/quorum-credentials {what}" for what in ("second-factor", "password", "status"))
#: Variables of the host, beside the model, that ``audit_context`` looks at.
VARIABLES = (
    "goquorum_cors_domains",
    "goquorum_vhosts",
    "goquorum_flavour",
    "host_ssh_second_factor",
    "host_sudo_asks",
    *DEFAULTS,
    *baseline.VARIABLES,
)


def audit_context(c: Consortium, host: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Named values for ``host``; ``variables`` are the host's own (of them ``VARIABLES`` are looked at).

    Lists are sorted as the probes sort what they find.
    """
    me = c.hosts[host]
    table = flows(c)
    node = next((n for n in c.own_member().nodes if n.name == host), None)
    tunnels = {user["name"]: list(user["keys"]) for user in views.tunnel_users(c, host)}
    second_factor = wants_second_factor(me.duties, me.skip_controls, variables.get("host_ssh_second_factor"))
    people = {person.name: list(person.keys) for person in me.administrators}
    asks = truth(variables.get("host_sudo_asks"), default=True)
    patch = patching(c, host, variables)
    return {
        "host": host,
        "duty": me.duties[0] if me.duties else "",
        "duties": list(me.duties),
        "profile": c.profile,
        "organisation": c.organisation,
        "region": me.region,
        "consensus": c.consensus,
        "chain_id": c.chain_id,
        "administrators": sorted(people),
        "tunnels": sorted(tunnels),
        "logins": sorted({*people, *tunnels}),
        "login_keys": {**people, **tunnels},
        "ends": {**{person.name: person.expires for person in me.administrators}, **dict.fromkeys(sorted(tunnels), "")},
        "second_factor": second_factor,
        "ssh_methods": ["publickey,keyboard-interactive:pam" if second_factor else "publickey"],
        "ssh_keyboard": "yes" if second_factor else "no",
        "sudo_asks": asks,
        "sudo_free": [*_FREE, *([] if asks else ["ALL"])],
        "jump_addresses": views.jump_addresses(c),
        "ssh_sources": _sources(table, me, 22),
        "rpc_sources": _sources(table, me, me.ports["rpc"]),
        "vault_sources": _sources(table, me, me.ports["vault"]),
        "log_targets": [f"{target.address} {target.port}" for target in me.log_targets],
        "egress": sorted(
            f"{flow.protocol} {address} {flow.port}"
            for flow in table
            if host in flow.source_hosts
            for address in _spread(a for a in flow.target_addresses if a not in me.own())
        ),
        "tessera_p2p_sources": _sources(table, me, me.ports["tessera_p2p"]),
        "tessera_q2t_sources": _sources(table, me, me.ports["tessera_q2t"]),
        "name_and_time_servers": _name_and_time_servers(me),
        "limits": _limits(c, table, me),
        "ruleset": ruleset(c, host),
        "listeners": listeners(me),
        "addresses": sorted(me.own()),
        "management_addresses": sorted(me.leg("management")),
        "ledger_addresses": sorted(me.leg("ledger")),
        "secrets_addresses": sorted(me.leg("secrets")),
        "static_nodes": views.peers(c, host),
        "permissioned_nodes": views.permissioned_nodes(c),
        "enode": node.enode if node else "",
        "enodes": sorted(n.enode for member in c.members for n in member.nodes),
        "validator_address": node.validator_address if node else "",
        "p2p_port": me.ports["p2p"],
        "tessera_p2p_port": me.ports["tessera_p2p"],
        "tessera_q2t_port": me.ports["tessera_q2t"],
        "rpc_port": me.ports["rpc"],
        "http_port": me.ports["http"],
        "vault_port": me.ports["vault"],
        "cors_domains": _list(variables.get("goquorum_cors_domains")),
        "vhosts": _list(variables.get("goquorum_vhosts")) or ["localhost"],
        "discovery": me.discovery,
        "flavour": str(variables.get("goquorum_flavour") or "goquorum"),
        "skip_controls": sorted(me.skip_controls),
        "patch_max_age_days": patch["max_age_days"],
        "patch_origins": patch["origins"],
        "patch_held": patch["held"],
        "baseline": baseline.baseline(me.duties, baseline.strict(variables), sorted(people)),
        "ntp_servers": sorted({server.address for server in me.ntp_servers}),
    }


def listeners(me: Host) -> list[dict[str, Any]]:
    """Sockets that others can reach on a host of its duties: proto, port, address (``*``: any)."""
    found = [{"proto": "tcp", "port": 22, "address": "*"}]
    for duty in me.duties:
        for proto, service, segments in _LISTENERS.get(duty, ()):
            places = ["*"] if service in _EVERYWHERE else [a for segment in segments for a in me.leg(segment)]
            found += [{"proto": proto, "port": me.ports[service], "address": address} for address in places]
    if me.discovery and "goquorum" in me.duties:
        found.append({"proto": "udp", "port": me.ports["p2p"], "address": "*"})
    return found


def _sources(table: Sequence[Flow], me: Host, port: int) -> list[str]:
    """Who may open a TCP connection to ``port`` of this host, by the flows."""
    mine = [f for f in table if f.protocol == "tcp" and f.port == port and me.name in f.target_hosts]
    return sorted(_spread(a for flow in mine for a in flow.source_addresses if a not in me.own()))


def _limits(c: Consortium, table: Sequence[Flow], me: Host) -> list[str]:
    """The ceilings of all flows that arrive at this host, in words."""
    arriving = (flow for flow in table if me.name in flow.target_hosts)
    return sorted({line for flow in arriving for line in limits.spelled(flow, limits.arriving(c, me, flow))})


def _name_and_time_servers(me: Host) -> list[str]:
    """Whom this host may ask for names and the time: "protocol address port" of each server."""
    dns = [(proto, server) for server in me.dns_servers for proto in ("tcp", "udp")]
    asked = [*dns, *(("udp", server) for server in me.ntp_servers)]
    own = me.own()
    return sorted({f"{proto} {server.address} {server.port}" for proto, server in asked if server.address not in own})


def _spread(addresses: Any) -> list[str]:
    """Addresses as the packet filter holds them: what lies inside another CIDR left out."""
    return [address for _family, some in by_family(in_order(addresses)) for address in some]


def _list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
