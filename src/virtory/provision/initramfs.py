"""The small initramfs of the images that are built here: virtio drivers, then the root disk.

The rule kept here: nothing is in it but what finds the root disk; it takes a tenth of the usual
one's time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from virtory.provision import cpio

if TYPE_CHECKING:
    from virtory.provision.kernel import Modules

EARLY = ("virtio_pci", "virtio_rng", "virtio_mmio", "virtio_blk", "virtio_net")
"""What is loaded before the root disk is there, with all that it needs."""

_INIT = Path(__file__).parent / "files" / "tiny" / "init"


def initramfs(busybox: Path, modules: Modules) -> bytes:
    """The archive that a kernel unpacks, with this busybox and these modules of its own."""
    order = modules.in_order(EARLY)
    entries = {
        "init": cpio.Entry.file(_INIT.read_bytes(), 0o755),
        "bin/busybox": cpio.Entry.file(busybox.read_bytes(), 0o755),
        "dev": cpio.Entry.directory(),
        "dev/console": cpio.Entry.character(5, 1),
        "proc": cpio.Entry.directory(),
        "root": cpio.Entry.directory(),
        "modules/order": cpio.Entry.file("".join(f"{name}\n" for name in order).encode()),
    }
    for name in order:
        entries[f"modules/{name}.ko"] = cpio.Entry.file(modules.read(name))
    return cpio.archive(entries)
