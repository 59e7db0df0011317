"""A tiny Linux for tests: the host's kernel, and an initramfs of busybox and a few modules.

The rule kept here: no root, no loop device, no external program: the archive is written directly
(the `newc` format of cpio, `Documentation/driver-api/early-userspace/buffer-format.rst`).

The guest prints `GUEST-UP` on its first serial port when it is up, offers a shell there, powers off
on the ACPI button, and runs the guest agent when it has a channel for it.
"""

from __future__ import annotations

import glob
import gzip
import os
import shutil
import subprocess
from pathlib import Path

READY = b"GUEST-UP"
BOOT_S = 180.0

_MODULES = (
    "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "virtio_balloon", "virtio_console",
    "virtio-rng", "button", "evdev", "pvpanic-pci", "virtio_scsi", "sr_mod", "sd_mod", "isofs",
    "virtiofs",
)  # fmt: skip

_INIT = """#!/bin/busybox sh
export PATH=/bin HOME=/
busybox mkdir -p /dev /proc /sys /run /tmp /var/run
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox --install -s /bin
busybox ln -s /bin /sbin
for module in $(cat /modules/order); do insmod /modules/$module; done
if [ -e /dev/input/event0 ]; then
    acpid -c /etc/acpi -l /dev/null -p /run/acpid.pid
    until [ -e /run/acpid.pid ]; do :; done  # from here on it hears the button
fi
for port in /sys/class/virtio-ports/*; do
    if [ "$(cat $port/name 2>/dev/null)" = org.qemu.guest_agent.0 ] && [ -x /bin/qemu-ga ]; then
        qemu-ga -d -m virtio-serial -p /dev/${port##*/} -t /run -f /run/qemu-ga.pid
    fi
done
echo GUEST-UP > /dev/ttyS0
while :; do setsid cttyhack sh < /dev/ttyS0 > /dev/ttyS0 2>&1; done
"""

# What the agent runs for guest-shutdown: `/sbin/shutdown -h -P +0 TEXT`, with -r for a reboot.
_SHUTDOWN = b"""#!/bin/busybox sh
case "$*" in *-r*) busybox reboot -f;; *) busybox poweroff -f;; esac
"""


def kernel() -> Path | None:
    """The newest kernel in /boot that we may read."""
    found = [path for path in sorted(glob.glob("/boot/vmlinuz-*")) if os.access(path, os.R_OK)]
    return Path(found[-1]) if found else None


def build(
    target: Path, init: str = _INIT, files: dict[str, Path] | None = None, *, packed: bool = True
) -> None:
    """Write the initramfs that goes with `kernel()`; `files` by their place in it.

    An emulated machine is up sooner when it is not `packed`, unless a slow drive holds it.
    """
    image = kernel()
    busybox = shutil.which("busybox")
    assert image is not None and busybox is not None
    archive = _Archive()
    for directory in ("bin", "etc", "etc/acpi", "etc/acpi/PWRF", "modules"):
        archive.directory(directory)
    archive.file("bin/busybox", Path(busybox).read_bytes(), 0o755)
    for library in _libraries(busybox):
        archive.path(library)
    if agent := shutil.which("qemu-ga", path="/usr/sbin:/usr/bin:/sbin:/bin"):
        archive.file("bin/qemu-ga", Path(agent).read_bytes(), 0o755)
        for library in _libraries(agent):
            archive.path(library)
    order = _modules(image.name.removeprefix("vmlinuz-"))
    for module in order:
        archive.file(f"modules/{module.name}", module.read_bytes(), 0o644)
    archive.file("modules/order", "\n".join(module.name for module in order).encode(), 0o644)
    archive.file("etc/acpi/PWRF/00000080", b"#!/bin/busybox sh\nbusybox poweroff -f\n", 0o755)
    archive.file("bin/shutdown", _SHUTDOWN, 0o755)
    for place, file in (files or {}).items():
        archive.file(place, file.read_bytes(), 0o644)
    archive.file("init", init.encode(), 0o755)
    content = archive.finish()
    target.write_bytes(gzip.compress(content, 1) if packed else content)


def _libraries(program: str) -> list[str]:
    """The shared libraries of a program on this host, its loader included."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    words = [word for line in listed.splitlines() for word in line.split()]
    return sorted({word for word in words if word.startswith("/") and os.path.exists(word)})


def _modules(release: str) -> list[Path]:
    """The modules with what they need, in the order in which they can be loaded."""
    root = Path("/lib/modules") / release
    needs: dict[str, list[str]] = {}
    for line in (root / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    by_name = {Path(path).name.partition(".")[0].replace("_", "-"): path for path in needs}
    order: list[str] = []
    for name in _MODULES:
        path = by_name.get(name.replace("_", "-"))
        if path is not None:
            order += [need for need in reversed(needs[path]) if need not in order]
            order += [path] if path not in order else []
    return [root / path for path in order]


class _Archive:
    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._known: set[str] = set()

    def directory(self, name: str) -> None:
        if name and name not in self._known:
            self.directory(os.path.dirname(name))
            self._known.add(name)
            self._entry(name, 0o040755, b"")

    def file(self, name: str, content: bytes, mode: int) -> None:
        self.directory(os.path.dirname(name))
        self._entry(name, 0o100000 | mode, content)

    def path(self, path: str) -> None:
        """A file of this host under its own path."""
        if path not in self._known:
            self._known.add(path)
            self.file(path.lstrip("/"), Path(path).read_bytes(), 0o755)

    def finish(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"")
        return b"".join(self._parts)

    def _entry(self, name: str, mode: int, content: bytes) -> None:
        encoded = name.encode() + b"\0"
        numbers = (len(self._parts) + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0)
        header = b"070701" + b"".join(b"%08X" % number for number in (*numbers, len(encoded), 0))
        self._parts.append(_padded(header + encoded) + _padded(content))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
