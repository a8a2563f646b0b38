#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Unit tests on both cores; fails below 95 % branch coverage of module_utils.
set -eu
cd "$(dirname "$0")/.."
exec .venv/bin/python -m pytest tests/unit -q -n auto \
    --cov=ansible_collections.quorum.hardening.plugins.module_utils --cov-branch --cov-report=term-missing:skip-covered \
    --cov-report=json:build/coverage.json --cov-fail-under=95 "$@"
