#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The whole way of a newcomer: boot, enrol, audit, harden, audit again, report. Run again it reuses what is there.
set -eu
cd "$(dirname "$0")/.."
audited=build/lab/audited-before

play() {
    what=$1 playbook=$2
    shift 2
    lab/step "$what" lab/ctl .venv/bin/ansible-playbook "quorum.hardening.$playbook" "$@"
}

lab/step "boot the lab" .venv/bin/python lab/lab.py up
play "enrol: hosts make their keys, the register is written" enrol
lab/step "credentials: the administrator sets a password and a second factor" .venv/bin/python lab/credentials.py
.venv/bin/python lab/lab.py signer
if [ ! -e $audited ]; then
    play "audit the hosts as they were found" audit -e audit_phase=before
    touch $audited
fi
play "harden, and audit what came of it" site
echo
echo "The report: $PWD/build/report/index.html"
