#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs inside the tree of the virtual machine's disk: setup.sh PACKAGE...
# Leaves a machine as a provider delivers it: booting, with `ops`, and otherwise as Debian installs it.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Nothing may start while the image is being made.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

# Just what this machine needs to find its root: each module more is one that an emulated processor unpacks at boot.
mkdir -p /etc/initramfs-tools/conf.d
echo MODULES=list >/etc/initramfs-tools/conf.d/lab.conf
printf '%s\n' virtio_pci virtio_blk ext4 >>/etc/initramfs-tools/modules

apt-get -q update
apt-get -q -y upgrade
apt-get -q -y install --no-install-recommends "$@"
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/sbin/policy-rc.d /var/cache/debconf/*-old /var/log/*.log /var/log/apt

# Debian starts it with the package; no role has asked for it yet.
systemctl disable nginx.service
# Timers that would fire in the middle of a test, on a machine that is slow enough.
systemctl mask apt-daily.timer apt-daily-upgrade.timer dailyaidecheck.timer man-db.timer e2scrub_all.timer
systemctl mask systemd-networkd-wait-online.service
systemctl enable systemd-networkd.service ssh.service lab-delivered.service

# The administrator that a provider's image comes with.
useradd --create-home --shell /bin/bash ops
printf 'ops ALL=(ALL) NOPASSWD:ALL\n' >/etc/sudoers.d/90-cloud-init-users
chmod 440 /etc/sudoers.d/90-cloud-init-users

rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
