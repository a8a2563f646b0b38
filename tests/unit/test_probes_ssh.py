# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of remote administration, on a machine made of dictionaries."""

from __future__ import annotations

import base64
import subprocess

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import (
    probes_ssh,
)
from ansible_collections.quorum.hardening.plugins.module_utils.probing import (
    Absent,
    Unreadable,
)
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed, FileStat

SSHD = """\
port 22
permitrootlogin no
kexalgorithms curve25519-sha256,sntrup761x25519-sha512@openssh.com
allowgroups quorum-admin
allowgroups quorum-tunnel
authorizedkeysfile .ssh/authorized_keys /etc/keys/%u /x/%%y none
"""


def test_settings_are_read_as_sshd_says_them():
    system = FakeSystem(commands={"sshd -T": SSHD})
    args = {"settings": ["permitrootlogin", "kexalgorithms", "allowgroups", "banner"], "user": "root"}
    seen = probes_ssh.sshd_settings(args, system)
    assert seen.found == {
        "permitrootlogin": "no",
        "kexalgorithms": ["curve25519-sha256", "sntrup761x25519-sha512@openssh.com"],
        "allowgroups": ["quorum-admin", "quorum-tunnel"],
        "banner": None,
    }
    assert "user=root" in seen.where


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (Completed(127, "", ""), Absent),
        (Completed(255, "", "x\nMissing privilege separation directory"), Unreadable),
        (Completed(1, "", ""), Unreadable),
    ],
)
def test_sshd_that_cannot_say(answer, raised):
    with pytest.raises(raised):
        probes_ssh.sshd_settings({"settings": []}, FakeSystem(commands={"sshd": answer}))


def test_keys_that_are_not_theirs_or_that_others_could_change_are_named():
    keys = "/etc/ssh/authorized_keys.d"
    mine, other = "ssh-ed25519 AAAA me@here", 'from="10.0.0.1" ssh-rsa BBBB'
    files = {
        f"{keys}/ops": f"# ours\n{mine}\n{other}\nodd\n",
        f"{keys}/mallory": other,
        f"{keys}/empty": "# nothing\n\n",
    }
    stats = {f"{keys}/mallory": FileStat(0o666, 0, 0, "file", 1)}
    seen = probes_ssh.authorized_keys({"path": keys, "keys": {"ops": [mine]}}, FakeSystem(files=files, stats=stats))
    stranger = probes_ssh.fingerprint("ssh-rsa BBBB")
    assert seen.found == {
        "names": ["mallory", "ops"],
        "strange": [f"mallory {stranger}", f"ops {stranger}", "ops unreadable line 'odd'"],
        "loose": [f"{keys}/mallory"],
    }
    gone = probes_ssh.authorized_keys({"path": keys, "keys": {}}, FakeSystem())
    assert gone.found == {"names": [], "strange": [], "loose": []}


def test_fingerprints_are_those_of_ssh_keygen(tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(tmp_path / "k")], check=True, capture_output=True, text=True)
    line = (tmp_path / "k.pub").read_text()
    assert probes_ssh.fingerprint(line) == shown.stdout.split()[1]
    assert probes_ssh.fingerprint("ssh-ed25519 !!!!").startswith("unreadable")


def test_members_by_entry_and_by_primary_group():
    files = {
        "/etc/passwd": "ops:x:1000:1000::/:/bin/sh\neve:x:1001:70::/:/bin/sh\nbroken\n",
        "/etc/group": "admins:x:70:ops\nother:x:71:zed\nempty:x:72:\nbroken\n",
    }
    seen = probes_ssh.group_members({"groups": ["admins", "empty", "gone"]}, FakeSystem(files=files))
    assert seen.found == {"admins": ["eve", "ops"], "empty": [], "gone": []}


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("root:*:1:", "locked"),
        ("root:!$y$x:1:", "locked"),
        ("root:$y$x:1:", "set"),
        ("root::1:", "empty"),
        ("x:*:", "locked"),
    ],
)
def test_password_states(line, state):
    assert probes_ssh.password_state({"user": "root"}, FakeSystem(files={"/etc/shadow": line})).found == state


def test_no_shadow_is_no_answer():
    with pytest.raises(Unreadable):
        probes_ssh.password_state({"user": "root"}, FakeSystem())


def test_keys_that_sshd_would_take():
    files = {"/root/.ssh/authorized_keys": "ssh-ed25519 A\n", "/etc/keys/root": "# none\n", "/x/%y": "ssh-ed25519 B\n"}
    system = FakeSystem(commands={"sshd": SSHD}, files=files)
    seen = probes_ssh.keys_in_effect({"user": "root", "home": "/root"}, system)
    assert seen.found == ["/root/.ssh/authorized_keys", "/x/%y"]
    assert (
        probes_ssh.keys_in_effect({"user": "root", "home": "/root"}, FakeSystem(commands={"sshd": "port 22\n"})).found
        == []
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Port 22\nMatch User holder1\n    PermitTTY no\n", []),
        ("match user holder1\n", []),
        ("Match User holder1,alice\n", ["Match User holder1,alice"]),
        ("  Match Address 198.18.0.2\n    PermitRootLogin yes\n", ["Match Address 198.18.0.2"]),
        ("Match=User root\n", ["Match=User root"]),
        ("Include /etc/ssh/sshd_config.d/*.conf\n# Match all\n", ["Include /etc/ssh/sshd_config.d/*.conf"]),
    ],
)
def test_exceptions_in_the_file_are_named(text, found):
    args = {"path": "/etc/ssh/sshd_config", "users": ["holder1"]}
    system = FakeSystem(files={"/etc/ssh/sshd_config": text})
    assert probes_ssh.sshd_exceptions(args, system).found == found


def test_no_file_no_exceptions():
    with pytest.raises(Absent):
        probes_ssh.sshd_exceptions({"path": "/etc/ssh/sshd_config", "users": []}, FakeSystem())


def key(kind, *fields):
    blob = b"".join(len(f).to_bytes(4, "big") + f for f in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()} root@host"


def keys(files):
    given = {f"/etc/ssh/{name}": text for name, text in files.items()}
    return probes_ssh.host_keys({"path": "/etc/ssh"}, FakeSystem(files=given)).found


def test_host_keys():
    rsa = key("ssh-rsa", b"\x01\x00\x01", b"\x00" + (1 << 3071).to_bytes(384, "big"))
    found = keys(
        {
            "ssh_host_ed25519_key": "",
            "ssh_host_ed25519_key.pub": key("ssh-ed25519", bytes(32)),
            "ssh_host_rsa_key.pub": rsa,
            "ssh_host_ecdsa_key": "",
            "sshd_config": "",
        }
    )
    assert found == ["ecdsa unknown", "ssh-ed25519 256", "ssh-rsa 3072"]


def test_host_keys_that_are_not_there_or_no_keys():
    with pytest.raises(Absent):
        keys({"sshd_config": ""})
    for text in ("", "ssh-rsa !", "ssh-rsa AAAA", key("ssh-rsa", b"\x01")):
        with pytest.raises(Unreadable):
            keys({"ssh_host_rsa_key.pub": text})
