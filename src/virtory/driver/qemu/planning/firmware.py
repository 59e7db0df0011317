"""What starting the first instruction takes: firmware, its variables, a kernel.

The rule kept here: QEMU opens a kernel by itself only when its user may; else it gets a copy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain


def variables_path(domain: Domain, host: Host) -> str:
    """Where a machine's UEFI variables are kept; by UUID, so that they survive a rename."""
    return os.path.join(host.state_directory, "nvram", f"{domain.uuid}_VARS.fd")


def plan_firmware(draft: Draft) -> None:
    """Add the flash: the code, and the machine's own variables."""
    loader, nvram = draft.domain.os.loader, draft.domain.os.nvram
    if loader is None or loader.path is None or loader.type != "pflash":
        return
    draft.open(loader.path, "r" if loader.readonly else "rw", "firmware")
    if nvram is not None and nvram.path is not None:
        formats = (nvram.template_format or "raw", nvram.format or "raw")
        convert = formats if formats[0] != formats[1] else None
        draft.open(nvram.path, "rw", "nvram", create=True, template=nvram.template, convert=convert)


def plan_kernel(draft: Draft) -> tuple[tuple[str, str], ...]:
    """Add copies of what QEMU can not read; (purpose, path) of what it can."""
    os_, readable = draft.domain.os, []
    wanted = [("kernel", os_.kernel), ("initrd", os_.initrd), ("dtb", os_.dtb)]
    if os_.loader is not None and os_.loader.type == "rom":
        wanted.append(("bios", os_.loader.path))
    if os_.acpi is not None:
        wanted += [(f"acpi:{n}", table.path) for n, table in enumerate(os_.acpi.tables)]
    for purpose, path in wanted:
        if path is None:
            continue
        if draft.uid is None or _may_read(path, draft.uid, draft.gid):
            readable.append((purpose, path))
        else:
            draft.open(path, "memory", purpose)
    return tuple(readable)


def _may_read(path: str, uid: int, gid: int | None) -> bool:
    """Whether a user with no groups can open the file: its mode, and those of its directories."""
    real = os.path.realpath(path)
    try:
        if not is_granted(os.stat(real), uid, gid, 0o4):
            return False
        directory = os.path.dirname(real)
        while True:
            if not is_granted(os.stat(directory), uid, gid, 0o1):
                return False
            if directory == "/":
                return True
            directory = os.path.dirname(directory)
    except OSError:
        return False


def is_granted(status: os.stat_result, uid: int, gid: int | None, bits: int) -> bool:
    """Whether a mode grants a user without further groups what `bits` of it say."""
    if status.st_uid == uid:
        return status.st_mode & bits << 6 == bits << 6
    wanted = bits << 3 if status.st_gid == gid else bits
    return status.st_mode & wanted == wanted
