# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the chain, computed on the controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.quorum.hardening.plugins.module_utils import chain
from ansible_collections.quorum.hardening.plugins.plugin_utils import ethereum


def validator_address(enode: str) -> str:
    """Return the address of the validator that owns this public key (128 hex digits)."""
    lacking = ethereum.missing()
    if lacking:
        raise AnsibleFilterError(lacking)
    try:
        return chain.validator_address(enode, ethereum.keccak256)
    except chain.ChainError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible asks a filter plugin for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"validator_address": validator_address}
