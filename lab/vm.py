# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine with a kernel of its own, for what a container cannot show.

vm.py up       disk (from the cache or made), TPM, machine, ssh, inventory; one that runs already is left alone
vm.py down     the machine and its TPM ended, its disk removed; the image stays
vm.py status   whether it runs, and on which port

VM_RELEASE (bookworm) is the guest's Debian, VM_PORT a port of 127.0.0.1 for its ssh (a free one is found), VM_CPUS its
processors (as many as here, 2 at most; 1 where others keep this machine busy: emulated ones wait for each other),
VM_ACCEL "kvm" where /dev/kvm really boots a machine (tcg: slower, and works everywhere).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import vm_image
import yaml
from common import LAB, ROOT, LabError, run, step, succeeds

HERE = LAB / "vm"
QEMU = "qemu-system-x86_64"
KEY = HERE / "id_ed25519"
KNOWN_HOSTS = HERE / "known_hosts"
SSH_CONFIG = HERE / "ssh_config"
CONSOLE = HERE / "console.log"
#: Outlives the machine: Ansible refuses to start without it, also to boot the machine.
INVENTORY = LAB / "vm-inventory"
PORT = HERE / "port"
#: A port of 127.0.0.1 that leads to one of the machine's that no inventory names, and the machine's end of it.
UNNAMED, UNNAMED_PORT = HERE / "port-unnamed", 8099
#: Where the machine's inventory sends its logs, and the file of this machine that takes them.
COLLECTOR, COLLECTED = "10.0.2.4:6514", HERE / "collected"
#: lab/vm/tree has it too.
MAC = "52:54:00:71:68:01"
#: Program -> package; those of the image come on top.
NEEDS = {QEMU: "qemu-system-x86", "qemu-img": "qemu-utils", "swtpm": "swtpm", "ssh": "openssh-client"}
BOOT_SECONDS = 420


def install() -> None:
    """Install the programs that are missing, on Debian and as root; otherwise say which are."""
    missing = sorted({package for name, package in (NEEDS | vm_image.NEEDS).items() if not shutil.which(name)})
    if not missing:
        return
    if not Path("/etc/debian_version").exists() or os.geteuid() != 0:
        raise LabError(f"the virtual machine needs {', '.join(missing)}: install them, or run on Debian as root")
    with step(f"installing {' '.join(missing)}"):
        run("apt-get", "-q", "update")
        run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy", "install", "--no-install-recommends", *missing)


def process(name: str) -> int:
    """Pid of a program that this lab started and that still runs, 0 for none."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
        pid = int((HERE / f"{name}.pid").read_text())
        # The number may have gone to another program since.
        if str(HERE) in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    return 0


def end(name: str) -> None:
    """End a program by its pid and wait until it is gone."""
    pid, begun = process(name), time.monotonic()
    while pid and process(name) == pid:
        late = time.monotonic() - begun > 10
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(0.2)
    (HERE / f"{name}.pid").unlink(missing_ok=True)


def free_port(wanted: int = 0) -> int:
    """This port of 127.0.0.1, or any free one; a busy one is refused."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError as problem:
            raise LabError(f"port {wanted} of 127.0.0.1 is taken: set VM_PORT to a free one") from problem
        return int(probe.getsockname()[1])


def start_tpm() -> None:
    """A software TPM that ends with the machine."""
    state = HERE / "tpm"
    state.mkdir()
    how = ["--tpm2", "--tpmstate", f"dir={state}", "--ctrl", f"type=unixio,path={HERE}/tpm.sock"]
    run(
        "swtpm",
        "socket",
        *how,
        "--flags",
        "startup-clear",
        "--terminate",
        "--daemon",
        "--pid",
        f"file={HERE}/swtpm.pid",
    )


def start_machine(image: vm_image.Image, port: int, unnamed: int) -> None:
    """The machine, on a fresh layer over the image's disk."""
    disk = HERE / "disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image.disk, disk)
    accel = os.environ.get("VM_ACCEL", "tcg")
    processor = ["-accel", "kvm", "-cpu", "host"]
    if accel != "kvm":
        processor = ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off"]
    devices = [
        "-drive",
        f"if=none,id=disk,file={disk},format=qcow2,cache=unsafe",
        "-device",
        "virtio-blk-pci,drive=disk",
    ]
    # restrict: the machine has no way out but to the file of its logs, and nothing comes in but by these two ports.
    forwards = f"hostfwd=tcp:127.0.0.1:{port}-:22,hostfwd=tcp:127.0.0.1:{unnamed}-:{UNNAMED_PORT}"
    devices += ["-chardev", f"file,id=logs,path={COLLECTED}"]
    devices += ["-netdev", f"user,id=net,restrict=on,{forwards},guestfwd=tcp:{COLLECTOR}-chardev:logs"]
    devices += ["-device", f"virtio-net-pci,netdev=net,mac={MAC}", "-device", "virtio-rng-pci"]
    devices += ["-chardev", f"socket,id=tpm,path={HERE}/tpm.sock", "-tpmdev", "emulator,id=tpm,chardev=tpm"]
    devices += ["-device", "tpm-crb,tpmdev=tpm", "-device", "virtio-serial-pci"]
    devices += ["-chardev", f"socket,id=agent,path={HERE}/agent.sock,server=on,wait=off"]
    devices += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
    devices += ["-fw_cfg", f"name=opt/org.quorum/administrator,file={KEY}.pub"]
    boot = ["-kernel", image.kernel, "-initrd", image.initrd]
    boot += ["-append", "root=LABEL=root rw console=ttyS0 quiet net.ifnames=0 panic=-1"]
    processors = os.environ.get("VM_CPUS") or str(min(2, os.cpu_count() or 1))
    board = ["-machine", "q35,usb=off,sata=off,smbus=off", "-m", "1024", "-smp", processors]
    board += ["-no-user-config", "-nodefaults", "-display", "none", "-serial", f"file:{CONSOLE}"]
    run(QEMU, "-name", "quorum-vm", *board, *processor, *boot, *devices, "-daemonize", "-pidfile", HERE / "qemu.pid")


def wait(seconds: float = BOOT_SECONDS) -> None:
    """Until the machine has said its host key on the console and lets the administrator in."""
    deadline, mark = time.monotonic() + seconds, "lab host key: "
    while True:
        said = CONSOLE.read_text(errors="replace") if CONSOLE.exists() else ""
        keys = [line.partition(mark)[2].strip() for line in said.splitlines() if mark in line]
        if keys and not KNOWN_HOSTS.exists():
            KNOWN_HOSTS.write_text(f"vm {keys[0]}\n")
        if keys and succeeds("ssh", "-F", SSH_CONFIG, "vm", "true"):
            return
        if not process("qemu") or time.monotonic() > deadline:
            raise LabError(f"the machine did not come up; the end of its console ({CONSOLE}):\n{said[-1500:]}")
        time.sleep(0.5)


def write(port: int) -> None:
    """The way in, and the inventory with what only this run knows."""
    PORT.write_text(f"{port}\n")
    lines = ["Host vm", "  HostName 127.0.0.1", f"  Port {port}", "  HostKeyAlias vm", "  User ops"]
    lines += [f"  IdentityFile {KEY}", "  IdentitiesOnly yes", f"  UserKnownHostsFile {KNOWN_HOSTS}"]
    lines += ["  StrictHostKeyChecking yes", "  UpdateHostKeys no", "  BatchMode yes", "  ConnectTimeout 20"]
    SSH_CONFIG.write_text("# Written by lab/vm.py.\n" + "\n".join(lines) + "\n")
    shutil.copytree(ROOT / "lab/vm/inventory", INVENTORY, dirs_exist_ok=True)
    administrators = [{"name": "ops", "keys": [KEY.with_suffix(".pub").read_text().strip()]}]
    values = {"ansible_ssh_common_args": f"-F {SSH_CONFIG}", "host_administrators": administrators}
    # Its report is not the consortium's.
    values["report_dir"] = str(ROOT / "build/report-vm")
    (INVENTORY / "group_vars").mkdir(exist_ok=True)
    text = yaml.safe_dump(values, sort_keys=False, width=200)
    (INVENTORY / "group_vars/all.yml").write_text("# Written by lab/vm.py.\n---\n" + text)


def up() -> None:
    """Bring the machine up, unless it is."""
    if process("qemu"):
        print(f"  the machine runs already, ssh on 127.0.0.1:{PORT.read_text().strip()}")
        return
    install()
    image = vm_image.ensure(os.environ.get("VM_RELEASE") or "bookworm")
    down()
    HERE.mkdir(parents=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops@vm", "-f", KEY)
    port, unnamed = free_port(int(os.environ.get("VM_PORT") or 0)), free_port()
    UNNAMED.write_text(f"{unnamed}\n")
    write(port)
    with step("boot of the machine"):
        start_tpm()
        start_machine(image, port, unnamed)
        wait()


def down() -> None:
    """End what runs, and remove what belonged to it."""
    end("qemu")
    end("swtpm")
    # What has just ended may take its own sockets away meanwhile.
    shutil.rmtree(HERE, ignore_errors=True)


def status() -> None:
    """One line."""
    pid = process("qemu")
    print(f"runs as {pid}, ssh -F {SSH_CONFIG} vm" if pid else "does not run")


def main() -> int:
    """Read the command line, do it, say what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["up", "down", "status"])
    try:
        {"up": up, "down": down, "status": status}[parser.parse_args().verb]()
    except LabError as problem:
        print(f"vm: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
