# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of quorum.hardening: one organisation's hosts as containers on segmented networks.

lab.py up [--bare HOST,...|all] [--minimal HOST,...]
                                  images, networks, containers, inventory; what runs already is left alone
lab.py down                       everything away but images and keys
lab.py recreate HOST...           hosts made anew, virgin (their enrolled identities are gone with them)
lab.py snapshot NAME              keep the hosts' disks under a name
lab.py restore NAME [HOST...]     hosts made anew from kept disks
lab.py more FILE                  hosts of another inventory beside the lab's own, for the bench
lab.py fewer                      take those away again
lab.py signer                     give the stand-in's sealer the genesis that enrol wrote
lab.py status                     what runs
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import archives
import containers
import images
import topology as layout
import written
import yaml
from common import INVENTORY, LAB, ROOT, LabError, leave_controller_namespace, run, step, succeeds
from topology import Machine, Topology


def guest_values(topology: Topology, name: str) -> dict[str, str]:
    """The environment of a guest's script."""
    if name == "infra":
        mirror, security = images.mirrors()
        return {"MIRROR": mirror, "SECURITY": security}
    if name == "holders":
        return {"HOLDERS": " ".join(topology.holders)}
    if name == "outside":
        return {"LEGS": " ".join(topology.machine(name).legs.values())}
    return {}


def unpack_geth(values: dict[str, Any]) -> Path:
    """The stand-in's binary for the signer."""
    binary = LAB / "geth"
    with tarfile.open(str(values["goquorum_archive"])) as tar, binary.open("wb") as target:
        source = tar.extractfile("geth")
        if source is None:
            raise LabError(f"{values['goquorum_archive']} holds no program named geth")
        shutil.copyfileobj(source, target)
    binary.chmod(0o755)
    return binary


def start(topology: Topology, machines: list[Machine], image_of: dict[str, str]) -> None:
    """Containers of these hosts, a few at a time, until they answer."""
    with step(f"{len(machines)} hosts"):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda machine: containers.create_host(topology, machine, image_of[machine.name]), machines))
        written.wait_for_boot(machines)
    for machine in machines:
        written.write_way_in(machine, as_root=images.lets_in_root(image_of[machine.name]))


def start_guests(topology: Topology, programs: dict[str, Any]) -> None:
    """The containers beside the hosts, those that do not run."""
    wanted = [guest for guest in topology.guests if guest.only_flavour in ("", programs["goquorum_flavour"])]
    missing = [guest for guest in wanted if not containers.running(guest)]

    def begin(guest: Machine) -> None:
        containers.remove(guest)
        geth = unpack_geth(programs) if guest.name == "signer" else None
        containers.create_guest(topology, guest, guest_values(topology, guest.name), geth)

    with step(f"{len(missing)} containers beside the hosts"), ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, missing))


def up(topology: Topology, bare: set[str], minimal: set[str]) -> None:
    """Bring up what is missing; the named hosts without the roles' packages, or as the smallest that Debian can be."""
    began = time.monotonic()
    LAB.mkdir(parents=True, exist_ok=True)
    (ROOT / "build/collections/ansible_collections/quorum").mkdir(parents=True, exist_ok=True)
    images.ensure(["host", "tools", *(["bare"] if bare else []), *(["minimal"] if minimal else [])])
    with step("archives"):
        programs = archives.collect()
    with step("networks and the controller's namespace"):
        containers.ensure_watches(len(topology.hosts))
        containers.ensure_networks(topology)
        containers.ensure_controller(topology)
    containers.ensure_key()
    missing = [host for host in topology.hosts if not containers.running(host)]
    if len(missing) == len(topology.hosts):
        # New identities make a new chain, and the stand-in's sealer would hold on to the old one.
        written.forget_identities()
        containers.remove(topology.machine("signer"))
    start_guests(topology, programs)
    for host in missing:
        containers.remove(host)
    kinds = {host.name: "host" for host in missing} | dict.fromkeys(bare, "bare") | dict.fromkeys(minimal, "minimal")
    if missing:
        start(topology, missing, {host.name: images.tag(kinds[host.name], host.release) for host in missing})
    written.write_ssh(topology)
    written.write_inventory(topology, programs)
    print(f"  lab is up: {time.monotonic() - began:.1f} s")


def down(topology: Topology) -> None:
    """Containers, networks, namespace and what was written about them; images, archives and snapshots stay."""
    with step("removing the lab"):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(containers.remove, [*topology.hosts, *topology.guests]))
        containers.remove_controller()
        containers.remove_networks(topology)
        written.forget_identities()


def recreate(topology: Topology, names: list[str], image_of: dict[str, str]) -> None:
    """These hosts anew, from the given images."""
    machines = [topology.machine(name) for name in names]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(containers.remove, machines))
    start(topology, machines, image_of)
    written.write_ssh(topology)
    # A multiplexed connection to the old host would otherwise be found by the next run.
    for socket in (Path.home() / ".ansible/cp").glob("*"):
        succeeds("ssh", "-o", f"ControlPath={socket}", "-O", "exit", "any")


def snapshot(topology: Topology, name: str) -> None:
    """Keep every host's disk, and the register that goes with it."""
    with step(f"snapshot {name}"):
        for host in topology.hosts:
            # A commit loses the three files that Docker puts binds over; the lab's init takes them from here.
            keep = "mkdir -p /.lab && cp /etc/hosts /etc/hostname /etc/resolv.conf /.lab/"
            run("docker", "exec", host.container, "sh", "-c", keep)
            run("docker", "commit", host.container, f"quorum-lab/snapshot-{host.name}:{name}")
            run("docker", "exec", host.container, "rm", "-rf", "/.lab")
        saved = LAB / "snapshots" / name
        shutil.copytree(INVENTORY, saved, dirs_exist_ok=True)


def restore(topology: Topology, name: str, only: list[str]) -> None:
    """Hosts from kept disks; all of them together with their register."""
    names = only or [host.name for host in topology.hosts]
    recreate(topology, names, {host: f"quorum-lab/snapshot-{host}:{name}" for host in names})
    if not only:
        shutil.rmtree(INVENTORY)
        shutil.copytree(LAB / "snapshots" / name, INVENTORY)


def more(inventory: Path) -> None:
    """Boot the hosts of another inventory beside the lab's own; the built inventory has them until `fewer`."""
    shutil.copyfile(inventory, layout.MORE)
    up(layout.load(), set(), set())


def fewer() -> None:
    """Remove what `more` has booted."""
    everyone = layout.load().hosts
    layout.MORE.unlink(missing_ok=True)
    topology = layout.load()
    kept = {host.name for host in topology.hosts}
    with step("removing the hosts beside the lab"), ThreadPoolExecutor(4) as pool:
        list(pool.map(containers.remove, [host for host in everyone if host.name not in kept]))
    written.write_ssh(topology)


def start_signer(topology: Topology) -> None:
    """Genesis and peers for the sealer of the stand-in's chain; nothing to do with the real client."""
    values = yaml.safe_load((INVENTORY / "group_vars/all/lab.yml").read_text())
    if values["goquorum_flavour"] != "geth":
        return
    register = yaml.safe_load((INVENTORY / "group_vars/all/register.yml").read_text())
    enodes = [
        f"enode://{node['enode']}@{node['addresses'][0]}:{node['port']}"
        for member in register["consortium_members"]
        for node in member["nodes"]
        if member["name"] != "lab-signer"
    ]
    consortium = yaml.safe_load((INVENTORY / "group_vars/all/consortium.yml").read_text())
    files = {
        "var/lib/signer/networkid": str(consortium["consortium_chain_id"]),
        "var/lib/signer/data/geth/static-nodes.json": json.dumps(enodes),
        "var/lib/signer/genesis.json": (INVENTORY / "group_vars/genesis.json").read_text(),
    }
    archive = containers.tar_of({path: (text.encode(), 0o600, 0) for path, text in files.items()})
    run("docker", "cp", "-", f"{topology.machine('signer').container}:/", data_in=archive)
    print("  the sealer has its genesis")


def status(topology: Topology) -> None:
    """One line per machine."""
    for machine in (*topology.hosts, *topology.guests):
        state = "up" if containers.running(machine) else "-"
        print(f"{machine.name:12} {state:3} {machine.release:9} {' '.join(machine.legs.values())}")


def main() -> int:
    """Read the command line and do one thing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    coming = verbs.add_parser("up")
    coming.add_argument("--bare", default="", help="hosts without the roles' packages, or all")
    coming.add_argument("--minimal", default="", help="hosts without sudo, D-Bus and more, which let in root alone")
    for verb in ("down", "status", "signer", "fewer"):
        verbs.add_parser(verb)
    verbs.add_parser("more").add_argument("inventory", type=Path)
    verbs.add_parser("recreate").add_argument("hosts", nargs="+")
    verbs.add_parser("snapshot").add_argument("name")
    restoring = verbs.add_parser("restore")
    restoring.add_argument("name")
    restoring.add_argument("hosts", nargs="*")
    chosen = parser.parse_args()
    try:
        leave_controller_namespace()
        topology = layout.load()
        if chosen.verb == "up":
            everyone = {host.name for host in topology.hosts}
            bare = everyone if chosen.bare == "all" else set(filter(None, chosen.bare.split(",")))
            up(topology, bare, set(filter(None, chosen.minimal.split(","))))
        elif chosen.verb == "more":
            more(chosen.inventory)
        elif chosen.verb == "fewer":
            fewer()
        elif chosen.verb == "recreate":
            virgin = {host.name: images.tag("host", host.release) for host in topology.hosts}
            recreate(topology, chosen.hosts, virgin)
        elif chosen.verb == "snapshot":
            snapshot(topology, chosen.name)
        elif chosen.verb == "restore":
            restore(topology, chosen.name, chosen.hosts)
        else:
            {"down": down, "status": status, "signer": start_signer}[chosen.verb](topology)
    except LabError as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
