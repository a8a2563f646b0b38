# SPDX-License-Identifier: GPL-3.0-or-later
"""The holders of the secret store's shares, each on its own: fetch the encrypted share, decrypt it here, hand it in.

Every holder signs in under its own name and key, through the jump host. `ssh holder@vault` answers with one JSON object
{"share": base64 of PGP ciphertext, "ca": PEM, "address": "127.0.0.1:8200"}, or exits with 1 when there is nothing yet.
The share goes to the store through the holder's own SSH tunnel; nobody else ever sees it.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

HOME = Path("/var/lib/holders")
#: Seconds between looks: at a sealed store, at an open one, and after a refusal (which a host may count against us).
SEALED, OPEN, REFUSED = 2.0, 5.0, 4.0
REFUSED_MOST = 30.0


class Holder(threading.Thread):
    """One person with an SSH key, a PGP key and patience."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(name=name)
        self.home = HOME / name
        self.port = port
        self.tunnel: subprocess.Popen[bytes] | None = None

    def say(self, what: str) -> None:
        """One line in the container's log."""
        print(f"{time.strftime('%H:%M:%S')} {self.name}: {what}", flush=True)

    def ssh(self, *extra: str) -> list[str]:
        """The command line for vault, through the jump host, whose hop sees only what stands in the file."""
        config = self.home / "ssh_config"
        if not config.exists():
            common = (HOME / "ssh_config").read_text(encoding="utf-8")
            config.write_text(
                f"{common}\nHost *\n  User {self.name}\n  IdentityFile {self.home}/ssh_key\n", encoding="utf-8"
            )
        return ["ssh", "-F", str(config), *extra, "vault"]

    def fetch(self) -> dict[str, Any] | None:
        """The answer of the store's host, or None while there is none."""
        done = subprocess.run(self.ssh(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        if done.returncode:
            return None
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def decrypt(self, share: str) -> str:
        """The share as the store wants it (hex)."""
        command = ["gpg", "--homedir", str(self.home / "gnupg"), "--batch", "--quiet", "--decrypt"]
        done = subprocess.run(command, input=base64.b64decode(share), capture_output=True, check=True)
        return done.stdout.decode().strip()

    def call(
        self, context: ssl.SSLContext, method: str, path: str, body: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """One request to the store through the tunnel."""
        data = json.dumps(body).encode() if body else None
        with contextlib.closing(
            http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        ) as store:
            store.request(method, f"/v1/{path}", data)
            response = store.getresponse()
            if response.status != HTTPStatus.OK:
                raise OSError(f"{path}: {response.status} {response.read(200)!r}")
            answer: dict[str, Any] = json.load(response)
            return answer

    def open_tunnel(self, address: str) -> None:
        """A tunnel of our own; it ends with this process or with the connection."""
        self.close_tunnel()
        forward = f"127.0.0.1:{self.port}:{address}"
        self.tunnel = subprocess.Popen(
            self.ssh("-N", "-L", forward),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1.5)

    def close_tunnel(self) -> None:
        """End the tunnel, if there is one."""
        if self.tunnel is not None:
            self.tunnel.terminate()
            self.tunnel.wait()
        self.tunnel = None

    def watch(self, answer: dict[str, Any]) -> None:
        """Look at the store through one tunnel, unseal when sealed; ends with the tunnel or the trust."""
        context = ssl.create_default_context(cadata=answer["ca"])
        self.open_tunnel(answer["address"])
        failures = 0
        handed_in = ""
        while self.tunnel is not None and self.tunnel.poll() is None and failures < 3:
            try:
                status = self.call(context, "GET", "sys/seal-status")
                # Hand a share in again only when the store has forgotten it (a new nonce, or no progress).
                mark = f"{status.get('nonce')}/{bool(status.get('progress'))}"
                if status.get("initialized") and status["sealed"] and mark != handed_in:
                    status = self.call(context, "PUT", "sys/unseal", {"key": self.decrypt(answer["share"])})
                    handed_in = f"{status.get('nonce')}/True"
                    self.say(f"share handed in, {'still sealed' if status['sealed'] else 'open'}")
                handed_in = handed_in if status["sealed"] else ""
                failures = 0
                time.sleep(SEALED if status["sealed"] else OPEN)
            except ssl.SSLError as problem:
                self.say(f"the store's certificate is not the one expected: {problem}")
                return
            except (OSError, ValueError, http.client.HTTPException):
                failures += 1
                time.sleep(SEALED)

    def run(self) -> None:
        """For ever: ask for the share, watch, and after a refusal wait a little longer each time."""
        pause = REFUSED
        while True:
            try:
                answer = self.fetch()
                if answer:
                    pause = REFUSED
                    self.watch(answer)
            except (OSError, ValueError, KeyError, subprocess.SubprocessError) as problem:
                self.say(f"{type(problem).__name__}: {problem}")
                answer = None
            self.close_tunnel()
            time.sleep(SEALED if answer else pause)
            pause = min(pause * 1.3, REFUSED_MOST) if not answer else REFUSED


def main() -> None:
    """One thread for each name on the command line, once the lab has told the way to the hosts."""
    while not (HOME / "ssh_config").exists():
        time.sleep(1)
    for number, name in enumerate(sys.argv[1:]):
        Holder(name, 18200 + number).start()


if __name__ == "__main__":
    main()
