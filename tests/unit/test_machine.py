# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is and can do, and what its certificates say."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import certificates, kernel, machine
from ansible_collections.quorum.hardening.plugins.module_utils.commands import HostError, Outcome, must, run
from ansible_collections.quorum.hardening.plugins.module_utils.dpkg import marked, parse_packages
from ansible_collections.quorum.hardening.plugins.module_utils.ground import Ground, Names, Seen
from ansible_collections.quorum.hardening.plugins.module_utils.kernel import answer_is_status, audit_answers
from ansible_collections.quorum.hardening.plugins.module_utils.machine import (
    Machine,
    describe,
    missing,
    parse_release,
    settled,
)

STATUS = """Package: nftables
Status: install ok installed
Architecture: amd64
Version: 1.0.6
Description: x
 Status: deinstall ok config-files

Package: gone
Status: deinstall ok config-files
Version: 1

Package: held
Status: hold ok installed
Architecture: all
Version: 2

Package: dpkg
Status: install ok installed
Architecture: arm64
Version: 1.22
"""


def test_what_is_held_or_halfway() -> None:
    odd = """
Package: cut
Essential: yes
Status: install reinstreq half-installed

Package: both
Status: hold ok half-configured
Version: 2

Status: install ok unpacked
"""
    assert marked(STATUS + odd) == (["both", "held"], ["both", "cut"])
    assert marked(STATUS, ["tmp.i", "0000"]) == (["held"], ["(dpkg's journal)"])
    assert marked(STATUS, ["tmp.i"]) == (["held"], [])


def test_marks_of_a_machine(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg/updates").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    assert Machine(str(tmp_path)).marked() == (["held"], [])
    (tmp_path / "var/lib/dpkg/updates/0001").write_text("")
    assert Machine(str(tmp_path)).marked() == (["held"], ["(dpkg's journal)"])
    assert Machine(str(tmp_path / "nowhere")).marked() == ([], [])


def test_packages() -> None:
    found = parse_packages(STATUS)
    assert found == {"nftables": ("1.0.6", "amd64"), "held": ("2", "all"), "dpkg": ("1.22", "arm64")}
    assert missing(["nftables", "nftables:amd64", "nftables:i386", "held:i386", "gone", "nope"], found) == [
        "nftables:i386",
        "gone",
        "nope",
    ]


def test_release() -> None:
    assert parse_release('ID=debian\nVERSION_ID="12"\n# X=1\nrubbish\n') == {"ID": "debian", "VERSION_ID": "12"}


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_machine_without_anything(tmp_path: Path) -> None:
    bare = Machine(str(tmp_path))
    assert bare.packages() == {}
    found = bare.release({})
    assert (found["distribution"], found["version"], found["codename"]) == ("unknown", "unknown", "")
    assert found["architecture"] in ("amd64", "arm64", os.uname().machine)
    able = bare.capabilities()
    del able["audit"]
    assert not any(able.values())
    assert bare.undone() == []


def test_a_machine_with_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "var/lib/dpkg/status", STATUS)
    put(tmp_path, "etc/os-release", "ID=debian\nVERSION_ID=13\nVERSION_CODENAME=trixie\n")
    put(tmp_path, "proc/sys/kernel/core_pattern", "core")
    put(tmp_path, "proc/sys/net/ipv4/ip_forward", "0")
    put(tmp_path, "proc/1/status", "Name:\tx\nCapEff:\t000001ffffffffff\n")
    put(tmp_path, "sys/fs/cgroup/cgroup.controllers", "cpu memory")
    put(tmp_path, "sys/module/apparmor/parameters/enabled", "Y\n")
    put(tmp_path, "sys/kernel/security/apparmor/.load")
    put(tmp_path, "sys/class/tpm/tpm0/dev")
    put(tmp_path, "dev/kmsg")
    (tmp_path / "lib/modules" / os.uname().release).mkdir(parents=True)
    monkeypatch.setattr(machine, "audit_answers", lambda: True)
    full = Machine(str(tmp_path))
    assert all(full.capabilities().values())
    release = full.release(full.packages())
    assert release == {"distribution": "debian", "version": "13", "codename": "trixie", "architecture": "arm64"}


def test_locked_modules_cannot_be_loaded(tmp_path: Path) -> None:
    put(tmp_path, "proc/1/status", "CapEff:\t000001ffffffffff\n")
    put(tmp_path, "proc/sys/kernel/modules_disabled", "1\n")
    (tmp_path / "lib/modules" / os.uname().release).mkdir(parents=True)
    assert not Machine(str(tmp_path)).capabilities()["modules"]


def test_undone(tmp_path: Path) -> None:
    put(tmp_path, "var/lib/quorum.hardening/undo/nftables/fired.json", '{"reason": "timer"}')
    put(tmp_path, "var/lib/quorum.hardening/undo/sshd/fired.json", "{")
    put(tmp_path, "var/lib/quorum.hardening/undo/x/fired.json", "[]")
    found = Machine(str(tmp_path)).undone()
    assert found == [{"reason": "timer", "name": "nftables"}, {"name": "sshd"}, {"name": "x"}]


def test_audit_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer_is_status(struct.pack("=IHHII", 16, 1000, 0, 1, 0))
    assert not answer_is_status(struct.pack("=IHHII", 16, 2, 0, 1, 0))
    assert not answer_is_status(b"")
    assert audit_answers() in (True, False)

    def refused(*_arguments: object) -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(kernel.socket, "socket", refused)
    assert not audit_answers()


def test_files_are_described(tmp_path: Path) -> None:
    put(tmp_path, "f", "x")
    (tmp_path / "f").chmod(0o640)
    (tmp_path / "l").symlink_to("f")
    with Ground(str(tmp_path)) as ground:
        found = describe(ground.seen("/f"), Names())
        assert found["sha256"] == hashlib.sha256(b"x").hexdigest()
        assert (found["mode"], found["size"], found["exists"]) == ("0640", 1, True)
        assert describe(ground.seen("/l"), Names())["link"] == "f"
        assert describe(Seen("absent"), Names())["exists"] is False


def test_linked_directories_are_followed_and_the_last_name_is_not(tmp_path: Path) -> None:
    (tmp_path / "1.0").mkdir()
    (tmp_path / "current").symlink_to("1.0")
    (tmp_path / "1.0/l").symlink_to("x")
    assert settled(f"{tmp_path}/current/l/") == f"{tmp_path}/1.0/l"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "9",
    ]
    subprocess.run(
        [*command, "-subj", "/O=acme/CN=vault", "-keyout", str(folder / "k"), "-out", str(folder / "c")],
        check=True,
        capture_output=True,
    )
    return folder / "c"


def test_a_certificate_is_read(certificate: Path) -> None:
    text = run(["openssl", "x509", "-in", str(certificate), "-noout", "-enddate"]).out
    now = certificates.calendar.timegm(certificates.time.gmtime())
    found = certificates.read(run, str(certificate), True, now)
    assert text.startswith("notAfter=")
    assert found["days_left"] in (8, 9)
    assert found["subject"] == found["issuer"] == "CN=vault,O=acme"
    assert found["not_after"].endswith("Z")
    der = run(["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"]).out
    assert found["sha256"] == der.split("=")[1].strip().replace(":", "").lower()
    assert len(found["public_key_sha256"]) == 64


def test_an_expired_one_has_days_below_zero() -> None:
    found = certificates.parse("notAfter=Jan  1 00:00:00 2026 GMT\nissuer=\nsubject=\n", 1767225600 + 3600)
    assert (found["days_left"], found["public_key_sha256"]) == (-1, "")


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Outcome(127), "openssl is not installed"),
        (Outcome(1, "", "Could not read\nmore"), "Could not read"),
        (Outcome(1), "not a certificate"),
    ],
)
def test_what_is_no_certificate(outcome: Outcome, error: str) -> None:
    found = certificates.read(lambda argv, stdin="", timeout=None: outcome, "/x", True, 0)
    assert (found["exists"], found["error"]) == (True, error)
    assert certificates.read(run, "/x", False, 0)["exists"] is False


def test_running_programs() -> None:
    assert run(["cat"], stdin="ü").out == "ü"
    assert run(["no-such-program-anywhere"]).code == 127
    assert run(["sleep", "5"], timeout=0.05).code == 124
    assert must(run, ["true"]).code == 0
    assert Outcome(1, " out \n", " err\n").words == "err\nout"
    with pytest.raises(HostError, match=r"sh -c .*: no"):
        must(run, ["sh", "-c", "echo no >&2; exit 1"])
    with pytest.raises(HostError, match="false: exit code 1"):
        must(run, ["false"])


def test_ground(tmp_path: Path) -> None:
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/mountinfo").write_text("22 1 8:1 / / rw,nodev - ext4 /dev/sda1 rw\n")
    (tmp_path / "proc/meminfo").write_text("MemFree: 1 kB\nMemTotal: 2097152 kB\n")
    found = Machine(str(tmp_path)).ground()
    assert found == {"mounts": {"/": {"type": "ext4", "options": ["nodev", "rw"]}}, "memory_mb": 2048, "tmp_mb": 0}
    (tmp_path / "tmp").mkdir()
    assert Machine(str(tmp_path)).ground()["tmp_mb"] > 0


def test_unwanted_packages(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(
        STATUS + "\nPackage: x\nStatus: install ok installed\nDepends: held\n"
    )
    machine = Machine(str(tmp_path))
    assert machine.purge(["nftables", "held"]) == {"unwanted_packages": ["nftables"], "needed_packages": {"held": "x"}}
    assert machine.purge([]) == {"unwanted_packages": [], "needed_packages": {}}
