# SPDX-License-Identifier: GPL-3.0-or-later
"""Files written for a running lab: who the hosts are, the way to them, and the run's own part of the inventory."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import containers
import credentials
import yaml
from common import INVENTORY, LAB, ROOT, LabError, run, succeeds, way_in
from topology import Machine, Topology

KNOWN_HOSTS = LAB / "ssh/known_hosts"
SSH_CONFIG = LAB / "ssh_config"
HOLDERS = "/var/lib/holders"
#: There once the virgin hosts have been audited; an audit "before" makes no sense later.
AUDITED_BEFORE = LAB / "audited-before"


def wait_for_boot(machines: list[Machine], seconds: float = 120) -> None:
    """Until every host has finished booting (a failed unit is the host's business, a boot that hangs is ours)."""
    deadline = time.monotonic() + seconds
    for machine in machines:
        while True:
            ready = ("docker", "exec", machine.container, "sh", "-c")
            if succeeds(*ready, "systemctl is-active -q ssh.service && ss -Hltn sport = :22 | grep -q ."):
                break
            if time.monotonic() > deadline:
                state = run(*ready, "systemctl is-system-running; systemctl list-jobs; true").strip()
                raise LabError(f"{machine.name} did not come up in {seconds:.0f} s: {state}")
            time.sleep(0.3)


def known_hosts(topology: Topology) -> str:
    """Host keys read out through Docker, never over the network they are to protect."""
    lines = []
    for machine in topology.hosts:
        if containers.running(machine):
            key = run("docker", "exec", machine.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()
            lines.append(f"{machine.name} {key[0]} {key[1]}\n")
    return "".join(lines)


def ssh_config(topology: Topology, hosts_file: str, own: str) -> str:
    """The way to every host: the jump host directly, all others through it. own: lines for every host.

    The inner ssh of a jump inherits the file and no option, so all of it stands here.
    """
    lines = ["# Written by the lab; a new one with every `lab up`.\n"]
    for machine in topology.hosts:
        lines.append(f"Host {machine.name}\n  HostName {machine.legs['management']}\n  HostKeyAlias {machine.name}\n")
        if machine.name != topology.jump:
            lines.append(f"  ProxyJump {topology.jump}\n")
    lines.append(f"Host *\n  UserKnownHostsFile {hosts_file}\n  StrictHostKeyChecking yes\n  UpdateHostKeys no\n")
    lines.append("  BatchMode yes\n  ConnectTimeout 10\n  ServerAliveInterval 5\n  ServerAliveCountMax 3\n")
    return "".join([*lines, own])


def write_ssh(topology: Topology) -> None:
    """known_hosts and ssh_config, for the controller and for the holders."""
    keys = known_hosts(topology)
    KNOWN_HOSTS.write_text(keys)
    own = f"  User ops\n  IdentityFile {containers.KEY}\n  IdentitiesOnly yes\n"
    SSH_CONFIG.write_text(ssh_config(topology, str(KNOWN_HOSTS), own))
    for_holders = {
        f"{HOLDERS[1:]}/known_hosts": (keys.encode(), 0o644, 0),
        f"{HOLDERS[1:]}/ssh_config": (ssh_config(topology, f"{HOLDERS}/known_hosts", "").encode(), 0o644, 0),
    }
    run("docker", "cp", "-", "qh-holders:/", data_in=containers.tar_of(for_holders))


def read_guest(name: str, path: str, seconds: float = 30) -> str:
    """A file that a guest makes when it starts."""
    deadline = time.monotonic() + seconds
    while not succeeds("docker", "exec", f"qh-{name}", "test", "-s", path):
        if time.monotonic() > deadline:
            raise LabError(f"{name} has not made {path} within {seconds:.0f} s: see docker logs qh-{name}")
        time.sleep(0.3)
    return run("docker", "exec", f"qh-{name}", "cat", path)


def generated(topology: Topology, archives: dict[str, Any]) -> dict[str, Any]:
    """What only this run knows: keys, requests, archives."""
    administrators = [{"name": "ops", "keys": [containers.ensure_key()]}]
    holders = [
        {
            "name": name,
            "ssh_keys": [read_guest("holders", f"{HOLDERS}/{name}/ssh_key.pub").strip()],
            "pgp_key": read_guest("holders", f"{HOLDERS}/{name}/pgp.asc"),
        }
        for name in topology.holders
    ]
    app = topology.machine("app").legs["ledger"]
    clients = [{"name": "app", "addresses": [app], "csr": read_guest("app", "/etc/app/app.csr")}]
    return {
        # The way to the hosts: through the jump host. Absolute, so that a copy of the inventory works as well.
        "ansible_ssh_common_args": f"-F {SSH_CONFIG}",
        "ansible_become_password": f"{{{{ lookup('ansible.builtin.file', '{credentials.ensure_password()}') }}}}",
        "host_administrators": administrators,
        "vault_holders": holders,
        "consortium_clients": clients,
    } | archives


def write_inventory(topology: Topology, archives: dict[str, Any]) -> None:
    """build/lab/inventory: a copy of inventories/lab and this run's part; a register and genesis already there stay."""
    shutil.copytree(ROOT / "inventories/lab", INVENTORY, dirs_exist_ok=True)
    _write_yaml(INVENTORY / "group_vars/all/lab.yml", generated(topology, archives))
    register = INVENTORY / "group_vars/all/register.yml"
    if archives["goquorum_flavour"] == "geth" and not register.exists():
        _write_yaml(register, {"consortium_members": [signer_member(topology)]})


def write_way_in(host: Machine, *, as_root: bool) -> None:
    """How the first run comes in, where that is not as `ops`; a person takes these lines out after it."""
    path = way_in(host.name)
    path.unlink(missing_ok=True)
    if as_root:
        _write_yaml(path, {"ansible_user": "root", "host_sudo_asks": False})


def forget_identities() -> None:
    """Drop what an earlier set of hosts enrolled, and that it was audited; needed when all hosts are made anew."""
    for path in (INVENTORY / "group_vars/all/register.yml", INVENTORY / "group_vars/genesis.json", AUDITED_BEFORE):
        path.unlink(missing_ok=True)


def signer_member(topology: Topology) -> dict[str, Any]:
    """The register's entry of the member whose node seals the stand-in's clique chain."""
    identity = json.loads(read_guest("signer", "/var/lib/signer/identity.json"))
    node = {
        "name": "signer",
        "enode": identity["enode"],
        "addresses": [topology.machine("signer").legs["ledger"]],
        "port": 30303,
        "validator": True,
        "validator_address": identity["address"],
    }
    return {"name": "lab-signer", "region": "CH", "trust": "trusted", "nodes": [node], "tessera": []}


def _write_yaml(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(values, sort_keys=False, width=200)
    path.write_text("# Written by the lab.\n---\n" + text)
