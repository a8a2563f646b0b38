#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# engine.sh start|stop: a Docker engine for the lab. One that answers is used as it is. Where none does, on Debian and as
# root, docker.io is installed and its daemon started in a session of its own; only such a daemon is ever stopped here.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
state=$root/build/lab
pidfile=$state/dockerd.pid

if [ "$1" = stop ]; then
    [ -s "$pidfile" ] || exit 0
    pid=$(cat "$pidfile")
    # The number may have gone to another program since.
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
        kill "$pid"
        while [ -d "/proc/$pid" ]; do sleep 0.2; done
    fi
    rm -f "$pidfile"
    exit 0
fi

[ "$(id -u)" = 0 ] || { echo "The lab needs root (network namespaces, bridges, mmdebstrap): run make with sudo or as root." >&2; exit 1; }
set --
command -v docker >/dev/null || set -- docker.io
# A client alone is not an engine.
docker info >/dev/null 2>&1 || command -v dockerd >/dev/null || set -- docker.io
for pair in mmdebstrap:mmdebstrap ip:iproute2 iptables:iptables nft:nftables ssh:openssh-client nsenter:util-linux \
    gpg:gnupg openssl:openssl; do
    command -v "${pair%%:*}" >/dev/null || set -- "$@" "${pair##*:}"
done
if [ $# -gt 0 ]; then
    [ -e /etc/debian_version ] || { echo "Please install: $*" >&2; exit 1; }
    echo "  installing $*"
    export DEBIAN_FRONTEND=noninteractive
    mkdir -p "$state"
    { apt-get -q update && apt-get -q -y install --no-install-recommends "$@"; } >"$state/engine-install.log" 2>&1 || {
        tail -5 "$state/engine-install.log" >&2
        echo "Installing $* failed; the whole log is in $state/engine-install.log" >&2
        exit 1
    }
fi
if ! command -v docker >/dev/null; then
    apt-get -q -y install --no-install-recommends docker-cli >>"$state/engine-install.log" 2>&1 # a package of its own from Debian 13 on
fi
docker info >/dev/null 2>&1 && exit 0
command -v dockerd >/dev/null || { echo "No Docker engine answers, and there is no dockerd here to start." >&2; exit 1; }
mkdir -p "$state"
if [ -d /run/systemd/system ]; then
    echo "  no Docker engine answers: starting docker.service"
    systemctl start docker.service
else
    echo "  no Docker engine answers: starting dockerd"
    setsid dockerd --pidfile="$pidfile" >"$state/dockerd.log" 2>&1 </dev/null &
fi
for _ in $(seq 60); do
    docker info >/dev/null 2>&1 && exit 0
    sleep 0.5
done
tail -5 "$state/dockerd.log" >&2
echo "dockerd did not come up; its log is $state/dockerd.log" >&2
exit 1
