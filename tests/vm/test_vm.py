# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container cannot show, tried on a hardened machine with a kernel of its own, after it was rebooted.

New rows go into the tables; each says what must hold after a boot that nobody helped.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
import yaml

from tests.driver import ROOT, RUNS
from tests.undo.drill import FAR, kill, wait_for
from tests.vm.machine import ENVIRONMENT, HERE, INVENTORY, ansible, reboot, results, root, ssh

CATALOG = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "catalog").glob("*.yml"))}
DONE = sorted(name for name, record in CATALOG.items() if record["implemented"])
SABOTAGES = [way for name in DONE for way in CATALOG[name]["sabotage"] if way["hosts"] == "vm"]

#: Control, kernel parameter, value.
PARAMETERS = (
    ("PTM-13", "kernel.core_pattern", "|/bin/false"),
    ("PTM-13", "fs.suid_dumpable", "0"),
    ("HOST-07", "net.core.netdev_max_backlog", "4096"),
    ("HOST-07", "net.core.somaxconn", "4096"),
    ("HOST-07", "net.ipv4.tcp_syncookies", "1"),
    ("HOST-01", "kernel.kptr_restrict", "2"),
    ("HOST-01", "kernel.dmesg_restrict", "1"),
    ("HOST-01", "kernel.yama.ptrace_scope", "2"),
    ("HOST-01", "kernel.unprivileged_bpf_disabled", "1"),
    ("HOST-01", "kernel.kexec_load_disabled", "1"),
    ("HOST-01", "kernel.sysrq", "0"),
    ("HOST-01", "fs.protected_regular", "2"),
    # A file of Debian's own says 1.
    ("HOST-01", "fs.protected_fifos", "2"),
    ("HOST-01", "net.ipv4.conf.all.accept_redirects", "0"),
    ("HOST-01", "net.ipv6.conf.default.accept_ra", "0"),
)
#: Control, unit that is done before the second one begins at boot.
ORDER = (
    ("HOST-04", "quorum-firewall.service", "systemd-networkd.service"),
    ("HOST-01", "systemd-sysctl.service", "ssh.service"),
)
#: Who tries to dump core, and how; root and the manager may raise the limit that others have.
DUMPERS = {
    "administrator": (ssh, "cd /tmp; ulimit -c unlimited 2>/dev/null; sh -c 'kill -SEGV $$'; true"),
    # A session's root may not raise it, and has to ask the first process.
    "root": (ssh, "sudo -n systemd-run --wait -q -p LimitCORE=infinity -d sh -c 'cd /tmp; kill -SEGV $$'; true"),
    "service": (
        root,
        "systemd-run --wait -q -p LimitCORE=infinity --working-directory=/tmp sh -c 'kill -SEGV $$'; true",
    ),
}
CORES = """
{ find / -xdev -maxdepth 1 -type f -newer /run/mark
  find /tmp /var/tmp /var/lib /var/log /home /root /run /dev/shm -xdev -type f -newer /run/mark; } |
while read -r path; do
    case $(head -c 18 "$path" | od -An -tx1 | tr -d ' \\n') in
        7f454c46????????????????????????0400) echo "$path";; # ELF, of the type "core"
    esac
done
"""
FORKS = """
import os, time
made = 0
try:
    for attempt in range(20):
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        made += 1
except BlockingIOError:
    pass
print(made)
"""


def rows(table: tuple[tuple[str, ...], ...], column: str = "proven") -> list[object]:
    """One parameter set for each row; its first column names the control that it is evidence for."""
    return [pytest.param(*row[1:], marks=pytest.mark.evidence(row[0], column, hosts=["vm"])) for row in table]


def test_the_machine_is_sound_after_its_boot() -> None:
    """A unit that the hardening keeps from starting would be seen here. Updates alone fail, for there is no mirror."""
    failed = root("systemctl is-system-running --wait >&2; systemctl --failed --plain --no-legend", seconds=180)
    assert failed.err.strip() in ("running", "degraded")
    assert {line.split()[0] for line in failed.out.splitlines()} <= {"quorum-patch.service"}


# --- the kernel ---


@pytest.mark.parametrize(("name", "value"), rows(PARAMETERS))
def test_a_kernel_parameter_holds_after_a_reboot(name: str, value: str) -> None:
    assert root(f"sysctl -n {name}").out.strip() == value


@pytest.mark.evidence("PTM-13", "proven", hosts=["vm"])
@pytest.mark.parametrize("who", DUMPERS)
def test_nobody_dumps_core(who: str) -> None:
    run, script = DUMPERS[who]
    # Something that looks like a core file, so that a search that finds nothing means something.
    decoy = "/var/tmp/decoy"
    assert root(f"touch -d '-1 second' /run/mark; printf '\\177ELF456789012345\\004\\0' > {decoy}").ok
    run(script)
    found = root(CORES)
    assert found.ok, found.err
    assert found.out.split() == [decoy]


@pytest.mark.evidence("HOST-07", "proven", hosts=["vm"])
def test_a_session_cannot_take_the_memory_of_the_services() -> None:
    """The machine has 1 GiB, of which sessions get half; nothing is swapped out."""
    assert root("swapon --show").out == ""
    assert ssh("python3 -c 'bytearray(128 << 20)'").ok
    assert not ssh("python3 -c 'bytearray(640 << 20)'").ok
    assert "oom-kill" in root("journalctl -b -k -o cat | grep -i 'oom-kill.*CONSTRAINT_MEMCG'").out
    assert ssh("true").ok


def test_memory_has_a_ceiling() -> None:
    fill = "systemd-run --wait -q -G -p MemorySwapMax=0 -p MemoryMax={} python3 -c 'bytearray(128 << 20)'"
    assert root(fill.format("256M")).ok
    assert not root(fill.format("64M")).ok
    assert "oom-kill" in root("journalctl -b -o cat -u 'run-*' | grep -i oom").out


def test_tasks_have_a_ceiling() -> None:
    count = "systemd-run --wait --pipe -q -G -p TasksMax={} python3 -"
    assert root(count.format(50), text_in=FORKS).out.strip() == "20"
    assert root(count.format(5), text_in=FORKS).out.strip() == "4"


# --- the boot ---


@pytest.mark.parametrize(("first", "second"), rows(ORDER))
def test_one_is_done_before_the_other_begins(first: str, second: str) -> None:
    done = root(f"systemctl show -P ActiveEnterTimestampMonotonic {first}").out.strip()
    begun = root(f"systemctl show -P ExecMainStartTimestampMonotonic {second}").out.strip()
    assert 0 < int(done) <= int(begun)


def answers() -> bool:
    """Whether a web server on a port of the machine that nobody named answers the controller."""
    port = int((HERE / "port-unnamed").read_text())
    with socket.create_connection(("127.0.0.1", port), 5) as connection, contextlib.suppress(OSError):
        # QEMU takes the connection and only then asks the machine, so that an answer alone says something.
        connection.settimeout(5)
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(4) == b"HTTP"
    return False


@pytest.mark.evidence("HOST-04", "proven", hosts=["vm"])
def test_the_filter_of_the_boot_lets_in_nothing_unnamed() -> None:
    # It is up as soon as the first is let through by hand, so a silence before has one reason.
    table = "inet quorum_hardening input"
    assert root("systemd-run -q --unit=probe-listener python3 -m http.server 8099").ok
    try:
        assert root("for _ in $(seq 50); do ss -Hltn sport = :8099 | grep -q . && exit; sleep 0.2; done; exit 1").ok
        assert not answers()
        assert root(f"nft insert rule {table} tcp dport 8099 accept").ok
        assert answers()
    finally:
        assert root("systemctl stop probe-listener; systemctl reload quorum-firewall.service").ok
    assert "8099" not in root("nft list ruleset").out


def test_an_undo_that_nobody_confirmed_fires_at_the_next_boot() -> None:
    """Shut the controller out with the real module, kill the run, reboot: the host is as it was, and says so."""
    filters = "nft -s -t list table inet quorum_hardening; cat /etc/quorum.hardening/firewall.nft"
    before = root(filters).out
    change = {"drill_change": "nftables", "drill_undo": "nftables"}
    values = {"drill_host": "vm", "drill_seconds": FAR, "drill_alive": False, **change}
    playbook = ROOT / "tests/undo/lockout.yml"
    command = ["ansible-playbook", "-i", str(INVENTORY), str(playbook), "-e", json.dumps(values)]
    RUNS.mkdir(parents=True, exist_ok=True)
    log = RUNS / f"{time.strftime('%H%M%S')}-vm-lockout.log"
    with log.open("wb") as sink:
        run = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    try:
        assert wait_for(log, run), log.read_text()
    finally:
        kill(run.pid)
        run.wait()
    assert root(filters).out != before
    assert not ssh("true", "-o", "ConnectTimeout=5").ok
    reboot()
    look = ansible("ansible", "vm", "-o", "-m", "quorum.hardening.look")
    undone = json.loads(look.out[look.out.index("{") :])["undone"]
    assert [(row["name"], row["reason"]) for row in undone] == [("nftables", "boot")]
    assert root(filters).out == before
    assert root("rm /var/lib/quorum.hardening/undo/nftables/fired.json").ok


# --- the TPM ---


@pytest.fixture
def sealed() -> Iterator[str]:
    """A credential that systemd sealed to the machine's TPM."""
    path = "/var/tmp/sealed"
    done = root(f"printf 'forty two' | systemd-creds encrypt --with-key=tpm2 --name=probe - {path}")
    assert done.ok, done.err
    yield path
    root(f"rm -f {path}")


def test_a_credential_is_bound_to_the_tpm(sealed: str) -> None:
    assert "forty two" not in root(f"base64 -d {sealed}").out
    unit = f"systemd-run --wait --pipe -q -G -p LoadCredentialEncrypted=probe:{sealed}"
    assert root(f"{unit} sh -c 'cat $CREDENTIALS_DIRECTORY/probe'").out == "forty two"
    read = f"systemd-creds decrypt --name=probe {sealed} -"
    assert root(read).out == "forty two"
    # All is there but the TPM.
    without = root(f"systemd-run --wait --pipe -q -G -p PrivateDevices=yes {read}")
    assert not without.ok
    assert "forty two" not in without.out


# --- the audit ---


def failing(phase: str) -> set[tuple[str, str]]:
    """(control, probe) of all that does not hold."""
    return {
        (control, seen["probe"])
        for control, row in results(phase).items()
        for seen in row["observations"]
        if seen["status"] in ("fail", "error")
    }


@pytest.mark.parametrize("control", sorted(set(DONE) - {"HOST-05"}))
def test_the_audit_finds_nothing_that_the_machine_cannot_carry(control: str) -> None:
    row = results("report").get(control)
    if row is None or row["status"] == "not_applicable":
        return  # of another duty
    assert row["status"] == "pass", row
    # QEMU hands the kernel over: no boot loader is there to look at.
    missing = {seen["probe"] for seen in row["observations"] if seen["status"] == "not_applicable"}
    assert missing <= {"host-01-boot"}


def test_a_machine_without_a_mirror_is_no_patched_machine() -> None:
    """It has no way out, and the audit says what that means."""
    row = results("report")["HOST-05"]
    assert row["status"] == "fail"
    assert "Failed to fetch" in row["found"]


@pytest.fixture(scope="module")
def sabotage() -> Iterator[dict[str, set[tuple[str, str]]]]:
    """Break one thing after the other, each time audit, in the end heal all: id -> what failed newly."""
    newly: dict[str, set[tuple[str, str]]] = {}
    known = failing("report")
    for way in SABOTAGES:
        done = root(f"set -eu\n{way['script']}", seconds=180)
        assert done.ok, f"{way['id']}: {done.out}{done.err}"
        audit = ansible("ansible-playbook", "quorum.hardening.audit")
        assert audit.ok, audit.out[-4000:]
        now = failing("report")
        newly[way["id"]], known = now - known, now
    healing = ansible("ansible-playbook", "quorum.hardening.site")
    assert healing.ok, healing.out[-4000:]
    yield newly


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(
            way,
            id=way["id"],
            marks=[pytest.mark.evidence(c, k, hosts=["vm"]) for c in way["breaks"] for k in ("audited", "sabotaged")],
        )
        for way in SABOTAGES
    ],
)
def test_sabotage_is_seen_exactly_and_healed(way: dict[str, object], sabotage: dict[str, set[tuple[str, str]]]) -> None:
    assert {control for control, _probe in sabotage[str(way["id"])]} == set(way["breaks"])  # type: ignore[call-overload]
    assert not failing("report") & sabotage[str(way["id"])]
