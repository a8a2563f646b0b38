# SPDX-License-Identifier: GPL-3.0-or-later
"""A package source of a test, on the host itself: dummy packages in any version, published as security updates."""

from __future__ import annotations

from tests.driver import Done, sh

PLACE = "/var/tmp/quorum-shop"
#: On the file system of the lists: they are kept as hard links.
KEPT = "/var/lib/quorum-shop-kept"
LIST = "/etc/apt/sources.list.d/quorum-shop.list"

#: $1 name, $2 version, $3 preinst, $4 postinst: builds a package into the pool.
BUILD = f"""set -eu
d=$(mktemp -d); mkdir -p $d/DEBIAN $d/usr/share/$1 {PLACE}/pool
printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: test <test@example.org>\\nDescription: dummy\\n' \\
  "$1" "$2" >$d/DEBIAN/control
if [ -n "$3" ]; then printf '#!/bin/sh\\n%s\\n' "$3" >$d/DEBIAN/preinst; chmod 755 $d/DEBIAN/preinst; fi
if [ -n "$4" ]; then printf '#!/bin/sh\\n%s\\n' "$4" >$d/DEBIAN/postinst; chmod 755 $d/DEBIAN/postinst; fi
head -c ${{5:-64}} /dev/urandom >$d/usr/share/$1/data
dpkg-deb --root-owner-group -Znone -b $d {PLACE}/pool/$1_$2.deb >/dev/null
rm -rf $d
"""

#: Writes the index of everything in the pool, signed by nobody: the source is marked as trusted.
INDEX = f"""set -eu
cd {PLACE}; . /etc/os-release
b=dists/$VERSION_CODENAME-security; i=main/binary-$(dpkg --print-architecture); mkdir -p $b/$i
for deb in pool/*.deb; do
  dpkg-deb -f $deb
  echo "Filename: $deb"; echo "Size: $(stat -c %s $deb)"; echo "SHA256: $(sha256sum $deb | cut -d' ' -f1)"; echo
done >$b/$i/Packages
cat >$b/Release <<END
Origin: Debian
Label: Debian-Security
Suite: stable-security
Codename: $VERSION_CODENAME-security
Date: $(date -Ru)
Components: main
Architectures: $(dpkg --print-architecture)
SHA256:
 $(sha256sum $b/$i/Packages | cut -d' ' -f1) $(stat -c %s $b/$i/Packages) $i/Packages
END
"""

#: The host's own sources, lists and state are put aside, and only this one is left.
OPEN = f"""set -eu
rm -rf {KEPT} {PLACE}; mkdir -p {KEPT} {PLACE}
cp -al /var/lib/apt/lists {KEPT}/lists
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  [ ! -f "$f" ] || {{ mkdir -p {KEPT}$(dirname $f); mv $f {KEPT}$f; }}
done
cp -a /var/lib/quorum-patch {KEPT}/state 2>/dev/null || true
. /etc/os-release
echo "deb [trusted=yes] file:{PLACE} $VERSION_CODENAME-security main" >{LIST}
"""
CLOSE = f"""set -u
dpkg --configure -a --force-confold >/dev/null 2>&1
dpkg -P --force-all $(dpkg-query -W -f '${{Package}}\\n' 'quorum-dummy*' '*-quorum-dummy' 2>/dev/null) >/dev/null 2>&1
rm -f {LIST}
cp -a {KEPT}/etc/apt/. /etc/apt/
rm -rf /var/lib/apt/lists /var/lib/quorum-patch
mv {KEPT}/lists /var/lib/apt/lists
mv {KEPT}/state /var/lib/quorum-patch 2>/dev/null
rm -rf {KEPT} {PLACE} /run/quorum-dummy*
"""


class Shop:
    """A package source on one host, as a context manager."""

    def __init__(self, host: str) -> None:
        self.host = host

    def __enter__(self) -> Shop:
        self.must(OPEN)
        return self

    def __exit__(self, *_reason: object) -> None:
        done = sh(self.host, CLOSE, timeout=120)
        assert done.ok, done.out + done.err

    def must(self, script: str, timeout: int = 120) -> Done:
        """Run a script that has to succeed."""
        done = sh(self.host, script, timeout=timeout)
        assert done.ok, done.out + done.err
        return done

    def offer(self, name: str, version: str, preinst: str = "", postinst: str = "", size: int = 64) -> None:
        """Build a version of a package and publish it."""
        words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in (name, version, preinst, postinst))
        self.must(f"set -- {words} {size}\n{BUILD}")
        self.must(INDEX)

    def version(self, name: str) -> str:
        """Installed version, empty when there is none."""
        return sh(self.host, f"dpkg-query -W -f '${{Version}}' {name} 2>/dev/null").out.strip()

    def state(self, name: str) -> str:
        """State of a package as dpkg has it."""
        return sh(self.host, f"dpkg-query -W -f '${{db:Status-Status}}' {name} 2>/dev/null").out.strip()

    def install(self, name: str, version: str) -> None:
        """Install a version from the pool."""
        self.must(f"dpkg -i {PLACE}/pool/{name}_{version}.deb")
