# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's containers and networks, read from inventories/lab and lab/lab.yml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import yaml
from common import INVENTORY, ROOT

PREFIX = "qh-"
#: Hosts beside the lab's own, while `lab.py more` has put some there.
MORE = INVENTORY / "more.yml"


@dataclass(frozen=True)
class Network:
    """A Docker network: its segment, bridge (also the network's name) and CIDR."""

    segment: str
    bridge: str
    cidr: str


@dataclass(frozen=True)
class Machine:
    """A container: managed host (with a Debian release) or guest (without). legs: segment -> address."""

    name: str
    legs: dict[str, str]
    release: str = ""
    uplink: bool = False
    only_flavour: str = ""

    @property
    def container(self) -> str:
        """The name Docker and Testinfra know it by."""
        return PREFIX + self.name


@dataclass(frozen=True)
class Topology:
    """All of the lab."""

    networks: tuple[Network, ...]
    hosts: tuple[Machine, ...]
    guests: tuple[Machine, ...]
    controller: str
    holders: tuple[str, ...]
    jump: str

    def network_of(self, address: str) -> Network:
        """The network an address lies in."""
        return next(net for net in self.networks if ip_address(address) in ip_network(net.cidr))

    def machine(self, name: str) -> Machine:
        """A host or guest by its name; KeyError for an unknown one."""
        return {machine.name: machine for machine in (*self.hosts, *self.guests)}[name]


def _hosts(group: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every host with its variables, from a group of a YAML inventory downwards."""
    yield from (group.get("hosts") or {}).items()
    for child in (group.get("children") or {}).values():
        yield from _hosts(child or {})


def load() -> Topology:
    """Read both files; a mistake in them is a KeyError or StopIteration naming the missing piece."""
    inventory = ROOT / "inventories/lab"
    tree = yaml.safe_load((inventory / "hosts.yml").read_text())
    more = yaml.safe_load(MORE.read_text()) if MORE.exists() else {"all": {}}
    consortium = yaml.safe_load((inventory / "group_vars/all/consortium.yml").read_text())
    extra = yaml.safe_load((ROOT / "lab/lab.yml").read_text())
    cidrs = {name: segment["cidrs"][0] for name, segment in consortium["consortium_segments"].items()}
    hosts = tuple(
        Machine(name, {segment: its[0] for segment, its in values["host_addresses"].items()}, values["lab_release"])
        for name, values in (*_hosts(tree["all"]), *_hosts(more["all"]))
    )
    guests = tuple(
        Machine(name, guest["legs"], "", bool(guest.get("uplink")), guest.get("only_flavour", ""))
        for name, guest in extra["guests"].items()
    )
    jump = next(iter(tree["all"]["children"]["quorum"]["children"]["jump"]["hosts"]))
    networks = tuple(Network(name, bridge, cidrs[name]) for name, bridge in extra["bridges"].items())
    return Topology(networks, hosts, guests, extra["controller"], tuple(extra["holders"]), jump)
