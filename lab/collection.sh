#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the collection's archive from a copy of what git knows or would take: nothing else can slip in. build/artefact/*.tar.gz
set -eu
cd "$(dirname "$0")/.."
copy=build/sanity/ansible_collections/quorum/hardening
rm -rf "$copy" build/artefact
mkdir -p "$copy" build/artefact
git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c "for f; do [ ! -e \"\$f\" ] || printf '%s\\0' \"\$f\"; done" _ |
    tar --null --files-from=- -cf - | tar -C "$copy" -xf -
.venv/bin/ansible-galaxy collection build --force --output-path build/artefact "$copy" >/dev/null
# ansible-test asks git what there is; without this it would ask the checkout around the copy, which ignores build/.
git -C "$copy" init --quiet
