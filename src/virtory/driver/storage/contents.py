"""What is in volumes: copying, wiping, streaming it.

The rule kept here: of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.errors import FROM_STORAGE, OperationUnsupported

if TYPE_CHECKING:
    from virtory.driver.interface.storage import HoleStream, VolumeRef


class Contents:
    """What a driver does with the contents of volumes; mixed into `driver.Storage`."""

    async def clone_volume(self, pool: bytes, xml: str, source: VolumeRef, flags: int) -> VolumeRef:
        raise _later("cloning a volume")

    async def wipe_volume(self, volume: VolumeRef, algorithm: int, flags: int) -> None:
        raise _later("wiping a volume")

    async def upload_volume(
        self, volume: VolumeRef, offset: int, length: int, flags: int
    ) -> HoleStream:
        raise _later("uploading into a volume")

    async def download_volume(
        self, volume: VolumeRef, offset: int, length: int, flags: int
    ) -> HoleStream:
        raise _later("downloading a volume")


def _later(what: str) -> OperationUnsupported:
    return OperationUnsupported(
        f"{what} is not served by this version of virtoryd",
        cure="use qemu-img on the host",
        domain=FROM_STORAGE,
    )
