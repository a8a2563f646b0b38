# SPDX-License-Identifier: GPL-3.0-or-later
"""PGP keys of holders: only one that can really be encrypted to passes; the one-run key lives and dies in its home."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ansible_collections.quorum.hardening.plugins.module_utils import pgp

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")


def make(home: Path, *arguments: str, secret: bool = False) -> str:
    home.mkdir(mode=0o700)
    run = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    subprocess.run([*run, "--quick-gen-key", home.name, *arguments], check=True, capture_output=True)
    what = "--export-secret-keys" if secret else "--export"
    done = subprocess.run([*run, "--armor", what], check=True, capture_output=True, text=True)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
    return done.stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pgp")
    good = make(folder / "good", "future-default", "default", "never")
    return {
        "good": good,
        "other": make(folder / "other", "future-default", "default", "never"),
        "signs": make(folder / "signs", "ed25519", "sign", "never"),
        "secret": make(folder / "secret", "future-default", "default", "never", secret=True),
        "noise": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnothing\n-----END PGP PUBLIC KEY BLOCK-----\n",
        "no key": subprocess.run(
            ["gpg", "--homedir", str(folder), "--batch", "--enarmor"], input=b"hello", capture_output=True, check=True
        ).stdout.decode(),
    }


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("good", ""),
        ("signs", "no valid encryption key"),
        ("secret", "holds a secret key"),
        ("noise", "is not a"),
        ("no key", "is not a PGP public key"),
    ],
)
def test_keys_of_holders(keys: dict[str, str], name: str, problem: str) -> None:
    key, found = pgp.check_public_key(keys[name])
    assert problem in found
    assert bool(key) is not bool(found)


def test_two_keys_in_one_are_refused(keys: dict[str, str]) -> None:
    raw = b"".join(
        subprocess.run(["gpg", "--dearmor"], input=keys[n].encode(), capture_output=True, check=True).stdout
        for n in ("good", "other")
    )
    armored = subprocess.run(["gpg", "--enarmor"], input=raw, capture_output=True, check=True).stdout.decode()
    assert "holds 2 keys" in pgp.check_public_key(armored)[1]


PUB = "pub:-:255:22:AA:1:{expires}::-:::{usage}:::::ed25519:::0:"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([PUB.format(expires="", usage="eESC")], ""),
        ([PUB.format(expires="100", usage="eESC")], "no valid encryption key"),
        ([PUB.format(expires="", usage="scESC"), "sub:-:255:18:BB:1:::::e:s::::::23:", "uid:-::::"], "no valid"),
        ([PUB.format(expires="", usage="scESC"), "sub:-:255:18:BB:1::::::e::::::23:"], ""),
        ([PUB.format(expires="", usage="scESC"), "sub:r:255:18:BB:1::::::e::::::23:"], "no valid encryption key"),
        ([PUB.format(expires="", usage="scESC").replace("pub:-", "pub:r")], "revoked, expired or invalid"),
        ([PUB.format(expires="", usage="eESC"), "ssb:-:1"], "holds a secret key"),
        ([""], "holds 0 keys"),
    ],
)
def test_listing(rows: list[str], problem: str) -> None:
    found = pgp.problem_of_listing("\n".join(rows), 1000)
    assert found == "" if not problem else problem in found


def test_a_key_that_fails_the_trial_is_refused(keys: dict[str, str]) -> None:
    def run(arguments: Sequence[str], data: bytes) -> tuple[int, bytes, bytes]:
        return (2, b"", b"no") if "--encrypt" in arguments else pgp.run_gpg(arguments, data)

    assert pgp.check_public_key(keys["good"], run)[1] == "cannot be encrypted to"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "gnupg")
    yield path
    pgp.destroy_home(path)


def test_the_one_run_key(home: str) -> None:
    public = pgp.make_one_run_key(home)
    assert pgp.make_one_run_key(home) == public, "an interrupted run goes on with the same key"
    folder = Path(home).parent / "writer"
    folder.mkdir(mode=0o700)
    run = ["gpg", "--homedir", str(folder), "--batch", "--quiet", "--trust-model", "always"]
    subprocess.run([*run, "--import"], input=base64.b64decode(public), check=True, capture_output=True)
    recipient = "quorum.hardening one-run key"
    done = subprocess.run([*run, "-e", "-r", recipient], input=b"canary", check=True, capture_output=True)
    assert pgp.decrypt(home, done.stdout) == b"canary"
    with pytest.raises(pgp.PgpError, match="does not decrypt"):
        pgp.decrypt(home, b"nothing")
    assert pgp.destroy_home(home)
    assert not Path(home).exists()
    assert not pgp.destroy_home(home)


def test_what_gpg_refuses_is_said(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pgp.PgpError, match="cannot be made: no luck"):
        pgp.make_one_run_key(home, lambda _a, _d: (2, b"", b"no luck"))
    with pytest.raises(pgp.PgpError, match="cannot be exported"):
        pgp.make_one_run_key(home, lambda a, _d: (0 if "--gen-key" in a else 2, b"", b""))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(pgp.PgpError, match="gpg cannot run: FileNotFoundError"):
        pgp.run_gpg(["gpg"], b"")
    (Path(home) / "link").symlink_to("/etc/hostname")
    assert pgp.destroy_home(home), "a missing gpgconf does not keep the directory"
    assert Path("/etc/hostname").exists()
