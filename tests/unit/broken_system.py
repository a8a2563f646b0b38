# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes about the system of a host."""

from __future__ import annotations

from broken_inventories import everywhere, on, row

BROKEN_SYSTEM = [
    row(
        "a way out of /proc/sys",
        "system-names vault host_kernel_parameters.net/../../x",
        "not the name",
        "rp_filter",
        on("vault", host_kernel_parameters={"net/../../x": "1"}),
    ),
    row(
        "a switch for a parameter",
        "system-names vault host_kernel_parameters.kernel.sysrq",
        "no value",
        "null",
        on("vault", host_kernel_parameters={"kernel.sysrq": False}),
    ),
    row(
        "a module with arguments",
        "system-names vault host_modules.udf;reboot",
        "not the name",
        "usb_storage",
        on("vault", host_modules={"udf;reboot": False}),
    ),
    row(
        "an option of a package manager",
        "system-names vault host_packages.--purge",
        "not the name",
        "cron",
        on("vault", host_packages={"--purge": False}),
    ),
    row(
        "a unit without a type",
        "system-names vault host_services.rsync",
        "not the name",
        "rsync.service",
        on("vault", host_services={"rsync": False}),
    ),
    row(
        "two options in one",
        "mount-options vault host_mount_options./tmp",
        "no mount option",
        "nosuid, nodev",
        on("vault", host_mount_options={"/tmp": ["nosuid,exec"]}),
    ),
    row(
        "options that are no list",
        "mount-options vault host_mount_options./tmp",
        "no mount option",
        "a list",
        on("vault", host_mount_options={"/tmp": "no suid"}),
    ),
    row(
        "the node's web server",
        "needed-here validator1 host_packages.nginx",
        "needs it",
        "without nginx",
        on("validator1", host_packages={"nginx": False}),
    ),
    row(
        "the way in",
        "needed-here jump host_services.ssh.service",
        "needs it",
        "without ssh.service",
        on("jump", host_services={"ssh.service": False}),
    ),
    row("a small /tmp", "tmp-size vault host_tmp_size", "too small", "64m", on("vault", host_tmp_size="16m")),
    row("no size", "tmp-size vault host_tmp_size", "no size", "512m", on("vault", host_tmp_size="much")),
    row("no clock", "clock consortium host_ntp_servers", "no server", "address", everywhere(host_ntp_servers=[])),
    row(
        "its own clock",
        "clock vault host_ntp_servers",
        "this host alone",
        "another machine",
        on("vault", host_ntp_servers=["198.18.0.11"]),
    ),
]
