# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's administrator brings: a password for sudo on every host, a second factor where it is wanted.

credentials.py    set up what is missing on the hosts, over SSH, the way a person does it between enrol and site

Both are throw-away. They lie in build/lab, for nobody else to read; the inventory and the tests take them from there.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

from common import LAB, ROOT, LabError, step, way_in

PASSWORD = LAB / "credentials" / "sudo"
FACTORS = LAB / "second_factor"
SSH = (ROOT / "lab/ctl", ROOT / "playbooks/files/ssh-with-code", "-F", LAB / "ssh_config")
FRESH = ("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "LogLevel=ERROR")
WITH_SECOND_FACTOR = ("vault",)


def ensure_password() -> str:
    """The administrator's password for sudo on all hosts of the lab; gives the path of its file."""
    if not PASSWORD.exists():
        PASSWORD.parent.mkdir(parents=True, exist_ok=True)
        _private(PASSWORD, secrets.token_urlsafe(18))
    return str(PASSWORD)


def _private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _command(host: str, *words: str) -> list[str]:
    return [str(part) for part in (*SSH, *FRESH, host, "sudo", "-n", "quorum-credentials", *words)]


def _run(host: str, *words: str, text_in: str = "") -> str:
    done = subprocess.run(_command(host, *words), input=text_in, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{host}: quorum-credentials {words[0]} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def set_password(host: str) -> None:
    """The first password."""
    password = Path(ensure_password()).read_text()
    _run(host, "password", text_in=f"{password}\n{password}\n")


def enrol(host: str) -> None:
    """A second factor: its secret is shown once, and a code of it answers."""
    # The same codes as the collection makes: that they are right is what the host's own PAM module proves.
    sys.path.append(str(ROOT / "plugins"))
    from module_utils.one_time import STEP, code  # noqa: PLC0415

    FACTORS.mkdir(mode=0o700, parents=True, exist_ok=True)
    talk = subprocess.Popen(
        _command(host, "second-factor"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    if talk.stdin is None or talk.stdout is None:
        raise LabError(f"{host}: no way to talk to it")
    shown: dict[str, list[str]] = {"secret": [], "recovery": []}
    for line in talk.stdout:
        name, _colon, value = line.strip().partition(": ")
        shown.get(name, []).append(value)
        if len(shown["recovery"]) == 5:
            break
    if not shown["secret"]:
        talk.kill()
        raise LabError(f"{host}: quorum-credentials second-factor showed no secret (exit status {talk.wait()})")
    moment = int(time.time()) // STEP
    talk.stdin.write(code(shown["secret"][0], moment) + "\n")
    talk.stdin.close()
    talk.stdout.read()
    if talk.wait():
        raise LabError(f"{host}: the host took no code of its own secret: do the clocks differ?")
    _private(FACTORS / f"ops@{host}", shown["secret"][0])
    # The confirmation used one up.
    _private(FACTORS / f".ops@{host}.used", str(moment))
    _private(FACTORS / f".ops@{host}.recovery", "\n".join(shown["recovery"]))


def main() -> int:
    """Ask each host what it has, and set up the rest."""
    import topology as layout  # noqa: PLC0415  # written.py imports this file, and topology would come round again

    try:
        with step("the administrator's password and second factors"):
            # Where only root comes in there is no administrator yet.
            for machine in (host for host in layout.load().hosts if not way_in(host.name).exists()):
                status = next(
                    (line for line in _run(machine.name, "status").splitlines() if line.startswith("ops: ")), ""
                )
                if "password none" in status:
                    set_password(machine.name)
                if machine.name in WITH_SECOND_FACTOR and "second factor none" in status:
                    enrol(machine.name)
                print(f"    {machine.name}", flush=True)
    except LabError as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
