# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and requests by the openssl program: read them, judge them, make the first authority of a store.

The standard library cannot parse a certificate; openssl is on every host that has TLS. Keys are only ever named by
their path, their content passes neither an argument nor this module's memory.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Callable

Run = Callable[[Sequence[str], str], "tuple[int, str, str]"]

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

ANCHOR = """[req]
distinguished_name = name
prompt = no
x509_extensions = authority
[name]
{subject}
[authority]
basicConstraints = critical, CA:TRUE, pathlen:2
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""

AUTHORITY = """basicConstraints = critical, CA:TRUE, pathlen:{depth}
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""

SERVER = """basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


class X509Error(Exception):
    """openssl refused, or what it says is not what was wanted."""


@dataclass(frozen=True)
class Paper:
    """What a certificate or a request says. Times are seconds since 1970 UTC, 0 in a request."""

    common_name: str
    dns: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    other: tuple[str, ...] = ()
    key_sha256: str = ""
    issuer: str = ""
    not_before: int = 0
    not_after: int = 0
    organisations: tuple[str, ...] = field(default=())


def run_openssl(arguments: Sequence[str], text: str) -> tuple[int, str, str]:
    """(exit status, output, errors) of openssl with ``text`` on its standard input; 60 s at most."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["openssl", *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise X509Error(f"openssl cannot run: {type(error).__name__}") from None
    return done.returncode, done.stdout, done.stderr


def ask(run: Run, arguments: Sequence[str], text: str = "") -> str:
    """The output of an openssl call that must succeed."""
    code, output, errors = run(arguments, text)
    if code != 0:
        raise X509Error(f"openssl {arguments[0]}: {errors.strip()[-300:]}")
    return output


def normal_address(text: str) -> str:
    """The one spelling of an address; what is no address comes back in lower case."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return text.strip().lower()


def certificates(pem: str) -> list[str]:
    """The certificates of a PEM text in their order, each ending with a newline."""
    return [match.group(0) + "\n" for match in _PEM.finditer(pem)]


def _time(text: str) -> int:
    moment = datetime.strptime(" ".join(text.split()), "%b %d %H:%M:%S %Y GMT")
    return int(moment.replace(tzinfo=timezone.utc).timestamp())


def parse(text: str) -> Paper:
    """A Paper from openssl's own text (``-text -nameopt multiline``, dates and public key)."""
    subject: dict[str, list[str]] = {}
    section, issuer, key = "", [], []
    before = after = 0
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("-----BEGIN PUBLIC KEY"):
            section = "key"
        elif stripped.startswith("subject="):
            section = "subject"
        elif stripped.startswith("issuer="):
            section = "issuer"
        elif stripped.startswith("notBefore="):
            before = _time(stripped[10:])
        elif stripped.startswith("notAfter="):
            after = _time(stripped[9:])
        elif section in ("subject", "issuer") and re.match(r"^    \w+ +=", line):
            name, _equals, value = stripped.partition("=")
            if section == "subject":
                subject.setdefault(name.strip(), []).append(value.strip())
            else:
                issuer.append(f"{name.strip()}={value.strip()}")
            continue
        if section == "key":
            key.append(stripped)
            if stripped.startswith("-----END"):
                section = ""
    dns, addresses, other = _names(text)
    names = subject.get("commonName", [])
    if len(names) > 1:
        other = (*other, *(f"second common name {n}" for n in names[1:]))
    return Paper(
        common_name=names[0] if names else "",
        dns=frozenset(dns),
        addresses=frozenset(addresses),
        other=tuple(other),
        key_sha256=hashlib.sha256("".join(key).encode()).hexdigest() if key else "",
        issuer=",".join(issuer),
        not_before=before,
        not_after=after,
        organisations=tuple(subject.get("organizationName", [])),
    )


def _names(text: str) -> tuple[list[str], list[str], tuple[str, ...]]:
    """DNS names, addresses and everything else that the alternative names hold."""
    match = re.search(r"X509v3 Subject Alternative Name:[^\n]*\n([^\n]*)", text)
    dns, addresses, other = [], [], []
    for part in match.group(1).split(",") if match else []:
        kind, _colon, value = part.strip().partition(":")
        if kind == "DNS":
            dns.append(value.strip().lower())
        elif kind == "IP Address":
            addresses.append(normal_address(value))
        elif part.strip():
            other.append(part.strip())
    return dns, addresses, tuple(other)


def read_certificate(pem: str, run: Run = run_openssl) -> Paper:
    """The first certificate of ``pem``. X509Error when there is none."""
    arguments = ["x509", "-noout", "-subject", "-issuer", "-dates", "-pubkey", "-text", "-nameopt", "multiline"]
    return parse(ask(run, arguments, pem))


def read_request(pem: str, run: Run = run_openssl) -> Paper:
    """The request ``pem``, its own signature checked. X509Error when it is none or not signed by its key."""
    code, text, errors = run(["req", "-noout", "-verify", "-subject", "-pubkey", "-text", "-nameopt", "multiline"], pem)
    if code != 0 or "verify fail" in errors.lower() + text[:200].lower():
        raise X509Error(f"openssl req: {errors.strip()[-300:]}")
    return parse(text)


def key_of(path: str, run: Run = run_openssl) -> str:
    """SHA-256 of the public half of the private key at ``path``, comparable with Paper.key_sha256."""
    return parse(ask(run, ["pkey", "-in", path, "-pubout"])).key_sha256


def unasked(request: Paper, name: str, dns: Iterable[str], addresses: Iterable[str]) -> list[str]:
    """What the request wants beyond its name, the given DNS names and addresses; [] when it may be signed."""
    allowed = {d.lower() for d in dns} | {name.lower()}
    known = {normal_address(a) for a in addresses}
    found = []
    if request.common_name != name:
        found.append(f"common name {request.common_name!r} instead of {name!r}")
    found += [f"DNS name {d}" for d in sorted(request.dns - allowed)]
    found += [f"address {a}" for a in sorted(request.addresses - known)]
    found += [f"name {o}" for o in request.other]
    return found


def verifies(pem: str, anchor: str, run: Run = run_openssl, purpose: str = "") -> bool:
    """Whether the first certificate of ``pem`` leads to ``anchor`` through the others in ``pem``, now."""
    chain = certificates(pem)
    if not chain:
        return False
    with tempfile.TemporaryDirectory(prefix="quorum-x509-") as folder:
        for name, text in (("leaf", chain[0]), ("chain", "".join(chain[1:]) or chain[0]), ("anchor", anchor)):
            with open(os.path.join(folder, name), "w", encoding="ascii") as handle:
                handle.write(text)
        arguments = [
            "verify",
            "-CAfile",
            f"{folder}/anchor",
            "-no-CApath",
            "-no-CAstore",
            "-untrusted",
            f"{folder}/chain",
        ]
        if purpose:
            arguments += ["-purpose", purpose]
        return run([*arguments, f"{folder}/leaf"], "")[0] == 0


def make_anchor(key: str, subject: dict[str, str], days: int, run: Run = run_openssl) -> str:
    """A new authority: its EC P-384 key is written to the path ``key`` (0600), its certificate (PEM) returned."""
    old = os.umask(0o077)
    try:
        with tempfile.TemporaryDirectory(prefix="quorum-x509-") as folder:
            config = os.path.join(folder, "anchor.cnf")
            with open(config, "w", encoding="utf-8") as handle:
                handle.write(ANCHOR.format(subject="\n".join(f"{k} = {v}" for k, v in subject.items())))
            ask(run, ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", key])
            return ask(run, ["req", "-x509", "-new", "-sha384", "-key", key, "-days", str(days), "-config", config])
    finally:
        os.umask(old)


def sign(csr: str, extensions: str, *, anchor: str, key: str, days: int, run: Run = run_openssl) -> str:
    """The certificate (PEM) for ``csr`` by the authority (certificate text, key path), with these extensions."""
    with tempfile.TemporaryDirectory(prefix="quorum-x509-") as folder:
        for name, text in (("request", csr), ("anchor", anchor), ("extensions", extensions)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as handle:
                handle.write(text)
        serial = "0x" + secrets.token_hex(16)
        return ask(run, [
            "x509", "-req", "-in", f"{folder}/request", "-CA", f"{folder}/anchor", "-CAkey", key, "-sha384",
            "-set_serial", serial, "-days", str(days), "-extfile", f"{folder}/extensions",
        ])  # fmt: skip


def make_request(key: str, name: str, run: Run = run_openssl) -> str:
    """A request (PEM) for ``name`` by the EC P-384 key at the path ``key``, which is made (0600) where missing."""
    if not os.path.exists(key):
        old = os.umask(0o077)
        try:
            ask(run, ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", key])
        finally:
            os.umask(old)
    return ask(run, ["req", "-new", "-sha384", "-key", key, "-subj", f"/CN={name}"])


def server_names(dns: Iterable[str], addresses: Iterable[str]) -> str:
    """The value of subjectAltName for these names, in a stable order."""
    names = [f"DNS:{d}" for d in sorted(set(dns))]
    return ",".join(names + [f"IP:{a}" for a in sorted({normal_address(a) for a in addresses})])


def needs_renewal(paper: Paper, now: float, fraction: float = 1 / 3) -> bool:
    """True when less than ``fraction`` of the certificate's life is left."""
    return paper.not_after - now < (paper.not_after - paper.not_before) * fraction
