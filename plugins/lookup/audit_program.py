# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of the program that audits a host without a controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_program
short_description: The audit as a program that runs on the host
version_added: 0.1.0
description:
  - Packs the probes of the collection, and what they need, into one file that Python 3 runs.
  - The same collection gives the same bytes, on every controller.
author:
  - quorum.hardening contributors (@quorum-hardening)
options:
  _terms:
    description: None are taken.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: See how large it is
  ansible.builtin.debug:
    msg: "{{ lookup('quorum.hardening.audit_program') | b64decode(encoding='latin-1') | length }}"
"""

RETURN = r"""
_raw:
  description: The program in Base64.
  type: list
  elements: str
"""

import base64
import functools
from typing import Any

from ansible.plugins.lookup import LookupBase

from ansible_collections.quorum.hardening.plugins.plugin_utils.bundle import bundle


@functools.lru_cache(maxsize=1)
def program() -> str:
    """The program in Base64."""
    return base64.b64encode(bundle("drift")).decode()


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core ships no types
    """The ``audit_program`` lookup."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """Return the program."""
        return [program()]
