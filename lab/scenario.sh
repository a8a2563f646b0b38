#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# scenario.sh NAME: one Molecule scenario, run as the controller sees the world: the management segment alone.
set -eu
cd "$(dirname "$0")/.."
if [ "$1" = vm ]; then # no part of the lab: its ssh is a port of this machine
    # An emulated processor is slow to answer, and slower where others keep this machine busy.
    export PATH="$PWD/.venv/bin:$PATH" ANSIBLE_CONFIG="$PWD/ansible.cfg" ANSIBLE_TIMEOUT=120
    # Ansible refuses to start without an inventory; vm.py writes this run's part when the machine comes up.
    mkdir -p build/lab/vm-inventory && cp -R lab/vm/inventory/. build/lab/vm-inventory
    exec molecule test --scenario-name vm
fi
exec lab/ctl molecule test --scenario-name "$1"
