# SPDX-License-Identifier: GPL-3.0-or-later
"""Two streams side by side: most of these tests wait, for a refusal or for a login, and use no processor meanwhile.

What touches accounts or logs in to the store's host, whose codes are good for one login each, is one stream; what goes
over the wire is the other. ``-n 0`` runs all of them one after the other.
"""

from __future__ import annotations

import pytest

#: Files of the first stream; all others are the second.
LOGINS = (
    "test_access",
    "test_host",
    "test_host_credentials",
    "test_host_session",
    "test_host_ssh_audit",
    "test_system",
)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Ask for the two, unless the command line says something else."""
    worker = hasattr(config, "workerinput")  # it comes past here too, and must not ask for workers of its own
    if config.option.numprocesses is None and not worker and not config.option.usepdb:
        config.option.numprocesses, config.option.dist = 2, "loadgroup"


@pytest.hookimpl(tryfirst=True)  # before the workers read the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say of each test which stream it is of."""
    for item in items:
        stream = "logins" if item.path.stem in LOGINS else "wire"
        item.add_marker(pytest.mark.xdist_group(stream))
