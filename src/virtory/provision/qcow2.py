"""What a disk image's own header says: format, size, and the other files it would make QEMU read.

The rule kept here: an image that arrives from elsewhere is judged by these bytes before any other
program opens it, and a header that names another file is refused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtory.model.qcow2_header import FIXED_BYTES, LONGEST_NAME, MAGIC, qcow2_header
from virtory.provision.errors import BadImage

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from virtory.model.qcow2_header import Qcow2Header

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
        if _header(file, path).has_data_file:
            raise BadImage(
                f"{path.name} keeps its data in another file of this host (external data file)",
                cure="ask for a self-contained image",
            )


def backing_file(path: Path) -> str | None:
    """The backing file that a qcow2 file names, None without one."""
    with open(path, "rb") as file:
        header = _header(file, path)
        length = header.backing_length
        if not header.backing_offset:
            return None
        if length > LONGEST_NAME:
            raise BadImage(f"{path.name}: a backing file name of {length} bytes is not allowed")
        file.seek(header.backing_offset)
        return file.read(length).decode("utf-8", "replace")


def virtual_size(path: Path) -> int:
    """Bytes the guest sees of a qcow2 file."""
    with open(path, "rb") as file:
        return _header(file, path).capacity


def sha256(path: Path) -> str:
    """The file's checksum as "sha256:…"."""
    import hashlib

    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _header(file: BinaryIO, path: Path) -> Qcow2Header:
    header = qcow2_header(file.read(FIXED_BYTES))
    if header is None:
        raise BadImage(f"{path.name} is not a qcow2 file", cure="check that it is complete")
    if header.version not in (2, 3):
        raise BadImage(f"{path.name} has qcow2 version {header.version}; 2 and 3 are known")
    return header
