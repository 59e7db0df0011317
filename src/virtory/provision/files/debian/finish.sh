#!/bin/sh
# Runs once in the new root: what packages did by their own defaults, made fit for a machine image.
set -eu

systemctl enable systemd-networkd.service ssh.service
systemctl mask \
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
	e2scrub_all.timer e2scrub_reap.service \
	systemd-networkd-wait-online.service systemd-pstore.service \
	systemd-update-utmp-runlevel.service \
	sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
	sys-fs-fuse-connections.mount

# Always on, so nothing has to find out at each boot whether it should be.
mkdir -p /etc/systemd/system-generators /etc/systemd/system/multi-user.target.wants
for generator in cloud-init-generator systemd-gpt-auto-generator systemd-hibernate-resume-generator \
	systemd-integritysetup-generator systemd-veritysetup-generator; do
	ln -s /dev/null /etc/systemd/system-generators/$generator
done
ln -s /lib/systemd/system/cloud-init.target /etc/systemd/system/multi-user.target.wants/

# Name resolution is there for what runs in the machine; starting it need not hold up the network.
systemctl disable systemd-resolved.service
sed -e 's/^Before=.*/Before=shutdown.target/' -e 's/^WantedBy=sysinit.target/WantedBy=multi-user.target/' \
	/lib/systemd/system/systemd-resolved.service >/etc/systemd/system/systemd-resolved.service
systemctl enable systemd-resolved.service

passwd -l root >/dev/null
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
rm -f /etc/hostname /etc/machine-id /vmlinuz.old /initrd.img.old
: >/etc/machine-id
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old
rm -rf /var/log/*.log /var/log/apt
rm -f /usr/share/virtory-finish.sh
mkdir -p /boot/efi
touch /etc/.updated /var/.updated
