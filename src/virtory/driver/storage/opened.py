"""How QEMU's own programs are to open an image: with everything said.

The rule kept here: no program probes what an image is, or opens what was not looked at here. An
image below another whose format is not said is raw: its bytes, which a guest may have written, do
not choose.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from virtory.driver.storage.failures import failed
from virtory.driver.storage.scan import header_of
from virtory.errors import FROM_STORAGE, OperationUnsupported

if TYPE_CHECKING:
    from collections.abc import Callable

RAW = ("raw", "iso")
_MOST_LINKS = 200


def alone(path: str, format: str) -> str:
    """The image itself, on nothing, for what does not read it as a disk; raises OSError."""
    return "json:" + json.dumps(_link(path, format))


def whole(path: str, format: str, permit: Callable[[str], None] | None = None) -> str:
    """The image and every image below it, as the headers name them.

    Args:
        path: of the uppermost.
        format: what that is.
        permit: raises for the path of an image below that may not be read.

    Raises:
        OperationUnsupported: its data is in another file, or it is its own backing file.
        SystemCallFailed: one of them is not to be had.
    """
    top = link = None
    first = path
    for _ in range(_MOST_LINKS):
        try:
            this = _link(path, format)
            below = _below(path, format)
        except OSError as error:
            needed = f", which '{first}' needs" if link is not None else ""
            raise failed(f"cannot open '{path}'{needed}", error) from None
        if link is None:
            top = this
        else:
            link["backing"] = this
        link = this
        if below is None:
            return "json:" + json.dumps(top)
        path, format = below
        if permit is not None:
            permit(path)
    raise OperationUnsupported(
        f"'{first}' is its own backing file, or stands on more than {_MOST_LINKS} images",
        cure="put it on the right image: qemu-img rebase -u -b BASE -F FORMAT",
        domain=FROM_STORAGE,
    )


def program_format(format: str) -> str:
    """qemu-img's name of a format."""
    return "raw" if format == "iso" else format


def _below(path: str, format: str) -> tuple[str, str] | None:
    """Path and format of the image that is below this one."""
    if format in RAW:
        return None
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        header = header_of(fd)
    finally:
        os.close(fd)
    if header.data_file or (header.format, header.capacity) == ("vmdk", 0):
        raise OperationUnsupported(
            f"'{path}' keeps its data in another file",
            cure="convert it with qemu-img on the host, if its maker is trusted",
            domain=FROM_STORAGE,
        )
    if header.backing is None:
        return None
    return os.path.join(os.path.dirname(path), header.backing), header.backing_format or "raw"


def _link(path: str, format: str) -> dict[str, Any]:
    mode = os.stat(path).st_mode
    if not stat.S_ISBLK(mode) and not stat.S_ISREG(mode):
        raise OperationUnsupported(f"'{path}' is neither a file nor a device", domain=FROM_STORAGE)
    driver = "host_device" if stat.S_ISBLK(mode) else "file"
    return {
        "driver": program_format(format),
        "file": {"driver": driver, "filename": path},
        "backing": None,
    }
