#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Package proxy (3142), DNS (53), NTP (123) and a log collector (6514) for segments that have no way out. MIRROR, SECURITY: where packages come from.
set -eu

mkdir -p /run/apt-cacher-ng /var/cache/apt-cacher-ng /var/log/apt-cacher-ng
cat >/etc/apt-cacher-ng/acng.conf <<EOF
CacheDir: /var/cache/apt-cacher-ng
LogDir: /var/log/apt-cacher-ng
Port: 3142
BindAddress: 198.18.0.3
ReportPage:
ForeGround: 1
Remap-debian: http://mirror.lab.internal/debian ; $MIRROR
Remap-security: http://mirror.lab.internal/debian-security ; $SECURITY
EOF
rm -f /etc/apt-cacher-ng/security.conf
chown -R apt-cacher-ng: /run/apt-cacher-ng /var/cache/apt-cacher-ng /var/log/apt-cacher-ng
cat >/etc/chrony/chrony.conf <<EOF
local stratum 8
allow 198.18.0.0/15
cmdport 0
EOF
setpriv --reuid apt-cacher-ng --regid apt-cacher-ng --clear-groups apt-cacher-ng -c /etc/apt-cacher-ng &
chronyd -d -x -f /etc/chrony/chrony.conf &
python3 /usr/local/lib/infra.py &
# Nobody in the lab needs a name from elsewhere, so nothing is forwarded.
dnsmasq --keep-in-foreground --no-resolv --no-hosts --listen-address=198.18.0.3 --bind-interfaces --user=nobody \
    --local=/#/ --host-record=infra.lab.internal,198.18.0.3 --host-record=mirror.lab.internal,198.18.0.3 &
wait
