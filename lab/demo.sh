#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The whole way of a newcomer: boot, enrol, audit, harden, audit again, report. Run again it reuses what is there.
set -eu
cd "$(dirname "$0")/.."
step=lab/step
play="lab/ctl .venv/bin/ansible-playbook quorum.hardening"
audited=build/lab/audited-before

$step "boot the lab" .venv/bin/python lab/lab.py up
$step "enrol: hosts make their keys, the register is written" $play.enrol
.venv/bin/python lab/lab.py signer
if [ ! -e $audited ]; then
    $step "audit the hosts as they were found" $play.audit -e audit_phase=before
    touch $audited
fi
$step "harden, and audit what came of it" $play.site
echo
echo "The report: $PWD/build/report/index.html"
