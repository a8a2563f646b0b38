# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of sudo, PAM and accounts, on a machine made of dictionaries."""

from __future__ import annotations

import json

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_access
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Inapplicable, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed

PASSWD = """root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/bash
games:x:5:60::/usr/games:/bin/bash
sync:x:4:65534::/bin:/bin/sync
ops:x:1000:1000:Cloud:/home/ops:/bin/bash
erin:x:998:998:quorum.hardening administrator:/home/erin:/bin/bash
dora:x:1003:1003:quorum.hardening administrator:/home/dora:/bin/bash
carl:x:1004:1004::/home/carl:/usr/sbin/nologin
"""
GROUP = "docker:x:50:ops,games,ghost\nquorum-su:x:990:ops\nadm:x:4:erin\n"
SHADOW = """root:*:1::::::
toor::1::::::
games:$y$hash:1::::::
ops:!:1:0:99999:7::20909:
erin:$y$hash:1:0:99999:7:::
dora:!*:1:0:99999:7::1:
carl:$y$hash:1:0:99999:7:::
"""
FILES = {"/etc/passwd": PASSWD, "/etc/group": GROUP, "/etc/shadow": SHADOW}


def test_what_no_account_may_be_or_have():
    args = {"powerful": ["docker", "absent"], "closed": "quorum-su"}
    seen = probes_access.account_state(args, FakeSystem(files=FILES))
    assert seen.found == {
        "roots": ["root", "toor"],
        "empty": ["toor"],
        "shells": ["erin /bin/bash", "games /bin/bash"],
        "passwords": ["carl", "erin", "games"],
        "powerful": ["ops docker"],
        "closed": ["ops"],
    }
    files = {**FILES, "/etc/group": ""}
    seen = probes_access.account_state(args, FakeSystem(files=files))
    assert seen.found["closed"] == ["no group quorum-su"]
    with pytest.raises(Unreadable, match="shadow"):
        probes_access.account_state(args, FakeSystem(files={**FILES, "/etc/shadow": None}))


def test_the_last_day_as_the_host_keeps_it():
    seen = probes_access.account_ends({"names": ["ops", "erin", "bob"]}, FakeSystem(files=FILES))
    assert seen.found == {"ops": "2027-03-31", "erin": "", "bob": "no account"}


def test_what_people_who_left_still_have():
    files = {**FILES, "/var/spool/cron/crontabs/erin": "", "/var/lib/systemd/linger/dora": ""}
    system = FakeSystem(files=files, programs=[(7, ["bash"])])
    seen = probes_access.former_people({"people": ["ops"]}, system)
    assert seen.found == [
        "dora has /var/lib/systemd/linger/dora",
        "erin has /var/spool/cron/crontabs/erin",
        "erin has a password",
        "erin is in adm",
        "erin is open",
        "erin runs programs",
    ]
    assert probes_access.former_people({"people": ["erin", "dora"]}, system).found == []


def rules(*specs, defaults=()):
    return json.dumps({"Defaults": list(defaults), "User_Specs": list(specs)})


def grant(who, **option):
    return {"User_List": [who], "Cmnd_Specs": [{"Options": [option], "Commands": [{"command": "ALL"}]}]}


def test_whom_sudo_serves():
    text = rules(
        grant({"username": "root"}, setenv=True),
        grant({"usergroup": "quorum-admin"}, authenticate=False),
        grant({"username": "bob", "negated": True}),
        grant({"useralias": "X"}),
        defaults=[
            {"Options": [{"use_pty": True}, {"lecture": "always"}]},
            {"Binding": [{"username": "bob"}], "Options": [{"authenticate": False}]},
        ],
    )
    system = FakeSystem(files={"/etc/sudoers": ""}, commands={"cvtsudoers": text})
    seen = probes_access.sudo_rules({"settings": ["use_pty", "logfile"]}, system)
    assert seen.found == {
        "grants": ["!bob", "%quorum-admin", "root", '{"useralias": "X"}'],
        "unasked": ["%quorum-admin"],
        "free": ["ALL"],
        "asks": False,
        "exceptions": ['[{"username": "bob"}]'],
        "settings": {"use_pty": True, "logfile": None},
    }


def test_a_command_without_a_password_is_not_all_of_them():
    spec = {
        "User_List": [{"usergroup": "quorum-admin"}],
        "Cmnd_Specs": [
            {"Options": [{"authenticate": True}], "Commands": [{"command": "ALL"}]},
            {
                "Options": [{"authenticate": False}],
                "Commands": [{"command": "/usr/local/sbin/quorum-credentials status"}],
            },
        ],
    }
    system = FakeSystem(files={"/etc/sudoers": ""}, commands={"cvtsudoers": rules(spec)})
    found = probes_access.sudo_rules({"settings": []}, system).found
    assert (found["unasked"], found["asks"]) == (["%quorum-admin"], True)
    assert found["free"] == ["/usr/local/sbin/quorum-credentials status"]


def test_each_command_without_a_password_is_named():
    free = [{"command": "/bin/sh"}, {"command": "/bin/ls", "negated": True}, {"cmndalias": "X"}]
    spec = {
        "User_List": [{"usergroup": "quorum-admin"}],
        "Cmnd_Specs": [{"Options": [{"authenticate": False}], "Commands": free}, {"Commands": [{"command": "ALL"}]}],
    }
    text = rules(spec, defaults=[{"Options": [{"exempt_group": "quorum-admin"}]}])
    system = FakeSystem(files={"/etc/sudoers": ""}, commands={"cvtsudoers": text})
    found = probes_access.sudo_rules({"settings": ["exempt_group"]}, system).found
    assert (found["free"], found["asks"]) == (["!/bin/ls", "/bin/sh", '{"cmndalias": "X"}'], True)
    assert found["settings"] == {"exempt_group": "quorum-admin"}


def test_sudo_that_is_not_there_or_cannot_be_read():
    with pytest.raises(Absent):
        probes_access.sudo_rules({"settings": []}, FakeSystem())
    system = FakeSystem(files={"/etc/sudoers": ""}, commands={"cvtsudoers": Completed(1, "", "syntax error")})
    with pytest.raises(Unreadable, match="syntax error"):
        probes_access.sudo_rules({"settings": []}, system)


def test_what_pam_does_line_by_line():
    auth = "# c\nauth\trequired   pam_faillock.so  preauth\nAUTH [success=1 default=ignore] \\\npam_unix.so\n"
    files = {
        "/etc/pam.d/sudo": "session required pam_limits.so\n@include common-auth\n",
        "/etc/pam.d/common-auth": auth,
        "/etc/pam.d/su": "@include gone\n",
        "/etc/pam.d/loop": "@include loop\n",
    }
    system = FakeSystem(files=files)
    seen = probes_access.pam_steps({"service": "sudo", "kind": "auth"}, system)
    assert seen.found == ["required pam_faillock.so preauth", "[success=1 default=ignore] pam_unix.so"]
    with pytest.raises(Inapplicable):
        probes_access.pam_steps({"service": "login", "kind": "auth", "needed": False}, system)
    for service in ("su", "loop"):
        with pytest.raises(Absent):
            probes_access.pam_steps({"service": service, "kind": "auth"}, system)


def test_the_last_value_counts():
    files = {
        "/a": "# UMASK 022\nUMASK\t022\ndeny = 5 # five\neven_deny_root\n",
        "/b": 'UMASK 027\nSHELL="/bin/sh"\nTMOUT=900\nreadonly TMOUT\nexport TMOUT\nexport X=1\nempty=\n',
    }
    keys = ["UMASK", "deny", "even_deny_root", "SHELL", "TMOUT", "X", "absent", "empty"]
    seen = probes_access.assigned_values({"files": ["/a", "/b", "/c"], "keys": keys}, FakeSystem(files=files))
    assert seen.found == {
        "UMASK": "027",
        "deny": "5",
        "even_deny_root": "",
        "SHELL": "/bin/sh",
        "TMOUT": "900",
        "X": "1",
        "absent": None,
        "empty": None,
    }
