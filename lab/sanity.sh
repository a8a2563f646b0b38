#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity on the copy that collection.sh made (it refuses a checkout behind a symbolic link), without ignore
# files. A home of its own keeps its environments under build/ and away from the person's.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
export HOME="$root/build/sanity/home" PATH="$root/.venv/bin:$PATH"
unset ANSIBLE_CONFIG

# ansible-test fetches a bootstrap script for pip unless it finds one. Python's own bootstrap does the same, offline.
known=$(python -c 'import ansible_test as t; print(list(t.__path__)[0])')/_internal/python_requirements.py
release=$(sed -n "s/^ *pip='\([0-9.]*\)',.*/\1/p" "$known" | head -1)
script=$HOME/.ansible/test/cache/get_pip_$(echo "$release" | tr . _).py
mkdir -p "$(dirname "$script")"
printf 'import ensurepip\n\nensurepip.bootstrap()\n' >"$script"

cd "$root/build/sanity/ansible_collections/quorum/hardening"
exec ansible-test sanity --venv --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color no "$@"
