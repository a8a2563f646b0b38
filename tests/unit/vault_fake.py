# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret store in memory: as much of the HTTP interface as the collection uses, with a diary of the calls."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.quorum.hardening.plugins.module_utils import x509
from ansible_collections.quorum.hardening.plugins.module_utils.openbao import Bao

ROOT_TOKEN = "s.canary-root-token-0000000"


def key_and_request(folder: Path, name: str, *, sans: str = "", subject: str = "") -> str:
    """A P-384 key in ``folder/<name>.key`` and a request for it."""
    key = folder / f"{name}.key"
    if not key.exists():
        x509.ask(
            x509.run_openssl, ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", str(key)]
        )
    extra = ["-addext", f"subjectAltName={sans}"] if sans else []
    return x509.ask(x509.run_openssl, ["req", "-new", "-key", str(key), "-subj", subject or f"/CN={name}", *extra])


class Store:
    """State of the pretended server. ``deny`` holds paths that answer 403."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.health = 200
        self.initialised = True
        self.tokens: dict[str, str] = {}
        self.data: dict[str, dict[str, Any]] = {
            "sys/mounts": {},
            "sys/auth": {},
            "sys/audit": {"file-1/": {"type": "file"}},
        }
        self.calls: list[tuple[str, str]] = []
        self.deny: set[str] = set()
        self.forget: set[str] = set()
        self.authorities: dict[str, str] = {}
        self.keys_base64: list[str] | None = None
        self.init_body: dict[str, Any] = {}
        self.served = ""

    def bao(self, token: str = "") -> Bao:
        return Bao(self.send, token)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        path = path[len("/v1/") :]
        self.calls.append((method, path))
        if path in self.deny:
            return 403, b'{"errors": ["permission denied"]}'
        status, answer = self.answer(method, path, headers, json.loads(body) if body else {})
        return status, json.dumps(answer).encode() if answer is not None else b""

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        token = headers.get("X-Vault-Token", "")
        if path == "sys/health":
            return self.health, {}
        if path == "sys/seal-status":
            return 200, {"progress": 1, "t": 2}
        if path == "sys/init":
            return self.init(body)
        if path == "auth/cert/login":
            self.tokens["s.site"] = body["name"]
            return 200, {"auth": {"client_token": "s.site"}}
        if path == "auth/token/revoke-self":
            return (204, None) if self.tokens.pop(token, None) else (403, {"errors": ["permission denied"]})
        if path.endswith("/cert/ca"):
            mount = path.split("/", 1)[0]
            if mount in self.authorities:
                return 200, {"data": {"certificate": self.authorities[mount]}}
            return 500, {"errors": ["no default issuer"]}
        if token not in self.tokens:
            return 403, {"errors": ["permission denied"]}
        if path == "auth/token/lookup-self":
            return 200, {"data": {"policies": [self.tokens[token]]}}
        if "/intermediate/" in path or path.endswith("sign-intermediate") or "/sign/" in path:
            return self.pki(path, body)
        return self.plain(method, path, body)

    def init(self, body: dict[str, Any]) -> tuple[int, Any]:
        self.init_body = body
        if self.initialised:
            return 400, {"errors": ["already initialised"]}
        self.initialised, self.health = True, 503
        keys = self.keys_base64 or [base64.b64encode(b"share").decode()] * body["secret_shares"]
        return 200, {"keys_base64": keys, "root_token": self.encrypt(body["root_token_pgp_key"])}

    @staticmethod
    def encrypt(key: str) -> str:
        with tempfile.TemporaryDirectory() as home:
            run = ["gpg", "--homedir", home, "--batch", "--quiet"]
            subprocess.run([*run, "--import"], input=base64.b64decode(key), check=True, capture_output=True)
            listing = subprocess.run([*run, "--with-colons", "-k"], check=True, capture_output=True, text=True).stdout
            print_ = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr"))
            done = subprocess.run(
                [*run, "--trust-model", "always", "-e", "-r", print_],
                input=ROOT_TOKEN.encode(),
                check=True,
                capture_output=True,
            )
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
        return base64.b64encode(done.stdout).decode()

    def pki(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        mount = path.split("/", 1)[0]
        key = self.folder / f"{mount}.key"
        if path.endswith("generate/internal"):
            return 200, {"data": {"csr": key_and_request(self.folder, mount, subject=f"/CN={body['common_name']}")}}
        if path.endswith("set-signed"):
            self.authorities[mount] = x509.certificates(body["certificate"])[0]
            return 200, {"data": {}}
        if path.endswith("sign-intermediate"):
            signed = x509.sign(
                body["csr"],
                x509.AUTHORITY.format(depth=0),
                anchor=self.authorities["pki_root"],
                key=str(self.folder / "pki_root.key"),
                days=1000,
            )
            return 200, {"data": {"certificate": signed}}
        names = [body["common_name"], *[n for n in body["alt_names"].split(",") if n]]
        sans = x509.server_names(names, [a for a in body["ip_sans"].split(",") if a])
        leaf = x509.sign(
            body["csr"],
            x509.SERVER.format(names=sans),
            anchor=self.authorities["pki_services"],
            key=str(key),
            days=int(body["ttl"].rstrip("h")) // 24,
        )
        chain = [self.authorities["pki_services"], self.authorities["pki_root"]]
        return 200, {"data": {"certificate": leaf, "ca_chain": chain, "serial_number": "01", "expiration": 1}}

    def plain(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if method == "GET":
            return (200, {"data": self.data[path]}) if path in self.data else (404, {"errors": []})
        if path in self.forget:
            return 204, None
        if path.endswith("/tune"):
            self.data["sys/mounts"][path.split("/")[2] + "/"]["config"] = body
        elif path.startswith("sys/mounts/"):
            self.data["sys/mounts"][path.split("/")[2] + "/"] = body
        elif path.startswith("sys/auth/"):
            self.data["sys/auth"][path.split("/")[2] + "/"] = body
        else:
            self.data[path] = body
        return 204, None


def as_root_is_me(monkeypatch: Any) -> None:
    """Ownership is not the tests' business: they run as anybody."""
    monkeypatch.setattr(os, "fchown", lambda *_a: None)
    monkeypatch.setattr(os, "chown", lambda *_a: None)
