# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the disk of the lab's virtual machine: a tree of Debian written into partitions, without a loop mount.

Kept in the cache folder under the hash of its recipe; a disk there is used by every checkout.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common import CACHE, run, step
from images import RECIPE as HOST_RECIPE
from images import debian, packages

RECIPE = Path(__file__).resolve().parent / "vm"
MIB = 1024 * 1024
#: Label -> mount point and MiB. Separate, because mount options are set on mount points.
PARTITIONS = {
    "root": ("/", 3072),
    "boot": ("/boot", 256),
    "home": ("/home", 64),
    "var-tmp": ("/var/tmp", 64),  # noqa: S108 a mount point of the guest
    "var-log": ("/var/log", 256),
    "var-audit": ("/var/log/audit", 192),
}
#: What Debian machines need for all this, as program -> package.
NEEDS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "sfdisk": "fdisk", "chroot": "coreutils"}


@dataclass(frozen=True)
class Image:
    """A disk (raw) with the kernel and initrd that boot it."""

    disk: Path
    kernel: Path
    initrd: Path


def recipe_hash(release: str) -> str:
    """Twelve hex digits that change with anything the disk is made from."""
    digest = hashlib.sha256(f"{release} {PARTITIONS}".encode())
    files = [HOST_RECIPE / "base.txt", HOST_RECIPE / "packages.txt", RECIPE / "packages.txt", RECIPE / "setup.sh"]
    for path in [*files, *sorted(path for path in (RECIPE / "tree").rglob("*") if path.is_file())]:
        digest.update(str(path.relative_to(RECIPE.parent)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def located(release: str) -> Image:
    """Where the image of a release lies, made or not."""
    folder = CACHE / "vm" / f"{release}-{recipe_hash(release)}"
    return Image(folder / "disk.raw", folder / "vmlinuz", folder / "initrd.img")


def ensure(release: str) -> Image:
    """The image of a release; made when missing."""
    image = located(release)
    if image.disk.exists():
        return image
    folder = image.disk.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(f"{release}-*"):
        shutil.rmtree(old)  # another recipe's, or half of this one's
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{release}-") as scratch:
        tree, made = Path(scratch) / "root", Path(scratch) / "made"
        made.mkdir()
        with step(f"tree of Debian {release}"):
            plant(release, tree)
        with step("disk"):
            for name, target in (("vmlinuz", "vmlinuz"), ("initrd.img", "initrd.img")):
                shutil.copy(max((tree / "boot").glob(f"{name}-*")), made / target)
            write_disk(tree, made / "disk.raw", Path(scratch))
        made.rename(folder)
    return image


def plant(release: str, tree: Path) -> None:
    """A Debian with kernel and packages, as a provider delivers it."""
    debian(release, tree)
    shutil.copytree(RECIPE / "tree", tree, dirs_exist_ok=True)
    (tree / "etc/hostname").write_text("vm\n")
    (tree / "etc/hosts").write_text("127.0.0.1\tlocalhost\n127.0.1.1\tvm\n")
    shutil.copy(RECIPE / "setup.sh", tree / "setup.sh")
    listed = [*packages("packages.txt"), *packages(str(RECIPE / "packages.txt"))]
    with mounted(tree):
        run("env", "-i", f"PATH={os.defpath}:/usr/sbin:/sbin", "chroot", tree, "/setup.sh", *listed)
    (tree / "setup.sh").unlink()
    (tree / "etc/resolv.conf").write_text("")  # the machine's own came along


@contextlib.contextmanager
def mounted(tree: Path) -> Iterator[None]:
    """/proc in the tree while packages are set up."""
    run("mount", "-t", "proc", "proc", tree / "proc")
    try:
        yield
    finally:
        run("umount", "--lazy", tree / "proc")


def write_disk(tree: Path, disk: Path, scratch: Path) -> None:
    """The tree into the partitions of a new disk; what a partition takes is moved out of the tree."""
    parts: dict[str, Path] = {"root": tree}
    # The deepest first: /var/log/audit is gone from /var/log when that goes.
    for label, (point, _size) in sorted(PARTITIONS.items(), key=lambda row: -row[1][0].count("/")):
        if label == "root":
            continue
        source, parts[label] = tree / point[1:], scratch / label
        source.mkdir(parents=True, exist_ok=True)
        source.rename(parts[label])
        source.mkdir(mode=parts[label].stat().st_mode & 0o7777)
    table, start = ["label: gpt"], 1
    offsets = {}
    for label, (_point, size) in PARTITIONS.items():
        table.append(f"start={start}MiB, size={size}MiB, name={label}")
        offsets[label], start = start, start + size
    with disk.open("wb") as empty:
        empty.truncate((start + 1) * MIB)
    run("sfdisk", "--quiet", disk, text_in="\n".join(table) + "\n")
    for label, (_point, size) in PARTITIONS.items():
        where = f"offset={offsets[label] * MIB},lazy_itable_init=1"
        run("mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", parts[label], "-E", where, disk, f"{size}M")
