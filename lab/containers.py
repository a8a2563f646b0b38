# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, containers and the controller's namespace: made, removed, and found as they should be."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import images
from common import CALLED_FROM_CONTROLLER, LAB, NETNS, ROOT, LabError, run, succeeds
from topology import Machine, Topology

#: All capabilities but those with which a container could change the machine, or that the machine may not have.
CAPABILITIES = ("--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--cap-drop=SYS_TIME", "--cap-drop=SYS_MODULE")
KEY = LAB / "ssh/id_ed25519"
CONTROLLER_LINK = "qh-ctl0"
#: Inotify instances that one host's systemd and its services take, with some to spare.
WATCHES = 14


def tar_of(files: dict[str, tuple[bytes, int, int]]) -> bytes:
    """A tar archive for `docker cp`: path -> (content, mode, owner); a file's own directory is the owner's, 0700."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (content, mode, owner) in files.items():
            folder = tarfile.TarInfo(str(Path(path).parent))
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, owner, owner
            tar.addfile(folder)
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, owner, owner
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def ensure_watches(hosts: int) -> None:
    """Room for the inotify instances of so many hosts: all are root's, and root has 128 on an ordinary machine."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    before, needed = int(limit.read_text()), WATCHES * hosts
    if before < needed:
        try:
            limit.write_text(f"{needed}\n")
        except OSError as problem:
            raise LabError(f"{hosts} hosts need fs.inotify.max_user_instances = {needed} here: {problem}") from problem
        print(f"    fs.inotify.max_user_instances of this machine: {before}, now {needed}, until its next boot")


def ensure_networks(topology: Topology) -> None:
    """One internal Docker network per segment, and the one rule they need.

    Docker lets an internal network carry its own addresses alone; "outside" speaks with a foreign one. The rule lets
    frames pass within one bridge of ours, and nothing else.
    """
    for net in topology.networks:
        if not succeeds("docker", "network", "inspect", net.bridge):
            name = f"com.docker.network.bridge.name={net.bridge}"
            run("docker", "network", "create", "--internal", "--subnet", net.cidr, "-o", name, net.bridge)
        rule = ("DOCKER-USER", "-i", net.bridge, "-o", net.bridge, "-j", "ACCEPT")
        if not succeeds("iptables", "-w", "-C", *rule):
            run("iptables", "-w", "-I", *rule)


def remove_networks(topology: Topology) -> None:
    """Networks and their rules."""
    for net in topology.networks:
        rule = ("DOCKER-USER", "-i", net.bridge, "-o", net.bridge, "-j", "ACCEPT")
        while succeeds("iptables", "-w", "-D", *rule):
            pass
        if succeeds("docker", "network", "inspect", net.bridge):
            run("docker", "network", "rm", net.bridge)


def ensure_controller(topology: Topology) -> None:
    """The controller's namespace with one leg in the management segment."""
    if NETNS not in run("ip", "netns", "list").split():
        run("ip", "netns", "add", NETNS)
    net = topology.network_of(topology.controller)
    if not succeeds("ip", "-n", NETNS, "link", "show", "eth0"):
        # A link left behind by a bridge that is gone would block the name.
        succeeds("ip", "link", "del", CONTROLLER_LINK)
        run("ip", "link", "add", CONTROLLER_LINK, "type", "veth", "peer", "name", "eth0", "netns", NETNS)
    length = net.cidr.split("/")[1]
    run("ip", "link", "set", CONTROLLER_LINK, "master", net.bridge, "up")
    run("ip", "-n", NETNS, "address", "replace", f"{topology.controller}/{length}", "dev", "eth0")
    run("ip", "-n", NETNS, "link", "set", "eth0", "up")
    run("ip", "-n", NETNS, "link", "set", "lo", "up")


def remove_controller() -> None:
    """The controller's link, and its namespace unless the caller lives in it; only what this lab made."""
    succeeds("ip", "link", "del", CONTROLLER_LINK)
    if NETNS in run("ip", "netns", "list").split() and CALLED_FROM_CONTROLLER not in os.environ:
        run("ip", "netns", "delete", NETNS)


def ensure_key() -> str:
    """The administrator's key made for this lab; returns the public part."""
    if not KEY.exists():
        KEY.parent.mkdir(parents=True, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops@lab", "-f", KEY)
    return KEY.with_suffix(".pub").read_text().strip()


def running(machine: Machine) -> bool:
    """Whether its container runs."""
    listed = run("docker", "ps", "--filter", f"name=^{machine.container}$", "--format", "{{.Names}}")
    return listed.strip() == machine.container


def remove(machine: Machine) -> None:
    """The container and its anonymous volumes, running or not."""
    succeeds("docker", "rm", "-f", "-v", machine.container)


def _attach(topology: Topology, machine: Machine, segments: list[str]) -> None:
    by_segment = {net.segment: net.bridge for net in topology.networks}
    for segment in segments:
        run("docker", "network", "connect", "--ip", machine.legs[segment], by_segment[segment], machine.container)


def create_host(topology: Topology, machine: Machine, image: str) -> None:
    """A managed host, as a provider would deliver it: booted, with the run's key for `ops` or root, else virgin."""
    first, *others = machine.legs
    gateway = next(guest for guest in topology.guests if guest.name == "outside").legs[first]
    infra = next(guest for guest in topology.guests if guest.name == "infra").legs["management"]
    by_segment = {net.segment: net.bridge for net in topology.networks}
    options = ["--name", machine.container, "--hostname", machine.name, "--restart=always", *CAPABILITIES]
    options += ["--security-opt=seccomp=unconfined", "--cgroupns=private", "--tmpfs=/run", "--tmpfs=/run/lock"]
    options += ["--stop-signal=SIGRTMIN+3", "--stop-timeout=10", "--label=quorum-lab=host"]
    options += ["-e", "container=docker", "-e", f"LAB_NAME={machine.name}"]
    options += ["-e", f"LAB_GATEWAY={gateway}", "-e", f"LAB_DNS={infra}"]
    options += ["--network", by_segment[first], "--ip", machine.legs[first]]
    run("docker", "create", *options, image)
    _attach(topology, machine, others)
    if "/snapshot-" not in image:  # a kept disk says itself who may come in
        home, owner = ("root", 0) if images.lets_in_root(image) else ("home/ops", 1000)
        keys = tar_of({f"{home}/.ssh/authorized_keys": ((ensure_key() + "\n").encode(), 0o600, owner)})
        run("docker", "cp", "-", f"{machine.container}:/", data_in=keys)
    run("docker", "start", machine.container)


def create_guest(topology: Topology, machine: Machine, values: dict[str, str], geth: Path | None = None) -> None:
    """An unmanaged container; its script is lab/guests/<name>.sh, its settings come as environment variables."""
    first, *others = machine.legs
    by_segment = {net.segment: net.bridge for net in topology.networks}
    options = ["--name", machine.container, "--hostname", machine.name, "--restart=always", "--init"]
    options += [
        "--cap-add=NET_ADMIN",
        "--cap-drop=SYS_TIME",
        "--sysctl=net.ipv4.ip_forward=0",
        "--label=quorum-lab=guest",
    ]
    options += [part for key, value in values.items() for part in ("-e", f"{key}={value}")]
    if not machine.uplink:
        options += ["--network", by_segment[first], "--ip", machine.legs[first]]
    if geth:
        options += ["--mount", f"type=bind,src={geth},dst=/usr/local/bin/geth,readonly"]
    run("docker", "create", *options, images.tag("tools", "bookworm"), "sh", f"/usr/local/lib/{machine.name}.sh")
    _attach(topology, machine, [first, *others] if machine.uplink else others)
    for script in sorted((ROOT / "lab/guests").glob(f"{machine.name}.*")):
        run("docker", "cp", script, f"{machine.container}:/usr/local/lib/{script.name}")
    run("docker", "start", machine.container)
