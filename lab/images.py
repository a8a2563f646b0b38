# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the lab's images: a tree of Debian imported, one build step. A tag carries the recipe's hash: it is a cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlparse

from common import LabError, persist, run, step, succeeds

RECIPE = Path(__file__).resolve().parent / "image"
PROXY = "http://198.18.0.3:3142"
#: kind -> (releases, list of packages on top of the base)
VARIANTS = {
    "host": (("bookworm", "trixie"), "packages.txt"),
    "bare": (("bookworm", "trixie"), None),
    "minimal": (("bookworm", "trixie"), None),
    "tools": (("bookworm",), "tools.txt"),
}


def packages(name: str) -> list[str]:
    """The package names of one list, comments left out."""
    lines = (RECIPE / name).read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def mirrors() -> tuple[str, str]:
    """The Debian archive and its security archive that this machine uses itself: (URL, URL), no trailing slash.

    LAB_DEBIAN_MIRROR and LAB_DEBIAN_SECURITY_MIRROR go first; a machine without them is asked through apt.
    """
    main, security = os.environ.get("LAB_DEBIAN_MIRROR", ""), os.environ.get("LAB_DEBIAN_SECURITY_MIRROR", "")
    if not main and shutil.which("apt-get"):
        found = set(run("apt-get", "indextargets", "--format", "$(REPO_URI)").split())
        for url in sorted(url.rstrip("/") for url in found):
            path = urlparse(url).path
            main = url if path.endswith("/debian") and not main else main
            security = url if path.endswith("/debian-security") and not security else security
    if not main:
        raise LabError("no Debian mirror found in this machine's apt sources: set LAB_DEBIAN_MIRROR to its URL")
    return main, security or main + "-security"


def recipe_hash() -> str:
    """Twelve hex digits that change with anything the images are made from."""
    digest = hashlib.sha256()
    for path in sorted(RECIPE.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def tag(kind: str, release: str) -> str:
    """The image of one kind (see ``VARIANTS``) and Debian release."""
    return f"quorum-lab/{kind}-{release}:{recipe_hash()}"


def lets_in_root(image: str) -> bool:
    """Whether a host of this image has no administrator yet."""
    return "/minimal-" in image


def debian(release: str, target: Path, *options: str) -> None:
    """A tree of this release with what base.txt names, as a folder or, where the target ends in .tar, packed."""
    main, security = mirrors()
    lists = [(main, release), (main, f"{release}-updates"), (security, f"{release}-security")]
    sources = [f"deb {url} {suite} main" for url, suite in lists]
    include = ",".join(packages("base.txt"))

    def fill() -> None:
        if target.is_dir():
            shutil.rmtree(target)  # half of one
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={include}", *options, release, target, *sources)

    persist(fill)


def base(release: str) -> str:
    """The imported tree of a release; made when missing. Its tag depends on the base list alone."""
    digest = hashlib.sha256((RECIPE / "base.txt").read_bytes()).hexdigest()[:12]
    name = f"quorum-lab/base-{release}:{digest}"
    if not succeeds("docker", "image", "inspect", name):
        with step(f"tree of Debian {release}"), tempfile.TemporaryDirectory(prefix=f"lab-{release}-") as scratch:
            tree = Path(scratch) / "root.tar"
            # The machine's own files came along; the lab's init fills them.
            debian(
                release,
                tree,
                '--customize-hook=cd "$1/etc" && for name in hosts hostname resolv.conf; do : >$name; done',
            )
            run("docker", "import", tree, name)
    return name


def build(kind: str, release: str) -> None:
    """One image, on top of its base."""
    name = tag(kind, release)
    if succeeds("docker", "image", "inspect", name):
        return
    parent = base(release)
    listed = VARIANTS[kind][1]
    arguments = {
        "BASE": parent,
        "KIND": "host" if kind == "bare" else kind,
        "PROXY": PROXY,
        "PACKAGES": " ".join(packages(listed)) if listed else "",
    }
    options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    with step(f"image {kind} {release}"):
        # The classic builder: BuildKit's client part is a package of its own on Debian.
        command = ("env", "DOCKER_BUILDKIT=0", "docker", "build", "--network=host", "-t", name, *options, RECIPE)
        persist(lambda: run(*command))


def ensure(kinds: list[str]) -> None:
    """All images of these kinds; releases are made side by side."""
    wanted = [(kind, release) for kind in kinds for release in VARIANTS[kind][0]]
    if all(succeeds("docker", "image", "inspect", tag(kind, release)) for kind, release in wanted):
        return
    if not shutil.which("mmdebstrap"):
        raise LabError("mmdebstrap is missing: apt-get install mmdebstrap")
    releases = sorted({release for _kind, release in wanted})

    def of_release(release: str) -> None:
        base(release)
        for kind, its in wanted:
            if its == release:
                build(kind, release)

    with ThreadPoolExecutor(len(releases)) as pool:
        list(pool.map(of_release, releases))
