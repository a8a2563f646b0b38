#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# test.sh SCENARIO...: scenarios one after the other; beside them what needs no host, as hosts are waited for more than
# worked on. All is kept in build/test/; what failed is shown once more at the end, where a reader looks first.
set -eu
cd "$(dirname "$0")/.."
logs=build/test
rm -rf "$logs" build/evidence
mkdir -p "$logs"

beside() {
    for part in lint unit; do
        echo "  beside the scenarios: $part ($logs/$part.log)"
        nice -n 10 make "$part" >"$logs/$part.log" 2>&1 || touch "$logs/$part.failed"
        tail -n 1 "$logs/$part.log"
    done
}

# What runs in the background of a script does not hear a Ctrl-C.
trap 'kill 0' INT
beside &
for name in "$@"; do
    { lab/step "scenario $name" lab/scenario.sh "$name" 2>&1 || touch "$logs/scenario-$name.failed"; } |
        tee "$logs/scenario-$name.log"
    [ ! -e "$logs/scenario-$name.failed" ] || break
done
wait

status=0
for mark in "$logs"/*.failed; do
    [ -e "$mark" ] || continue
    status=1
    echo "==> failed: the end of ${mark%.failed}.log"
    tail -n 80 "${mark%.failed}.log"
done
exit $status
