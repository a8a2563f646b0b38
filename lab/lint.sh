#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# lint.sh fast|all. "all" adds what works on a clean copy: ansible-lint, ansible-test sanity, galaxy-importer.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
PATH=$root/.venv/bin:$PATH
export PATH ANSIBLE_CONFIG="$root/ansible.cfg"
failed=

check() {
    name=$1
    shift
    begun=$(date +%s)
    if "$@"; then
        echo "  ok   $name ($(($(date +%s) - begun)) s)"
    else
        echo "  FAIL $name ($(($(date +%s) - begun)) s)" >&2
        failed="$failed $name"
    fi
}

check ruff ruff check --quiet .
check "ruff format" ruff format --check --quiet .
check mypy mypy --no-error-summary -p ansible_collections.quorum.hardening.plugins.module_utils
check yamllint yamllint --strict .
check "control pages" python scripts/control_pages.py --check
if [ "$1" = all ]; then
    check ansible-lint ansible-lint -q
    check "collection build" lab/collection.sh
    check "ansible-test sanity" lab/sanity.sh
    check galaxy-importer lab/importer.sh
fi
[ -z "$failed" ] || { echo "lint failed:$failed" >&2; exit 1; }
