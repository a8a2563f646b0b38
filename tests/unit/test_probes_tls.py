# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of TLS services, on a machine made of dictionaries."""

from __future__ import annotations

import time

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_tls
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.system import Completed
from ansible_collections.quorum.hardening.plugins.module_utils.wire import TlsOutcome

FRONT = {"addresses": ["10.0.0.1"], "port": 8545, "older": "TLSv1_1"}
CLOSED = TlsOutcome(True, "TLSv1.3", "", "PEM", "alert certificate required")
NGINX = TlsOutcome(True, "TLSv1.2", "HTTP/1.1 400 Bad Request", "PEM")
OPEN = TlsOutcome(True, "TLSv1.3", "HTTP/1.1 403 Forbidden", "PEM")
ANSWERED = "answered HTTP/1.1 200 OK"
NO_TLS = TlsOutcome(True, "", "", "", "wrong version number")


@pytest.mark.parametrize(
    ("plain", "best", "old", "found"),
    [
        (b"", CLOSED, NO_TLS, ("TLSv1.3", "refused", "refused", "refused")),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NGINX, NO_TLS, ("TLSv1.2", "refused", "refused", "refused")),
        (b"HTTP/1.1 200 OK\r\n\r\n", NO_TLS, NO_TLS, ("none (wrong version number)", "refused", ANSWERED, "refused")),
        (b"\x15\x03", OPEN, NGINX, ("TLSv1.3", "answered HTTP/1.1 403 Forbidden", "refused", "TLSv1.2 accepted")),
    ],
)  # fmt: skip
def test_how_a_port_answers_strangers(plain, best, old, found):
    handshakes = {("10.0.0.1", 8545, ""): best, ("10.0.0.1", 8545, "TLSv1_1"): old}
    system = FakeSystem(plain={("10.0.0.1", 8545): plain}, handshakes=handshakes)
    seen = probes_tls.tls_front(FRONT, system).found["10.0.0.1"]
    assert (seen["version"], seen["without_certificate"], seen["plain_http"], seen["older"]) == found


def test_nobody_listens():
    with pytest.raises(Absent):
        probes_tls.tls_front(FRONT, FakeSystem())


def dated(days):
    return time.strftime("notAfter=%b %d %H:%M:%S %Y GMT\n", time.gmtime(time.time() + days * 86400 + 60))


CERT = {"addresses": ["10.0.0.1"], "port": 8545, "ca": "/ca"}


def served(outcome=CLOSED, verify="", dates=None):
    commands = {"openssl x509": dates or dated(30), "openssl verify": verify}
    return FakeSystem(files={"/ca": "PEM"}, commands=commands, handshakes={("10.0.0.1", 8545, ""): outcome})


def test_the_served_certificate_is_judged():
    assert probes_tls.served_certificate(CERT, served()).found == {"10.0.0.1": {"days_left": 30, "chain": "ok"}}
    wrong = Completed(2, "", "O=x\nerror 20 at 0 depth lookup: unable to get local issuer certificate\n")
    assert probes_tls.served_certificate(CERT, served(verify=wrong)).found["10.0.0.1"]["chain"].startswith("error 20")
    silent = probes_tls.served_certificate(CERT, served(verify=Completed(2, "", "")))
    assert silent.found["10.0.0.1"]["chain"] == "not verified"
    assert probes_tls.served_certificate(CERT, served(dates=dated(-3))).found["10.0.0.1"]["days_left"] < 0


@pytest.mark.parametrize(
    ("system", "raised"),
    [
        (FakeSystem(), Absent),
        (FakeSystem(files={"/ca": ""}), Absent),
        (served(NO_TLS), Unreadable),
        (served(dates=Completed(1, "", "unable to load")), Unreadable),
    ],
)
def test_certificates_that_cannot_be_judged(system, raised):
    with pytest.raises(raised):
        probes_tls.served_certificate(CERT, system)
