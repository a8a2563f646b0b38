# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of the kernel: parameters, modules, boot, swap, clock, confinement."""

from __future__ import annotations

import shlex

from .first_process import STATUS
from .kernel import encrypted, loaded, parameter_pattern, swap_areas
from .probing import Absent, Args, Inapplicable, Observation
from .system import System

CAP_SYS_TIME = 25
#: A program that does nothing: what ``install`` names for a module that must not be loaded.
NOTHING = ("/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true")
MODPROBE = ("/lib/modprobe.d", "/usr/lib/modprobe.d", "/run/modprobe.d", "/etc/modprobe.d")


def _expanded(pattern: str, system: System) -> list[str]:
    """Parameters (as paths below /proc/sys) that a name with at most one star stands for."""
    before, star, after = parameter_pattern(pattern).partition("*")
    if not star:
        return [before]
    return [f"{before}{name}{after}" for name in system.listdir(f"/proc/sys/{before.rstrip('/')}") or []]


def kernel_parameters(args: Args, system: System) -> Observation:
    """Live values of kernel parameters. args: parameters (name -> value; a star stands for every interface).

    found: sorted "name is value instead of value", of those that this kernel has and this host can set.
    """
    wrong, seen, foreign = [], 0, 0
    for pattern, value in args["parameters"].items():
        for path in _expanded(pattern, system):
            found = system.read(f"/proc/sys/{path}")
            if found is None:
                continue
            if not system.writable(f"/proc/sys/{path}"):
                foreign += 1
                continue
            seen += 1
            if found.split() != str(value).split():
                wrong.append(f"{path.replace('/', '.')} is {' '.join(found.split())} instead of {value}")
    if not seen:
        raise Inapplicable("these kernel parameters belong to the machine below and are read-only here")
    return Observation(sorted(wrong), f"/proc/sys ({seen} looked at, {foreign} read-only)")


def _forbidden(system: System) -> set[str]:
    """Modules for which modprobe runs a program that does nothing; a file of the same name further on wins."""
    files = {
        name: f"{base}/{name}" for base in MODPROBE for name in system.listdir(base) or [] if name.endswith(".conf")
    }
    found = set()
    for path in files.values():
        for line in (system.read(path) or "").splitlines():
            words = line.split()
            if len(words) == 3 and words[0] == "install" and words[2] in NOTHING:
                found.add(words[1].replace("-", "_"))
    return found


def kernel_modules(args: Args, system: System) -> Observation:
    """Unwanted modules that are loaded or that modprobe would load. args: modules.

    found: sorted "name is loaded" and "name can be loaded".
    """
    release = (system.read("/proc/sys/kernel/osrelease") or "").strip()
    if system.listdir(f"/lib/modules/{release}") is None:
        raise Inapplicable("the running kernel has no modules on this host: they belong to the machine below")
    there, forbidden = loaded(system.read("/proc/modules") or ""), _forbidden(system)
    wrong = [f"{name} is loaded" for name in args["modules"] if name in there]
    wrong += [f"{name} can be loaded" for name in args["modules"] if name not in forbidden]
    return Observation(sorted(wrong), "/proc/modules, modprobe.d")


def apparmor(_args: Args, system: System) -> Observation:
    """Whether AppArmor confines. found: enabled (Y or N), profiles (whether any is loaded)."""
    enabled = system.read("/sys/module/apparmor/parameters/enabled")
    if enabled is None:
        raise Inapplicable("this kernel has no AppArmor")
    profiles = system.read("/sys/kernel/security/apparmor/profiles")
    return Observation({"enabled": enabled.strip(), "profiles": bool(profiles)}, "/sys/module/apparmor")


def boot_words(args: Args, system: System) -> Observation:
    """Words that the boot loader lacks for a kernel. args: words. found: the words that some entry does not have."""
    path = "/boot/grub/grub.cfg"
    text = system.read(path)
    if text is None:
        raise Inapplicable("GRUB does not start this host")
    entries = [set(line.split()) for line in text.splitlines() if line.split()[:1] in (["linux"], ["linuxefi"])]
    if not entries:
        raise Absent(f"{path} starts no kernel")
    return Observation([word for word in args["words"] if any(word not in entry for entry in entries)], path)


def swap(args: Args, system: System) -> Observation:
    """Swap areas on disks that could take a key. args: policy (off|encrypted). found: sorted areas."""
    if not system.writable("/proc/sys/kernel/core_pattern"):
        raise Inapplicable("swap belongs to the machine below")
    areas = swap_areas(system.read("/proc/swaps") or "")
    return Observation(sorted(a for a in areas if args["policy"] == "off" or not encrypted(a)), "/proc/swaps")


def clock_servers(_args: Args, system: System) -> Observation:
    """Servers that set the clock, by chrony's configuration and all files that it includes.

    found: sorted addresses and names; an include that is not understood stands there as itself.
    """
    path = "/etc/chrony/chrony.conf"
    text = system.read(path)
    if text is None:
        raise Absent(f"{path} is not there")
    found = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] in (["server"], ["pool"], ["peer"]):
            found += words[1:2]
        elif words[:1] in (["confdir"], ["sourcedir"], ["include"]):
            found.append(" ".join(words))
    return Observation(sorted(found), path)


def clock_daemon(_args: Args, system: System) -> Observation:
    """Who keeps the clock. found: sorted "program user" of the time daemons that run."""
    status = system.read(STATUS) or ""
    held = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    if not int(held, 16) >> CAP_SYS_TIME & 1:
        raise Inapplicable("the clock belongs to the machine below")
    names = ("chronyd", "ntpd", "openntpd", "systemd-timesyncd")
    running = {f"{one.name} {system.user(one.uid)}" for one in system.processes() if one.name in names}
    return Observation(sorted(running), "/proc/*/exe")


PROBES = {
    "kernel_parameters": kernel_parameters,
    "kernel_modules": kernel_modules,
    "apparmor": apparmor,
    "boot_words": boot_words,
    "swap": swap,
    "clock_servers": clock_servers,
    "clock_daemon": clock_daemon,
}
