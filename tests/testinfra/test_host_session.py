# SPDX-License-Identifier: GPL-3.0-or-later
"""Root in an SSH session manages the host, and does not reach round systemd to the kernel. Both are tried."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.driver import MANAGED, sh, sudo

#: What root in a session tries with programs -> what he is told.
REFUSED = {
    "mount -t tmpfs none /mnt": "permission denied|not permitted",
    "unshare --mount true": "not permitted",
    "nsenter --target 1 --mount true": "not permitted",
    "date --set=@1": "not permitted",
    "dmesg": "not permitted",
    "echo 1 >/proc/sys/net/ipv4/ip_forward": "read-only file system",
    "mknod /root/quorum-null c 1 3": "not permitted",
}
#: The same, of the kernel itself. The arguments make no sense: a call that is not refused fails for another reason.
CALLS = """
import ctypes, errno, os, socket
kernel = ctypes.CDLL(None, use_errno=True)
calls = {
    "mount": (b"none", b"/nowhere", b"tmpfs", 0, None), "umount2": (b"/nowhere", 0), "pivot_root": (b"/no", b"/where"),
    "ptrace": (16, 2**22 + 1, None, None), "swapoff": (b"/nowhere",), "unshare": (0x20000000,), "setns": (-1, 0x20000),
    "clock_settime": (99, ctypes.create_string_buffer(16)), "init_module": (None, 0, None),
    "delete_module": (b"nothing", 0), "syslog": (99,),
}
numbers = {"x86_64": {"bpf": 321, "kexec_load": 246}, "aarch64": {"bpf": 280, "kexec_load": 104}}
for name, number in numbers[os.uname().machine].items():
    calls["syscall", name] = (number, 99, None, 0, -1)
for name, arguments in calls.items():
    function = "klogctl" if name == "syslog" else name[0] if isinstance(name, tuple) else name
    ctypes.set_errno(0)
    if getattr(kernel, function)(*arguments) != -1 or ctypes.get_errno() != errno.EPERM:
        print("not refused:", name, os.strerror(ctypes.get_errno()))
try:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    print("not refused: raw packets")
except OSError as problem:
    if problem.errno != errno.EAFNOSUPPORT:
        print("not refused: raw packets", problem)
print("tried", len(calls))
"""
#: What administration needs, and must go on.
NEEDED = (
    # A session is in a scope of its own: what holds for sshd alone, of devices and addresses, is not for it.
    "grep -q '/session-[^/]*[.]scope' /proc/self/cgroup",
    "systemctl restart systemd-journald.service && systemctl is-active systemd-journald.service",
    "systemctl daemon-reload",
    "nft list table inet quorum_hardening",
    "journalctl --dmesg --lines=1",
    "loginctl list-sessions",
    "apt-get --simulate upgrade",
    "dpkg --configure --pending",
    "ss --listening --tcp --processes | grep -q sshd",
    "install -m 4755 /bin/true /root/quorum-setuid && rm /root/quorum-setuid",
    "touch /root/quorum-try && chown daemon /root/quorum-try && rm /root/quorum-try",
    "systemd-run --pipe --wait --collect --quiet mount --bind /srv /srv && grep -q ' /srv ' /proc/1/mounts"
    " && systemd-run --pipe --wait --collect --quiet umount /srv",
)


@pytest.mark.evidence("HOST-02", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_systemd_itself_finds_little_left_to_take_from_sshd(host: str) -> None:
    said = sh(host, "systemd-analyze security --no-pager ssh.service")
    level = re.search(r"exposure level for ssh\.service: ([0-9.]+)", said.out)
    assert level, said.err
    assert float(level[1]) < 5


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_root_in_a_session_does_not_reach_round_to_the_kernel(host: str) -> None:
    # One session for all: each attempt says how it ended, and what it was told.
    script = "".join(f"( {command} ) 2>&1; echo ended with $?\n" for command in REFUSED)
    done = sudo(host, f"{script}\npython3 -I -c {shlex.quote(CALLS)}")
    parts = re.split(r"ended with (\d+)\n", done.out)
    told = list(zip(REFUSED.items(), parts[0::2], parts[1::2], strict=False))
    assert len(told) == len(REFUSED), (parts, done.err)
    wrong = [(c, out) for (c, words), out, code in told if code == "0" or not re.search(words, out, re.IGNORECASE)]
    assert not wrong
    assert parts[-1] == "tried 13\n", (parts[-1], done.err)
    # The attempts left nothing: the host is as it was.
    assert not sh(host, "test -e /root/quorum-null || grep -q ' /mnt ' /proc/1/mounts").ok


@pytest.mark.evidence("HOST-02", "applied")
@pytest.mark.parametrize("host", MANAGED)
def test_root_in_a_session_administers_as_ever(host: str) -> None:
    script = "".join(f"( {command} ) >/dev/null || echo 'failed: {index}'\n" for index, command in enumerate(NEEDED))
    done = sudo(host, script, timeout=180)
    assert done.ok, done.err
    assert not done.out, (done.out, done.err)


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize("host", MANAGED)
def test_the_running_sshd_is_the_bounded_one(host: str) -> None:
    process = sh(host, "systemctl show --property=MainPID --value ssh.service").out.strip()
    assert "Seccomp:\t2" in sh(host, f"cat /proc/{process}/status").out
    assert sh(host, f"readlink /proc/{process}/ns/mnt").out != sh(host, "readlink /proc/1/ns/mnt").out
