"""What a vsock device takes: /dev/vhost-vsock and a number of this run.

The rule kept here: a number that the definition fixes is taken as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.qemu.planning.host import VHOST_VSOCK
from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.model.domain.devices.vsock import Vsock

_FIRST_CID = 1000


def plan_vsock(vsock: Vsock, draft: Draft) -> int:
    """Add the device file; the guest's number."""
    if not draft.host.has_vsock:
        raise ConfigUnsupported(
            f"/domain/devices/vsock needs {VHOST_VSOCK}, which is absent",
            cure="Run: sudo modprobe vhost_vsock",
        )
    draft.open(VHOST_VSOCK, "rw", "vsock")
    cid = vsock.cid
    if cid is not None and cid.address is not None and not cid.auto:
        return cid.address
    return _FIRST_CID + draft.id
