"""Parts of a Linux kernel package: the bare kernel inside bzImage, and modules with what they need.

The rule kept here: the guest's kernel is Debian's own, only unwrapped: decompressing it once on the
host spares the guest doing it at every boot, which costs a third of a second when emulated.
(Linux: Documentation/arch/x86/boot.rst)
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_UNPACKERS = {
    b"\x02\x21\x4c\x18": ("lz4", "-dc"),
    b"\x28\xb5\x2f\xfd": ("zstd", "-dc"),
    b"\x1f\x8b\x08": ("gzip", "-dc"),
    b"\xfd7zXZ\0": ("xz", "-dc"),
}
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
_PVH_NOTE = struct.pack("<III", 4, 4, 18) + b"Xen\0"


def bare_kernel(image: bytes) -> bytes | None:
    """The ELF kernel inside a bzImage, when QEMU can enter it directly (PVH); None otherwise."""
    if len(image) < 0x250 or image[0x202:0x206] < b"\x08\x02" or image[0x1FE:0x200] != b"\x55\xaa":
        return None
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start : start + length]
    for magic, (program, flag) in _UNPACKERS.items():
        if payload.startswith(magic) and shutil.which(program):
            # The payload ends with four bytes of length, which the programs call trailing rubbish.
            done = subprocess.run([program, flag], input=payload, capture_output=True, check=False)
            elf = done.stdout
            size = int.from_bytes(payload[-4:], "little")
            if elf[:4] == b"\x7fELF" and len(elf) == size and _has_pvh_entry(elf):
                return elf
    return None


def _has_pvh_entry(elf: bytes) -> bool:
    return any(
        elf.startswith(_PVH_NOTE[:4], match.start() - 12)
        and struct.unpack_from("<III", elf, match.start() - 12)[2] == 18
        for match in re.finditer(rb"Xen\0", elf)
    )


class Modules:
    """The modules of one kernel, below `lib/modules/RELEASE` (uncompressed, as Debian 12 ships)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._paths = {
            _canonical(path.name.partition(".ko")[0]): path for path in directory.rglob("*.ko*")
        }

    def __contains__(self, name: str) -> bool:
        return _canonical(name) in self._paths

    def read(self, name: str) -> bytes:
        """The module's ELF bytes."""
        path = self._paths[_canonical(name)]
        if path.suffix == ".xz":
            import lzma

            return lzma.decompress(path.read_bytes())
        if path.suffix == ".zst":
            return subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
        return path.read_bytes()

    def needs(self, name: str) -> tuple[str, ...]:
        """The modules that must be there before this one."""
        found = _DEPENDS.search(self.read(name))
        names = found.group(1).decode() if found else ""
        return tuple(_canonical(other) for other in names.split(",") if other)

    def in_order(self, wanted: Iterable[str]) -> list[str]:
        """`wanted` and all they need, each after its needs, without those that do not exist."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            if name in order or name not in self:
                return
            for other in self.needs(name):
                visit(other)
            order[name] = None

        for name in wanted:
            visit(_canonical(name))
        return list(order)

    def aliases(self) -> Iterator[tuple[str, Path]]:
        """Every module's name and file."""
        yield from self._paths.items()


def _canonical(name: str) -> str:
    return name.replace("-", "_")
