"""An installation medium for tests: an ISO whose installer writes a bootable system to a disk.

The rule kept here: all is made of this host's own packages (kernel, busybox, isolinux, xorriso), in
seconds, and truly boots: the medium by BIOS or by its kernel, the installed system by the BIOS from
its disk.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "guests"))

import initramfs

INSTALLING = b"INSTALLER-UP"
INSTALLED = b"INSTALLER-DONE"
UP = b"SYSTEM-UP"
ISOLINUX = Path("/usr/lib/ISOLINUX")
MODULES = Path("/usr/lib/syslinux/modules/bios")

_CONFIG = """serial 0 115200
default linux
prompt 0
label linux
kernel /install.amd/vmlinuz
append initrd=/install.amd/initrd.gz console=ttyS0 quiet tsc=reliable no_timer_check
"""

_BEGIN = """#!/bin/busybox sh
export PATH=/bin HOME=/
busybox mkdir -p /dev /proc /sys /run /tmp /var/run
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox --install -s /bin
busybox ln -s /bin /sbin
for module in $(cat /modules/order); do insmod /modules/$module; done
"""

# Words of its own kernel command line, and a preseed that virt-install put into the initrd, are
# shown: that they arrive is what the installers of distributions depend on.
_INSTALLER = (
    _BEGIN
    + """
exec > /dev/ttyS0 2>&1
echo INSTALLER-UP $(cat /proc/cmdline)
[ -e /preseed.cfg ] && echo PRESEED $(cat /preseed.cfg)
for disk in /dev/vda /dev/sda; do [ -b $disk ] && break; done
[ -b $disk ] || echo NO-DISK
dd if=/system.img of=$disk bs=1M 2>/dev/null && sync && echo INSTALLER-DONE $disk
reboot -f
"""
)

_SYSTEM = (
    _BEGIN
    + """
if [ -e /dev/input/event0 ]; then
    acpid -c /etc/acpi -l /dev/null -p /run/acpid.pid
    until [ -e /run/acpid.pid ]; do :; done  # from here on it hears the button
fi
for port in /sys/class/virtio-ports/*; do
    if [ "$(cat $port/name 2>/dev/null)" = org.qemu.guest_agent.0 ] && [ -x /bin/qemu-ga ]; then
        qemu-ga -d -m virtio-serial -p /dev/${port##*/} -t /run -f /run/qemu-ga.pid
    fi
done
for link in /sys/class/net/e*; do
    name=${link##*/}
    [ -e $link ] && ip link set $name up && udhcpc -b -q -i $name -s /bin/true >/dev/null
done
echo SYSTEM-UP > /dev/ttyS0
while :; do setsid cttyhack sh < /dev/ttyS0 > /dev/ttyS0 2>&1; done
"""
)


class Media(NamedTuple):
    """`iso` installs; `system` is what it writes: an image of a disk that boots."""

    iso: Path
    system: Path


def missing() -> list[str]:
    """What this host lacks to make them."""
    wanted = [ISOLINUX / "isohdpfx.bin", MODULES / "ldlinux.c32"]
    lacking = [str(path) for path in wanted if not path.exists()]
    lacking += [name for name in ("xorriso", "busybox") if shutil.which(name) is None]
    return lacking + ([] if initramfs.kernel() else ["a kernel in /boot"])


def build(directory: Path) -> Media:
    """Make both in this directory."""
    system = directory / "system.img"
    initrd = directory / "initrd.gz"
    initramfs.build(initrd, _SYSTEM)
    _image(directory / "system", initrd, system, "SYSTEM")
    initramfs.build(initrd, _INSTALLER, {"system.img": system})
    iso = directory / "installer.iso"
    _image(directory / "installer", initrd, iso, "Debian 12.9.0 amd64 n")
    initrd.unlink()
    return Media(iso, system)


def _image(tree: Path, initrd: Path, target: Path, label: str) -> None:
    """An ISO that boots from a CD and, being hybrid, from a disk; laid out as Debian's are."""
    for place in ("isolinux", "install.amd", ".disk"):
        (tree / place).mkdir(parents=True)
    kernel = initramfs.kernel()
    assert kernel is not None
    shutil.copy(kernel, tree / "install.amd/vmlinuz")
    shutil.copy(initrd, tree / "install.amd/initrd.gz")
    shutil.copy(ISOLINUX / "isolinux.bin", tree / "isolinux")
    shutil.copy(MODULES / "ldlinux.c32", tree / "isolinux")
    (tree / "isolinux/isolinux.cfg").write_text(_CONFIG)
    (tree / ".disk/info").write_text(
        'Debian GNU/Linux 12.9.0 "Bookworm" - Official amd64 NETINST\n'
    )
    subprocess.run(
        [
            *("xorriso", "-as", "mkisofs", "-quiet", "-o", str(target), "-V", label, "-r", "-J"),
            *("-isohybrid-mbr", str(ISOLINUX / "isohdpfx.bin")),
            *("-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"),
            *("-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", str(tree)),
        ],
        check=True,
        capture_output=True,
    )
    shutil.rmtree(tree)
