# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nouns of a consortium: plain frozen records, and their way to JSON and back.

Addresses and networks are kept as text in the canonical form of the ``ipaddress`` module; ports are integers;
dates are ``YYYY-MM-DD``.  Nothing here judges: see ``model`` (reading) and ``judge`` (rules).
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

#: Host name of findings that concern the whole inventory and not one host.
CONSORTIUM = "consortium"
#: The group that holds every managed host.
MANAGED = "quorum"
#: Groups that are duties, in the order in which ``site`` goes through them.
DUTIES = ("jump", "vault", "database", "tessera", "goquorum", "monitoring")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the inventory.

    ``advice`` is what to write instead; ``rule`` names the rule that found it (the catalogue's guards refer to it).
    """

    host: str
    variable: str
    value: str
    problem: str
    advice: str
    controls: tuple[str, ...] = ()
    rule: str = ""

    def line(self) -> str:
        """The finding as one line of text."""
        return f"{self.host}: {self.variable} = {self.value}: {self.problem}. Write: {self.advice}"


@dataclass(frozen=True)
class Endpoint:
    """A server known by its address alone (DNS, NTP, mirror, log target)."""

    address: str
    port: int


@dataclass(frozen=True)
class Administrator:
    """A person who may log in: OpenSSH public keys, and optionally the last day (``YYYY-MM-DD``) of the account.

    ``groups``: further groups of the host, such as adm.
    """

    name: str
    keys: tuple[str, ...] = ()
    expires: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holder:
    """A person who holds one share of the secret store."""

    name: str
    ssh_keys: tuple[str, ...] = ()
    pgp_key: str = ""


@dataclass(frozen=True)
class Host:
    """A managed host: its duties, its addresses by segment, its ports by service and the servers it may use."""

    name: str
    duties: tuple[str, ...] = ()
    region: str = ""
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    administrators: tuple[Administrator, ...] = ()
    administrator_networks: tuple[str, ...] = ()
    dns_servers: tuple[Endpoint, ...] = ()
    ntp_servers: tuple[Endpoint, ...] = ()
    package_mirrors: tuple[Endpoint, ...] = ()
    log_targets: tuple[Endpoint, ...] = ()
    skip_controls: tuple[str, ...] = ()
    discovery: bool = False

    def leg(self, segment: str) -> tuple[str, ...]:
        """Addresses of this host in ``segment`` (empty when it has no leg there)."""
        return tuple(self.addresses.get(segment, ()))

    def own(self) -> tuple[str, ...]:
        """All addresses of this host, in the order of its segments' names."""
        return tuple(address for segment in sorted(self.addresses) for address in self.addresses[segment])


@dataclass(frozen=True)
class Node:
    """A GoQuorum node of the register; ``enode`` is the public key as 128 hexadecimal digits."""

    name: str
    enode: str
    addresses: tuple[str, ...]
    port: int
    validator: bool = False
    validator_address: str = ""


@dataclass(frozen=True)
class TesseraEndpoint:
    """A Tessera of the register, as its peers reach it."""

    name: str
    addresses: tuple[str, ...]
    port: int


@dataclass(frozen=True)
class Member:
    """An organisation of the consortium; ``trust`` is ``own``, ``trusted`` or ``untrusted``."""

    name: str
    region: str = ""
    trust: str = "untrusted"
    nodes: tuple[Node, ...] = ()
    tessera: tuple[TesseraEndpoint, ...] = ()


@dataclass(frozen=True)
class Client:
    """A named caller of the JSON-RPC interface: addresses or CIDRs it calls from."""

    name: str
    addresses: tuple[str, ...] = ()
    csr: str = ""


@dataclass(frozen=True)
class Waiver:
    """A control that is knowingly not met on some hosts, until the day ``ends`` (included)."""

    control: str
    hosts: tuple[str, ...] = ()
    reason: str = ""
    owner: str = ""
    ends: str = ""


@dataclass(frozen=True)
class Attestation:
    """An organisation's promise: the document that holds it, who owns it, approved on, expires on (included)."""

    control: str
    document: str = ""
    owner: str = ""
    approved: str = ""
    expires: str = ""


@dataclass(frozen=True)
class Consortium:
    """The whole inventory as one value: what every filter, the preflight, the audit and the report start from."""

    name: str = ""
    organisation: str = ""
    profile: str = "production"
    consensus: str = "qbft"
    chain_id: int = 0
    genesis_file: str = ""
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    hosts: Mapping[str, Host] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    clients: tuple[Client, ...] = ()
    certificate_requests: Mapping[str, str] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    holders: tuple[Holder, ...] = ()
    vault_threshold: int = 0

    def with_duty(self, duty: str) -> tuple[Host, ...]:
        """Managed hosts of a duty, by name."""
        return tuple(self.hosts[name] for name in sorted(self.hosts) if duty in self.hosts[name].duties)

    def others(self) -> tuple[Member, ...]:
        """Members other than the organisation whose hosts the inventory holds."""
        return tuple(member for member in self.members if member.name != self.organisation)

    def own_member(self) -> Member:
        """The organisation's own entry in the register; an empty one when the register has none yet."""
        found = [member for member in self.members if member.name == self.organisation]
        return found[0] if found else Member(name=self.organisation, trust="own")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON: dicts, lists, text, numbers and booleans only."""
        return typing.cast("dict[str, Any]", to_plain(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Consortium:
        """The inverse of ``to_dict``; keys of a newer version are passed over."""
        return from_plain(cls, data)


def to_plain(value: Any) -> Any:
    """A record, or a nest of records, as plain JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def from_plain(cls: type[T], data: Mapping[str, Any]) -> T:
    """Build the record ``cls`` from plain JSON.  Raises TypeError when a field without a default is missing."""
    hints = _hints(typing.cast("Hashable", cls))
    return cls(**{name: _restore(hints[name], data[name]) for name in hints if name in data})


@functools.cache
def _hints(cls: Hashable) -> dict[str, Any]:
    """The annotations of a record; to resolve them takes longer than to fill it."""
    return typing.get_type_hints(cls)


def _restore(hint: Any, value: Any) -> Any:
    """``value`` in the shape that the annotation ``hint`` of a field asks for."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return tuple(_restore(inner[0], item) for item in value)
    if origin is not None:
        return {key: _restore(inner[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast("type[Any]", hint), value)
    return value
