# SPDX-License-Identifier: GPL-3.0-or-later
"""Two administrators go and two come while a session of a third stays up; the last one cannot be taken away.

Runs `site` on the jump host and one behind it, with other administrators than the inventory has. The lab must be up and
hardened; at the end the inventory's own list holds again, and the people of this test are gone for good.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.driver import CONTROLLER, INVENTORY, ROOT, SSH_CONFIG, Done, Run, play, sh, ssh, sudo

TARGET = "database"
HOSTS = ("jump", TARGET)
PEOPLE = ("anna", "bert", "carl", "dina")
#: What a new administrator may do as root before there is a password that sudo could ask for.
ROOT_WITHOUT_PASSWORD = "sudo -n quorum-credentials status >&2 && echo 0"


class Office:
    """The people of the test with their keys, and the runs that let them in and out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = yaml.safe_load((INVENTORY / "group_vars/all/lab.yml").read_text())["host_administrators"]
        for name in PEOPLE:
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
            subprocess.run(command, check=True)

    def entry(self, name: str, **more: object) -> dict[str, object]:
        return {"name": name, "keys": [(self.folder / f"{name}.pub").read_text().strip()], **more}

    def run(self, *names: str, base: bool = True) -> Run:
        """`site` with these administrators beside the inventory's own."""
        people = (self.base if base else []) + [self.entry(name) for name in names]
        values = json.dumps({"host_administrators": people})
        return play("site", "--limit", ",".join(HOSTS), "-e", values)

    def login(self, name: str, host: str, command: str = ROOT_WITHOUT_PASSWORD) -> Done:
        return ssh(host, command, "-l", name, "-i", str(self.folder / name))

    def stay(self, name: str, command: str) -> subprocess.Popen[str]:
        """A session that stays up; its output is for the caller to read."""
        options = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "BatchMode=yes"]
        who = [] if name == "ops" else ["-l", name, "-i", str(self.folder / name)]
        argv = [str(CONTROLLER), "ssh", "-F", str(SSH_CONFIG), *options, *who, TARGET, command]
        return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    found = Office(tmp_path_factory.mktemp("keys"))
    yield found
    again = found.run()
    for host in HOSTS:
        sh(host, "".join(f"userdel -rf {name} 2>/dev/null; " for name in PEOPLE) + "true")
    assert again.rc == 0, again.out[-4000:]


def left(host: str, name: str) -> str:
    """Everything that a person still has on a host; empty when he is gone."""
    script = (
        f"ps -o pid=,args= -u {name}; ls -d /etc/ssh/authorized_keys.d/{name} /var/spool/cron/crontabs/{name} "
        f"/var/lib/systemd/linger/{name} 2>/dev/null; id -nG {name} | tr ' ' '\\n' | grep -vx {name}"
    )
    return sh(host, script).out.strip()


@pytest.mark.evidence("HOST-02", "applied|proven")
def test_two_go_and_two_come_while_a_third_stays(office: Office) -> None:
    assert office.run("anna", "bert").rc == 0
    for name in ("anna", "bert"):
        for host in HOSTS:
            done = office.login(name, host)
            assert done.out.strip() == "0", done.err
    third = office.stay("ops", "for i in $(seq 1200); do echo $i; sleep 1; done")
    going = [office.stay(name, "sleep 1200") for name in ("anna", "bert")]
    try:
        for host in HOSTS:
            sh(host, "mkdir -p /var/spool/cron/crontabs; echo '* * * * * true' > /var/spool/cron/crontabs/anna")
            sh(host, "loginctl enable-linger bert")
        assert all(session.poll() is None for session in (*going, third))

        done = office.run("carl", "dina")
        assert done.rc == 0, done.out[-4000:]
        for session in going:
            assert session.wait(timeout=30) != 0, "a session of somebody who left is still up"
        assert third.poll() is None, "the session of the third fell"
        for name in ("anna", "bert"):
            for host in HOSTS:
                assert left(host, name) == ""
                assert not office.login(name, host, "id").ok
        for name in ("carl", "dina"):
            for host in HOSTS:
                done_in = office.login(name, host)
                assert done_in.out.strip() == "0", done_in.err

        # One of those who went is back, one of those who came is gone again.
        assert office.run("anna", "carl").rc == 0
        assert office.login("anna", TARGET).out.strip() == "0"
        assert not office.login("dina", TARGET, "id").ok
        assert third.poll() is None
    finally:
        for session in (*going, third):
            session.kill()
            session.wait()
    assert third.stdout is not None
    ticks = [int(line) for line in third.stdout.read().split()]
    assert ticks == list(range(1, len(ticks) + 1))
    assert len(ticks) > 30, "the third session did not live through the rotation"


@pytest.mark.evidence("HOST-02", "proven")
@pytest.mark.parametrize(
    ("names", "more", "said"),
    [
        ((), {}, "nobody could log in"),
        (("anna",), {}, "the run would lock itself out"),
        (("ops",), {"expires": "2020-01-31"}, "has ended"),
        (("ops",), {"expires": "2099-01-31"}, "then nobody could log in"),
    ],
)
def test_the_last_one_and_the_run_s_own_stay(
    office: Office, names: tuple[str, ...], more: dict[str, str], said: str
) -> None:
    own = {person["name"]: person for person in office.base}
    people = [{**(own[name] if name in own else office.entry(name)), **more} for name in names]
    done = play("site", "--limit", ",".join(HOSTS), "-e", json.dumps({"host_administrators": people}))
    assert done.rc != 0
    assert said in done.out
    assert done.total("changed") == 0
    assert sudo(TARGET, "id -u").out.strip() == "0"
