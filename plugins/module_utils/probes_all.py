# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every probe by the name that the catalogue calls it."""

from __future__ import annotations

from . import (
    probes_access,
    probes_books,
    probes_credentials,
    probes_files,
    probes_firewall,
    probes_geth,
    probes_hids,
    probes_host,
    probes_kernel,
    probes_limits,
    probes_patch,
    probes_sessions,
    probes_ssh,
    probes_tls,
)
from .probing import Registry

REGISTRY: Registry = {
    **probes_access.PROBES,
    **probes_books.PROBES,
    **probes_credentials.PROBES,
    **probes_files.PROBES,
    **probes_firewall.PROBES,
    **probes_geth.PROBES,
    **probes_hids.PROBES,
    **probes_host.PROBES,
    **probes_kernel.PROBES,
    **probes_limits.PROBES,
    **probes_patch.PROBES,
    **probes_sessions.PROBES,
    **probes_ssh.PROBES,
    **probes_tls.PROBES,
}
