#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What Galaxy would say about the archive that collection.sh built.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
export PATH
unset ANSIBLE_CONFIG
out=$(cd build/artefact && python -m galaxy_importer.main ./*.tar.gz 2>&1) || { echo "$out" | tail -20; exit 1; }
# It ends with 0 even when it complains.
if echo "$out" | grep -E 'WARNING|ERROR'; then exit 1; fi
