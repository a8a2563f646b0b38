# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every probe by the name that the catalogue calls it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from . import (
    probes_access,
    probes_books,
    probes_files,
    probes_firewall,
    probes_hids,
    probes_host,
    probes_kernel,
    probes_limits,
    probes_patch,
    probes_sessions,
    probes_ssh,
)
from .probing import Registry

if TYPE_CHECKING:
    # Also for those who pack this for a host: they follow what is imported.
    from . import probes_credentials, probes_geth, probes_tls

    FAMILIES = (probes_credentials, probes_geth, probes_tls)

#: What every host is asked.
ORDINARY: Registry = {
    **probes_access.PROBES,
    **probes_books.PROBES,
    **probes_files.PROBES,
    **probes_firewall.PROBES,
    **probes_hids.PROBES,
    **probes_host.PROBES,
    **probes_kernel.PROBES,
    **probes_limits.PROBES,
    **probes_patch.PROBES,
    **probes_sessions.PROBES,
    **probes_ssh.PROBES,
}
#: What some duties bring along; it takes a tenth of an audit to load, and most hosts ask nothing of it.
OF_DUTIES = ("probes_credentials", "probes_geth", "probes_tls")


def probes_for(names: Iterable[str] | None = None) -> Registry:
    """All probes, or at least those of them that are called by one of ``names``."""
    if names is not None and set(names) <= ORDINARY.keys():
        return ORDINARY
    found = dict(ORDINARY)
    for family in OF_DUTIES:
        found.update(import_module(f".{family}", __package__).PROBES)
    return found
