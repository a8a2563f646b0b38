# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of TLS services, on a machine made of dictionaries."""

from __future__ import annotations

import time

import pytest
from probe_fakes import FakeSystem

from ansible_collections.quorum.hardening.plugins.module_utils import probes_tls
from ansible_collections.quorum.hardening.plugins.module_utils.probing import Absent, Unreadable
from ansible_collections.quorum.hardening.plugins.module_utils.wire import TlsOutcome

FRONT = {"addresses": ["10.0.0.1"], "port": 8545, "older": "TLSv1_1"}
CLOSED = TlsOutcome(True, "TLSv1.3", "", detail="alert certificate required")
NGINX = TlsOutcome(True, "TLSv1.2", "HTTP/1.1 400 Bad Request")
OPEN = TlsOutcome(True, "TLSv1.3", "HTTP/1.1 403 Forbidden")
ANSWERED = "answered HTTP/1.1 200 OK"
NO_TLS = TlsOutcome(True, detail="wrong version number")


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


CERT = {"addresses": ["10.0.0.1"], "port": 8545, "ca": "/ca"}


def served(**outcome):
    return FakeSystem(files={"/ca": "PEM"}, handshakes={("10.0.0.1", 8545, "/ca"): TlsOutcome(True, **outcome)})


def judged(**outcome):
    return probes_tls.served_certificate(CERT, served(**outcome)).found["10.0.0.1"]


def test_the_served_certificate_is_judged():
    now = int(time.time()) + 60
    assert judged(expires=now + 30 * 86400) == {"chain": "ok", "days_left": 30}
    assert judged(expires=now - 3 * 86400)["days_left"] == -3
    assert judged(untrusted="unable to get issuer") == {"chain": "unable to get issuer", "days_left": None}


@pytest.mark.parametrize(
    ("system", "raised"),
    [(FakeSystem(), Absent), (FakeSystem(files={"/ca": ""}), Absent), (served(detail="no TLS"), Unreadable)],
)
def test_certificates_that_cannot_be_judged(system, raised):
    with pytest.raises(raised):
        probes_tls.served_certificate(CERT, system)
