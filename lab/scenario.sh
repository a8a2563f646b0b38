#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# scenario.sh NAME: one Molecule scenario, run as the controller sees the world: the management segment alone.
set -eu
cd "$(dirname "$0")/.."
exec lab/ctl molecule test --scenario-name "$1"
