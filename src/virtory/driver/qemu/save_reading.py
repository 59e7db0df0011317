"""An open save image, to be restored or looked into.

The rule kept here: reading changes nothing, and an image that can not be restored is kept.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from virtory.driver.qemu import save_image
from virtory.driver.qemu.resumption import RESTORED, from_file
from virtory.errors import ConfigUnsupported, OperationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.resumption import Resumption, Steps
    from virtory.errors import VirtoryError
    from virtory.model.domain import Domain


_PACKAGES = {"xz": "xz-utils"}
"""Of Debian, where they are not called as their program."""


class Reading:
    """The image, while it is open."""

    def __init__(self, path: str, flags: int = os.O_RDONLY) -> None:
        self.path = path
        self._flags = flags
        self._unpacking: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Reading:
        self.descriptor = await asyncio.to_thread(save_image.opened, self.path, self._flags)
        try:
            self.image = await asyncio.to_thread(save_image.read, self.descriptor, self.path)
        except BaseException:
            os.close(self.descriptor)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self.descriptor)
        if self._unpacking is not None:
            if self._unpacking.returncode is None:
                self._unpacking.kill()
            await self._unpacking.wait()

    async def resumption(
        self,
        *,
        runs: bool,
        used_up: Callable[[Guest], None] | None = None,
        steps: Steps = RESTORED,
    ) -> Resumption:
        """The start that takes the machine up again."""
        os.lseek(self.descriptor, self.image.stream_at, os.SEEK_SET)
        program = self.image.decompressor
        if program is not None:
            await self._unpack(program)
        return from_file(self.descriptor, runs=runs, used_up=used_up, steps=steps)

    async def _unpack(self, program: str) -> None:
        """Let QEMU read from the unpacking program instead."""
        end, theirs = os.pipe()
        try:
            self._unpacking = await asyncio.create_subprocess_exec(
                program, "-dc", stdin=self.descriptor, stdout=theirs
            )
        except BaseException as error:
            os.close(end)
            if isinstance(error, OSError):
                raise self._packed(program, error) from None
            raise
        finally:
            os.close(theirs)
        os.close(self.descriptor)
        self.descriptor = end

    def _packed(self, program: str, error: OSError) -> OperationFailed:
        known = f"save image '{self.path}' is packed with {program}, which"
        if isinstance(error, FileNotFoundError):
            cure = f"install it: apt install {_PACKAGES.get(program, program)}"
            return OperationFailed(f"{known} is not installed", cure=cure)
        return OperationFailed(f"{known} can not be run: {error.strerror}")

    def explained(self, error: VirtoryError, *, managed: bool = False) -> VirtoryError:
        """The error, saying that nothing was lost and what can be done."""
        if error.cure is None:
            ways = "start it with --force-boot to drop it and boot" if managed else "restore again"
            error.cure = f"the image '{self.path}' is kept: mend the cause, or {ways}"
        return error


def check_same_machine(saved: Domain, wanted: Domain) -> None:
    """Refuse another description than the memory belongs to."""
    pairs = (
        ("uuid", saved.uuid, wanted.uuid),
        ("name", saved.name, wanted.name),
        ("memory size", saved.memory.kib, wanted.memory.kib),
        ("vCPU count", saved.vcpu.count, wanted.vcpu.count),
        ("architecture", saved.os.type.arch, wanted.os.type.arch),
        ("machine type", saved.os.type.machine, wanted.os.type.machine),
    )
    for what, one, other in pairs:
        if one != other:
            raise ConfigUnsupported(
                f"Target domain {what} {other} does not match source {one}",
                cure="change only what the guest does not see: paths, networks, passwords",
            )
