#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# LEGS: its addresses in the segments. What this container starts by itself comes from 203.0.113.10, as a stranger's would.
set -eu
for own in 203.0.113.10 203.0.113.53; do
    ip address replace "$own/32" dev lo
done
for leg in $LEGS; do
    device=$(ip -o -4 address show to "$leg/32" | awk '{print $2}')
    network=$(ip -o -4 route show dev "$device" scope link | awk '{print $1}')
    ip route replace "$network" dev "$device" src 203.0.113.10
done
exec python3 /usr/local/lib/outside.py
