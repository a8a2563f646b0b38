# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over the fact ``consortium``: each one a pure function of ``module_utils``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.quorum.hardening.plugins.module_utils import baseline, flows, patch_plan, ruleset, views
from ansible_collections.quorum.hardening.plugins.module_utils.audit_context import VARIABLES, audit_context
from ansible_collections.quorum.hardening.plugins.module_utils.catalog import controls_of
from ansible_collections.quorum.hardening.plugins.module_utils.entities import Consortium, to_plain
from ansible_collections.quorum.hardening.plugins.module_utils.plain import plain
from ansible_collections.quorum.hardening.plugins.module_utils.tree import digest

#: The consortium that this process read last, by the fingerprint of its fact: one task asks many times.
_READ: dict[str, Consortium] = {}


def fact(consortium: Consortium) -> dict[str, Any]:
    """The fact ``consortium``: the records as plain JSON, and a fingerprint by which they are known again."""
    records = consortium.to_dict()
    return {**records, "fingerprint": digest(json.dumps(records, sort_keys=True).encode())}


def _consortium(value: Any) -> Consortium:
    if not isinstance(value, Mapping) or "hosts" not in value:
        raise AnsibleFilterError("expected the fact 'consortium': run quorum.hardening.preflight first")
    known = str(value.get("fingerprint", ""))
    if not known or known not in _READ:
        _READ.clear()
        _READ[known] = Consortium.from_dict(plain(value))
    return _READ[known]


def _of_all(function: Callable[[Consortium], Any]) -> Callable[[Any], Any]:
    """A filter without an argument."""

    def answer(value: Any) -> Any:
        return to_plain(function(_consortium(value)))

    return answer


def _of_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose first argument is a host of the consortium."""

    def answer(value: Any, host: str, *more: Any) -> Any:
        consortium = _consortium(value)
        if str(host) not in consortium.hosts:
            raise AnsibleFilterError(f"{host} is no managed host: put it into the group quorum")
        return to_plain(function(consortium, str(host), *[plain(item) for item in more]))

    return answer


def _audit_context(value: Any, host: str, variables: Mapping[str, Any]) -> Any:
    """Only the few variables that are named are looked at, because looking renders them."""
    named = {name: plain(variables[name]) for name in VARIABLES if name in variables}
    return _of_host(audit_context)(value, host, named)


def _baseline(value: Any, host: str, variables: Mapping[str, Any]) -> Any:
    """As with the audit's context, only what is named is looked at."""
    named = {name: plain(variables[name]) for name in baseline.VARIABLES if name in variables}

    def of(consortium: Consortium, name: str, own: Mapping[str, Any]) -> dict[str, Any]:
        me = consortium.hosts[name]
        return baseline.baseline(me.duties, own, sorted(person.name for person in me.administrators))

    return _of_host(of)(value, host, named)


def _controls(tags: Any) -> list[str]:
    return controls_of([str(tag) for tag in tags])


class FilterModule:
    """Filters over the consortium."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> filter."""
        return {
            "audit_context": _audit_context,
            "baseline": _baseline,
            "controls": _controls,
            "flows": _of_all(flows.flows),
            "jump_addresses": _of_all(views.jump_addresses),
            "network_picture": _of_all(views.network_picture),
            "patching": _of_host(patch_plan.patching),
            "peers": _of_host(views.peers),
            "permissioned_nodes": _of_all(views.permissioned_nodes),
            "ruleset": _of_host(ruleset.ruleset),
            "ssh_onward": _of_host(views.ssh_onward),
            "ssh_peers": _of_host(views.ssh_peers),
            "tunnel_users": _of_host(views.tunnel_users),
        }
