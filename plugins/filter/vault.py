# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the secret store and its certificates."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.quorum.hardening.plugins.module_utils import subjects


class FilterModule:
    """Names as used in playbooks and roles."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {
            "audit_labels": subjects.audit_labels,
            "certificate_subjects": subjects.subjects,
            "certificate_requests": subjects.requests,
        }
