# Copyright: (c) 2026, quorum.hardening contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own lists: what the system of a ledger host may hold, and what it may not."""

from __future__ import annotations

from collections.abc import Mapping

#: Kernel parameters of the whole machine. A star in a name stands for every interface, those to come as well.
KERNEL = {
    "kernel.core_pattern": "|/bin/false",
    "fs.suid_dumpable": "0",
    "fs.protected_hardlinks": "1",
    "fs.protected_symlinks": "1",
    "fs.protected_fifos": "2",
    "fs.protected_regular": "2",
    "kernel.randomize_va_space": "2",
    "kernel.yama.ptrace_scope": "2",
    "kernel.kptr_restrict": "2",
    "kernel.dmesg_restrict": "1",
    "kernel.perf_event_paranoid": "3",
    "kernel.unprivileged_bpf_disabled": "1",
    "kernel.unprivileged_userns_clone": "0",
    "kernel.io_uring_disabled": "2",
    "kernel.kexec_load_disabled": "1",
    "kernel.sysrq": "0",
    "kernel.ctrl-alt-del": "0",
    "dev.tty.ldisc_autoload": "0",
    "vm.mmap_min_addr": "65536",
    "vm.mmap_rnd_bits": "32",
    "vm.mmap_rnd_compat_bits": "16",
    "vm.unprivileged_userfaultfd": "0",
    "net.core.bpf_jit_harden": "2",
}

#: Values by which an inventory asks for more than ours: the audit follows them, and finds any other a failure.
STRICTER = {
    "kernel.yama.ptrace_scope": ("3",),
    "kernel.perf_event_paranoid": ("4",),
    "net.ipv4.conf.*.arp_ignore": ("2",),
}

#: Kernel parameters of the network. Forwarding comes first: writing it sets others back.
NETWORK = {
    "net.ipv4.ip_forward": "0",
    "net.ipv6.conf.all.forwarding": "0",
    "net.ipv4.conf.*.send_redirects": "0",
    "net.ipv4.conf.*.accept_redirects": "0",
    "net.ipv4.conf.*.secure_redirects": "0",
    "net.ipv4.conf.*.accept_source_route": "0",
    "net.ipv4.conf.*.rp_filter": "1",
    "net.ipv4.conf.*.log_martians": "1",
    "net.ipv4.conf.*.arp_ignore": "1",
    "net.ipv4.conf.*.arp_announce": "2",
    "net.ipv4.icmp_echo_ignore_broadcasts": "1",
    "net.ipv4.icmp_ignore_bogus_error_responses": "1",
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv4.tcp_rfc1337": "1",
    "net.ipv6.conf.*.accept_redirects": "0",
    "net.ipv6.conf.*.accept_source_route": "0",
    "net.ipv6.conf.*.accept_ra": "0",
}

#: Kernel modules that no duty needs: file systems, buses that bring their own disks, protocols.
MODULES = (
    *(
        "adfs",
        "affs",
        "afs",
        "befs",
        "bfs",
        "ceph",
        "cifs",
        "coda",
        "cramfs",
        "efs",
        "exfat",
        "freevxfs",
        "gfs2",
        "hfs",
    ),
    *(
        "hfsplus",
        "hpfs",
        "jffs2",
        "jfs",
        "kafs",
        "ksmbd",
        "minix",
        "nfsd",
        "nilfs2",
        "ntfs3",
        "ocfs2",
        "omfs",
        "orangefs",
    ),
    *("overlay", "qnx4", "qnx6", "reiserfs", "romfs", "squashfs", "sysv", "ubifs", "udf", "ufs"),
    *("usb_storage", "uas", "firewire_core", "firewire_ohci", "firewire_sbp2", "thunderbolt"),
    *("dccp", "sctp", "rds", "tipc", "ax25", "netrom", "rose", "x25", "appletalk", "ipx", "can", "atm", "n_hdlc"),
    *("bluetooth", "btusb", "cfg80211", "mac80211", "floppy", "vivid"),
)

#: File system -> modules that carry it, where the names differ.
CARRIERS = {"fuseblk": ("fuse", "ntfs3"), "afs": ("kafs", "afs"), "smb3": ("cifs",), "msdos": ("fat",)}

#: Packages that no duty needs: clients without encryption, servers of other trades, a second clock or packet filter.
PACKAGES = (
    *(
        "telnet",
        "telnetd",
        "inetutils-telnet",
        "inetutils-telnetd",
        "telnet-ssl",
        "nis",
        "yp-tools",
        "ypbind-mt",
        "ypserv",
    ),
    *("rsh-client", "rsh-redone-client", "rsh-server", "talk", "talkd", "inetutils-talk", "inetutils-talkd"),
    *("ftp", "tnftp", "inetutils-ftp", "inetutils-ftpd", "vsftpd", "proftpd-core", "pure-ftpd"),
    *("tftp", "tftp-hpa", "tftpd", "tftpd-hpa", "atftpd", "ldap-utils", "slapd", "autofs", "nfs-common"),
    *("nfs-kernel-server", "rpcbind", "samba", "avahi-daemon", "cups", "cups-daemon", "isc-dhcp-server"),
    *("kea-dhcp4-server", "kea-dhcp6-server", "bind9", "dnsmasq", "unbound", "dovecot-core", "exim4", "exim4-base"),
    *("exim4-config", "exim4-daemon-light", "exim4-daemon-heavy", "bsd-mailx", "snmpd", "squid", "apache2", "lighttpd"),
    *("nginx", "nginx-common", "nginx-core", "nginx-light", "nginx-full", "nginx-extras", "xinetd", "openbsd-inetd"),
    *("inetutils-inetd", "xserver-common", "xserver-xorg-core", "gdm3", "lightdm", "bluez", "wpasupplicant"),
    *("modemmanager", "ppp", "ufw", "firewalld", "iptables-persistent", "netfilter-persistent", "systemd-timesyncd"),
    *("ntp", "ntpsec", "openntpd", "cron", "anacron", "at", "popularity-contest", "netcat-traditional"),
    *("netcat-openbsd", "nmap", "systemd-journal-remote"),
)

#: Units that are masked, so that a package which brings them, or a generator of systemd's, starts nothing.
SERVICES = (
    *(
        "autofs.service",
        "avahi-daemon.service",
        "avahi-daemon.socket",
        "bluetooth.service",
        "cups.service",
        "cups.socket",
    ),
    *("rpcbind.service", "rpcbind.socket", "nfs-server.service", "rsync.service", "snmpd.service", "xinetd.service"),
    *("ctrl-alt-del.target", "debug-shell.service", "systemd-coredump.socket", "systemd-journal-remote.socket"),
    # Ways into SSH past the packet filter, which a generator of systemd 256 and later opens by itself.
    *("sshd-unix-local.socket", "sshd-vsock.socket"),
)

#: Duty -> packages that its role installs or runs on; "" holds for every host.
NEEDED_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "": ("apparmor", "chrony", "kmod", "nftables", "openssh-server", "python3", "sudo", "systemd", "udev"),
    "goquorum": ("nginx", "nginx-common", "openssl"),
    "vault": ("gpg", "gpg-agent", "openssl"),
    "tessera": ("openssl",),
    "database": ("openssl", "postgresql", "postgresql-common"),
    "monitoring": ("openssl", "prometheus", "prometheus-alertmanager", "rsyslog"),
}

#: Duty -> units that its role runs; "" holds for every host.
NEEDED_SERVICES: Mapping[str, tuple[str, ...]] = {
    "": (
        *("apparmor.service", "chrony.service", "dbus.service", "dbus.socket", "quorum-firewall.service"),
        *("quorum-mounts.service", "ssh.service", "systemd-journald.service", "systemd-logind.service"),
        *("systemd-sysctl.service", "systemd-udevd.service", "tmp.mount", "var-tmp.mount"),
    ),
    "goquorum": ("goquorum.service", "nginx.service"),
    "vault": ("openbao.service",),
    "tessera": ("tessera.service",),
    "database": ("postgresql.service",),
    "monitoring": ("prometheus.service", "alertmanager.service", "rsyslog.service"),
}

#: Programs that may keep a setuid or setgid bit: the way to root, one's own password, PAM's reader of the shadow file,
#: the bus (for its own group alone), and the agent, whose bit keeps others from reading its memory.
SETUID = (
    "/usr/bin/sudo",
    "/usr/bin/passwd",
    "/usr/sbin/unix_chkpwd",
    "/usr/lib/dbus-1.0/dbus-daemon-launch-helper",
    "/usr/bin/ssh-agent",
)

_QUIET = ("nosuid", "nodev", "noexec")
#: Options of what is a mount on the host. Who is in the group still sees all processes: the session manager has to.
MOUNTS: Mapping[str, tuple[str, ...]] = {
    "/proc": ("nosuid", "nodev", "noexec", "hidepid=invisible", "gid=quorum-proc"),
    "/tmp": _QUIET,
    "/var/tmp": _QUIET,
    "/dev/shm": _QUIET,
    "/boot": _QUIET,
    "/boot/efi": _QUIET,
    "/home": ("nosuid", "nodev"),
    "/var": ("nosuid", "nodev"),
    "/var/log": _QUIET,
    "/var/log/audit": _QUIET,
}
#: Of these a host has a mount in any case: the system's own, or the role's.
MOUNTED = ("/proc", "/tmp", "/var/tmp", "/dev/shm")

#: Who replaces one of them decides what the audit says.
AUDIT_TOOLS = ("auditctl", "auditd", "augenrules", "aureport", "ausearch", "autrace")

#: Path, owner, group, and the widest mode; a tighter one is left alone. No group: any will do.
PATHS = (
    ("/etc/passwd", "root", "root", "0644"),
    ("/etc/passwd-", "root", "root", "0644"),
    ("/etc/group", "root", "root", "0644"),
    ("/etc/group-", "root", "root", "0644"),
    ("/etc/shadow", "root", "shadow", "0640"),
    ("/etc/shadow-", "root", "shadow", "0640"),
    ("/etc/gshadow", "root", "shadow", "0640"),
    ("/etc/gshadow-", "root", "shadow", "0640"),
    ("/etc/shells", "root", "root", "0644"),
    ("/etc/security/opasswd", "root", "root", "0600"),
    ("/etc/security/opasswd.old", "root", "root", "0600"),
    ("/etc/crontab", "root", "root", "0600"),
    ("/etc/cron.d", "root", "root", "0700"),
    ("/etc/cron.hourly", "root", "root", "0700"),
    ("/etc/cron.daily", "root", "root", "0700"),
    ("/etc/cron.weekly", "root", "root", "0700"),
    ("/etc/cron.monthly", "root", "root", "0700"),
    ("/etc/cron.yearly", "root", "root", "0700"),
    ("/etc/ssh/ssh_host_ed25519_key", "root", "root", "0600"),
    ("/etc/ssh/ssh_host_ed25519_key.pub", "root", "root", "0644"),
    ("/etc/ssh/ssh_host_rsa_key", "root", "root", "0600"),
    ("/etc/ssh/ssh_host_rsa_key.pub", "root", "root", "0644"),
    ("/etc/audit", "root", "root", "0750"),
    ("/etc/audit/rules.d", "root", "root", "0750"),
    ("/etc/audit/auditd.conf", "root", "root", "0640"),
    ("/etc/audit/audit.rules", "root", "root", "0640"),
    ("/etc/audit/audit-stop.rules", "root", "root", "0640"),
    ("/var/log/audit", "root", "", "0750"),
    ("/var/log/audit/audit.log", "root", "", "0640"),
    ("/var/log/sudo.log", "root", "root", "0600"),
    *((f"/usr/sbin/{tool}", "root", "root", "0755") for tool in AUDIT_TOOLS),
    # Where root's programs are looked for.
    ("/usr/local/sbin", "root", "root", "0755"),
    ("/usr/local/bin", "root", "root", "0755"),
    ("/usr/sbin", "root", "root", "0755"),
    ("/usr/bin", "root", "root", "0755"),
    ("/etc/sudoers.d", "root", "root", "0750"),
    ("/etc/grub.d", "root", "root", "0700"),
    ("/boot", "root", "root", "0700"),
    ("/root", "root", "root", "0700"),
)
