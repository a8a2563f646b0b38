#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs inside the image under construction: setup.sh host|minimal|tools PROXY [PACKAGE...]
# minimal: as the smallest image of a provider, which lets in root alone, and has Python for Ansible.
set -eu
kind=$1
proxy=$2
shift 2
export DEBIAN_FRONTEND=noninteractive

# Nothing may start while the image is being made, and nothing baked in may run before a role asks for it.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -q update
apt-get -q -y upgrade
# sudo does not leave by itself a machine where root has no password.
[ "$kind" != minimal ] || SUDO_FORCE_REMOVE=yes apt-get -q -y purge --autoremove dbus iputils-ping libpam-systemd nftables sudo
[ $# -eq 0 ] || apt-get -q -y install --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/sbin/policy-rc.d /var/cache/debconf/*-old /var/log/*.log /var/log/apt

if [ "$kind" != tools ]; then
    systemctl disable nginx.service 2>/dev/null || true # absent in the bare variant
    systemctl mask apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service
    # What a container cannot carry: no modules of its own, no audit subsystem.
    systemctl mask systemd-modules-load.service auditd.service audit-rules.service
    systemctl mask getty.target console-getty.service
    systemctl enable ssh.service

    # The administrator that a provider's image comes with.
    if [ "$kind" = host ]; then
        useradd --create-home --shell /bin/bash ops
        printf 'ops ALL=(ALL) NOPASSWD:ALL\n' >/etc/sudoers.d/90-cloud-init-users
        chmod 440 /etc/sudoers.d/90-cloud-init-users
    fi

    # Hosts see one mirror, by a name that only the lab's package proxy knows.
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    rm -f /etc/apt/sources.list.d/*
    cat >/etc/apt/sources.list <<EOF
deb http://mirror.lab.internal/debian $release main
deb http://mirror.lab.internal/debian $release-updates main
deb http://mirror.lab.internal/debian-security $release-security main
EOF
    printf 'Acquire::http::Proxy "%s";\n' "$proxy" >/etc/apt/apt.conf.d/01proxy
fi

rm -f /etc/ssh/ssh_host_*
# Last: package installs write it, and all hosts would share it. Emptied, not removed: a missing one fails the first boot.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
