#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# venv.sh PYTHON: .venv from requirements.txt, made anew when the list changes.
set -eu
cd "$(dirname "$0")/.."
"$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed, $1 is older." >&2; exit 1; }
rm -rf .venv
if ! "$1" -m venv .venv 2>/dev/null; then
    if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then
        echo "$1 cannot make a virtual environment: install python3-venv." >&2
        exit 1
    fi
    { apt-get -q update && apt-get -q -y install --no-install-recommends python3-venv; } >/dev/null
    rm -rf .venv
    "$1" -m venv .venv
fi
.venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt
.venv/bin/pip check
touch .venv/.done
