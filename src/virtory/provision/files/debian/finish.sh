#!/bin/sh
# Runs once in the new root: what packages did by their own defaults, made fit for a machine image.
set -eu
systemctl enable systemd-networkd.service systemd-resolved.service ssh.service
systemctl mask \
	apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
	systemd-networkd-wait-online.service systemd-pstore.service \
	dpkg-db-backup.timer
systemctl disable cloud-init-hotplugd.socket || true
passwd -l root >/dev/null
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
rm -f /etc/hostname /etc/machine-id
: >/etc/machine-id
rm -f /vmlinuz.old /initrd.img.old
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/*.log /var/log/apt
rm -f /usr/share/virtory-finish.sh
mkdir -p /boot/efi
