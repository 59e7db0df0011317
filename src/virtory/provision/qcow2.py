"""What a disk image's own header says: format, size, and the other files it would make QEMU read.

The rule kept here: an image that arrives from elsewhere is judged by these bytes before any other
program opens it, and a header that names another file is refused.
(qcow2: QEMU's docs/interop/qcow2.txt)
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from virtory.provision.errors import BadImage

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"QFI\xfb"
DATA_FILE_BIT = 1 << 2
_HEADER = struct.Struct(">4sIQIIQ")
_FOREIGN = {
    b"KDMV": "VMDK",
    b"COWD": "VMDK",
    b"vhdxfile": "VHDX",
    b"conectix": "VHD",
    b"<<< ": "VDI",
    b"QED\0": "QED",
    b"LUKS\xba\xbe": "LUKS",
    b"MSWIM\0": "WIM",
    b"PK\x03\x04": "ZIP",
    b"ustar": "tar",
}


def detect(path: Path) -> str:
    """ "qcow2" or "raw", by content; raises `BadImage` for anything else that is recognised.

    Only an import may use this: a machine's definition always states its formats.
    """
    with open(path, "rb") as file:
        head = file.read(64)
        size = file.seek(0, os.SEEK_END)
    if head.startswith(MAGIC):
        return "qcow2"
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            raise BadImage(
                f"{path.name} is a {kind} file, not a qcow2 or raw disk",
                cure=f"convert it first: qemu-img convert -O qcow2 {path.name} disk.qcow2",
            )
    if head[:1] == b"<" or head[:9].lower() == b"<!doctype":
        raise BadImage(f"{path.name} is a web page, not a disk", cure="check the address")
    if size == 0 or size % 512:
        raise BadImage(
            f"{path.name} is neither qcow2 nor a raw disk: its {size} bytes are not whole sectors",
            cure="check that the file is complete and is a disk image",
        )
    return "raw"


def check_harmless(path: Path) -> None:
    """Raise `BadImage` when a qcow2 file names a backing file or an external data file."""
    named = backing_file(path)
    if named is not None:
        raise BadImage(
            f"{path.name} wants to read another file of this host: its backing file is '{named}'",
            cure="ask for a self-contained image (qemu-img convert makes one from a trusted chain)",
        )
    with open(path, "rb") as file:
        head = file.read(80)
    if _version(head, path) >= 3 and len(head) >= 80:
        incompatible = int.from_bytes(head[72:80], "big")
        if incompatible & DATA_FILE_BIT:
            raise BadImage(
                f"{path.name} keeps its data in another file of this host (external data file)",
                cure="ask for a self-contained image",
            )


def backing_file(path: Path) -> str | None:
    """The backing file that a qcow2 file names, None without one."""
    with open(path, "rb") as file:
        head = file.read(104)
        _version(head, path)
        _, _, offset, length, _, _ = _HEADER.unpack_from(head)
        if not offset:
            return None
        if length > 1023:
            raise BadImage(f"{path.name}: a backing file name of {length} bytes is not allowed")
        file.seek(offset)
        return file.read(length).decode("utf-8", "replace")


def virtual_size(path: Path) -> int:
    """Bytes the guest sees of a qcow2 file."""
    with open(path, "rb") as file:
        head = file.read(_HEADER.size)
    _version(head, path)
    size: int = _HEADER.unpack_from(head)[5]
    return size


def sha256(path: Path) -> str:
    """The file's checksum as "sha256:…"."""
    import hashlib

    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _version(head: bytes, path: Path) -> int:
    if len(head) < _HEADER.size or not head.startswith(MAGIC):
        raise BadImage(f"{path.name} is not a qcow2 file", cure="check that it is complete")
    version = int.from_bytes(head[4:8], "big")
    if version not in (2, 3):
        raise BadImage(f"{path.name} has qcow2 version {version}; 2 and 3 are known")
    return version
