# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of the second factor and of the server's own keys."""

from __future__ import annotations

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils.one_time import OPTIONS, Factor, render
from ansible_collections.quorum.hardening.plugins.module_utils.probes_credentials import PROBES
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent
from ansible_collections.quorum.hardening.plugins.module_utils.system import FileStat

FOLDER = "/etc/ssh/second_factor.d"
GOOD = render(Factor("JBSWY3DPEHPK3PXP", OPTIONS, ("12345678",)))
PRIVATE = FileStat(0o600, 0, 0, "file", 1)


def factors(files, **stats):
    given = {f"{FOLDER}/{name}": text for name, text in files.items()}
    safe = dict.fromkeys(given, PRIVATE)
    safe[FOLDER] = FileStat(0o700, 0, 0, "directory", 0)
    safe.update({f"{FOLDER}/{name}": stat for name, stat in stats.items()})
    args = {"path": FOLDER, "administrators": ["alice", "ops"]}
    return PROBES["second_factors"](args, FakeSystem(files=given, stats=safe)).found


def test_sound_factors():
    assert factors({"ops": GOOD, ".ops.new": "half"}) == {"enrolled": 1, "strange": [], "loose": [], "weak": []}


def test_no_folder():
    found = PROBES["second_factors"]({"path": FOLDER, "administrators": ["ops"]}, FakeSystem()).found
    assert found["enrolled"] == 0


def test_strange_and_loose():
    found = factors({"ops": GOOD, "mallory": GOOD}, ops=FileStat(0o640, 0, 0, "file", 1))
    assert found == {"enrolled": 1, "strange": ["mallory"], "loose": [f"{FOLDER}/ops"], "weak": []}
    assert factors({"ops": GOOD}, ops=FileStat(0o600, 1000, 0, "file", 1))["loose"] == [f"{FOLDER}/ops"]
    assert factors({"ops": GOOD}, ops=FileStat(0o600, 0, 0, "link", 1))["loose"] == [f"{FOLDER}/ops"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('" DISALLOW_REUSE\n', ""),
        ('" TOTP_AUTH\n', ""),
        ("WINDOW_SIZE 3", "WINDOW_SIZE 17"),
        ('" WINDOW_SIZE 3\n', ""),
        ('" RATE_LIMIT 3 30\n', ""),
        ("RATE_LIMIT 3 30", "RATE_LIMIT 100 30"),
        ("RATE_LIMIT 3 30", "RATE_LIMIT 3 1"),
        ("JBSWY3DPEHPK3PXP", "no base32"),
    ],
)
def test_weak_factors(old, new):
    assert old in GOOD
    assert factors({"ops": GOOD.replace(old, new)})["weak"] == ["ops"]


def test_pam_auth():
    text = "@include  common-auth\nauth  required \\\n  pam_x.so a=b\n-auth optional pam_y.so\naccount required z.so\n"
    seen = PROBES["pam_auth"]({"path": "/p"}, FakeSystem(files={"/p": text}))
    assert seen.found == ["@include common-auth", "auth required pam_x.so a=b", "-auth optional pam_y.so"]
    with pytest.raises(Absent):
        PROBES["pam_auth"]({"path": "/p"}, FakeSystem())
