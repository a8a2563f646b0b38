# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads inventory values of any shape into plain typed ones, and notes what is wrong instead of raising.

Every method takes the variable's name (with the path inside it, ``consortium_members[0].nodes[1].port``) and the value
found, and returns a value of the promised type: the one found when it is sound, else an empty one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils.entities import Endpoint, Finding

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
_LOOKS_LIKE_ADDRESS = re.compile(r"^[0-9.]+(/.*)?$|:")
_ADDRESS_ADVICE = "an IPv4 or IPv6 address such as 198.18.0.11 or 2001:db8::11"
_NETWORK_ADVICE = "an address or a CIDR such as 198.18.0.0/24 or 2001:db8::/64"
_PROXY_ADVICE = "the address; what is only known by name is reached through a proxy with a fixed address"
_LONGEST = 72


def show(value: Any) -> str:
    """A value as it may stand in a message: one short line, and never a private key."""
    text = " ".join(str(value).split())
    if "PRIVATE KEY" in text:
        return "(withheld: a private key)"
    if text == "":
        return "(empty)"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


class Reader:
    """Collects the findings of one source of variables (a host, or the consortium as a whole)."""

    def __init__(self, host: str, findings: list[Finding]) -> None:
        self.host = host
        self.findings = findings

    def note(self, variable: str, value: Any, problem: str, advice: str, *, rule: str = "type") -> None:
        """Add one finding; ``advice`` is what to write instead."""
        self.findings.append(Finding(self.host, variable, show(value), problem, advice, (), rule))

    def text(self, variable: str, value: Any, default: str = "") -> str:
        """Text; numbers and dates are taken as written."""
        if value is None:
            return default
        if isinstance(value, (str, int, float, date)) and not isinstance(value, bool):
            return str(value).strip()
        self.note(variable, value, "is not text", "one line of text")
        return default

    def name(self, variable: str, value: Any) -> str:
        """A name that is safe in file names, rule comments and messages: letters, digits, dot, dash, underscore."""
        found = self.text(variable, value)
        if _NAME.match(found):
            return found
        problem = "is missing" if found == "" else "holds characters that a name may not have"
        advice = "letters, digits, '.', '_' and '-', 63 at most, starting with a letter or digit"
        self.note(variable, value, problem, advice)
        return re.sub(r"[^A-Za-z0-9._-]", "_", found)[:63]

    def choice(self, variable: str, value: Any, choices: Sequence[str], default: str) -> str:
        """One of ``choices``."""
        found = self.text(variable, value, default)
        if found in choices:
            return found
        self.note(variable, value, "is not one of the choices", " or ".join(choices))
        return default

    def boolean(self, variable: str, value: Any, default: bool = False) -> bool:
        """A truth value, also in YAML 1.1 words."""
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in ("true", "yes", "on", "1"):
            return True
        if word not in ("false", "no", "off", "0"):
            self.note(variable, value, "is neither true nor false", "true or false")
        return False

    def integer(self, variable: str, value: Any, default: int, low: int, high: int) -> int:
        """A whole number within ``low``..``high``, both included."""
        if value is None:
            return default
        try:
            if isinstance(value, (bool, float)):
                raise ValueError(value)
            found = int(value)
        except (TypeError, ValueError):
            self.note(variable, value, "is not a whole number", f"a number from {low} to {high}")
            return default
        if low <= found <= high:
            return found
        self.note(variable, value, "is out of range", f"a number from {low} to {high}", rule="range")
        return default

    def port(self, variable: str, value: Any, default: int) -> int:
        """A TCP or UDP port."""
        return self.integer(variable, value, default, 1, 65535)

    def day(self, variable: str, value: Any) -> str:
        """A calendar day as ``YYYY-MM-DD``; an empty text when there is none."""
        found = self.text(variable, value)
        if found == "":
            return ""
        try:
            return date.fromisoformat(found[:10]).isoformat()
        except ValueError:
            self.note(variable, value, "is not a day of the calendar", "the day as YYYY-MM-DD")
            return ""

    def items(self, variable: str, value: Any) -> Iterator[tuple[str, Any]]:
        """The members of a list, each with its own path."""
        if value is None:
            return
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
            self.note(variable, value, "is not a list", "a list, one '- ' per line")
            return
        for index, item in enumerate(value):
            yield f"{variable}[{index}]", item

    def mappings(self, variable: str, value: Any, keys: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The members of a list of mappings, whose keys are all among ``keys``."""
        for path, item in self.items(variable, value):
            if isinstance(item, Mapping):
                self.known(path, item, keys)
                yield path, item
            else:
                self.note(path, item, "is not a mapping", "a mapping with the keys " + ", ".join(keys))

    def known(self, path: str, item: Mapping[str, Any], keys: Sequence[str]) -> None:
        """Note keys of ``item`` that nobody reads."""
        for key in item:
            if key not in keys:
                advice = "one of " + ", ".join(keys)
                self.note(f"{path}.{key}", item[key], "is not a key we know", advice, rule="unknown")

    def pairs(self, variable: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Key and value of a mapping, in the order of the keys."""
        if value is None:
            return
        if not isinstance(value, Mapping):
            self.note(variable, value, "is not a mapping", "a mapping, one 'key: value' per line")
            return
        for key in sorted(value, key=str):
            yield str(key), value[key]

    def texts(self, variable: str, value: Any) -> tuple[str, ...]:
        """A list of texts."""
        found = [self.text(path, item) for path, item in self.items(variable, value)]
        return tuple(item for item in found if item)

    def address(self, variable: str, value: Any) -> str:
        """One address, canonical; names are refused because a packet filter resolves them once and for all."""
        found = self.text(variable, value)
        try:
            address = ipaddress.ip_address(found)
        except ValueError:
            self._bad_address(variable, found, _ADDRESS_ADVICE)
            return ""
        if address.is_unspecified or address.is_multicast or address.is_loopback:
            self.note(variable, value, "is no address of a single host on a network", _ADDRESS_ADVICE, rule="address")
            return ""
        return str(address)

    def network(self, variable: str, value: Any) -> str:
        """An address or a CIDR, canonical (``/32`` and ``/128`` are left away); never the whole world."""
        found = self.text(variable, value)
        try:
            network = ipaddress.ip_network(found)
        except ValueError as error:
            if str(error).endswith("has host bits set"):
                wide = ipaddress.ip_network(found, strict=False)
                self.note(variable, value, "has host bits set", f"{wide} for the network", rule="address")
            else:
                self._bad_address(variable, found, _NETWORK_ADVICE)
            return ""
        if network.prefixlen == 0:
            self.note(variable, value, "is the whole world", "the networks that need it, one by one", rule="address")
            return ""
        return plain_network(network)

    def addresses(self, variable: str, value: Any) -> tuple[str, ...]:
        """A list of addresses."""
        found = [self.address(path, item) for path, item in self.items(variable, value)]
        return tuple(item for item in found if item)

    def networks(self, variable: str, value: Any) -> tuple[str, ...]:
        """A list of addresses and CIDRs."""
        found = [self.network(path, item) for path, item in self.items(variable, value)]
        return tuple(item for item in found if item)

    def servers(self, variable: str, value: Any, port: int) -> tuple[Endpoint, ...]:
        """A list of addresses that answer on ``port``."""
        return tuple(Endpoint(address, port) for address in self.addresses(variable, value))

    def endpoints(self, variable: str, value: Any, port: int) -> tuple[Endpoint, ...]:
        """A list of ``{address, port}``; ``port`` where an item names none."""
        found = []
        for path, item in self.mappings(variable, value, ("address", "port")):
            address = self.address(f"{path}.address", item.get("address"))
            if address:
                found.append(Endpoint(address, self.port(f"{path}.port", item.get("port"), port)))
        return tuple(found)

    def _bad_address(self, variable: str, found: str, advice: str) -> None:
        if found and not _LOOKS_LIKE_ADDRESS.search(found):
            problem = "is a name, and flows end at addresses only: a name would be resolved once, when the rules load"
            self.note(variable, found, problem, _PROXY_ADVICE, rule="name")
        else:
            self.note(variable, found, "is not an address", advice, rule="address")


def plain_network(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    """A network as text, a single address without its prefix length."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
