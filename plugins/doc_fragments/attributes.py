# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all plugins of the collection promise about check mode, diff mode and running twice."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules and actions."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
      - This assumes that the system controlled or queried by the module has not changed in a relevant way.
"""

    # For what only looks; used together with the fragment above.
    LOOK = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Nothing is ever modified.
  diff_mode:
    support: N/A
    details:
      - Nothing is ever modified.
  idempotent:
    support: full
    details:
      - Nothing is ever modified.
"""
