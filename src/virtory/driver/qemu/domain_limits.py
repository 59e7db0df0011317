"""What a running machine's parts may use and what becomes of it: disk sizes and limits, actions.

The rule kept here: a limit that nothing would enforce is refused, not written down.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import traffic, transfer
from virtory.driver.qemu.devices.disk import device_path, throttle_steps
from virtory.driver.qemu.disks import block_job, disk_limits
from virtory.driver.qemu.disks.block import find, image_path
from virtory.driver.qemu.part import Part, affected
from virtory.errors import (
    FROM_STORAGE,
    ConfigUnsupported,
    InvalidArgument,
    OperationFailed,
    OperationUnsupported,
    SystemCallFailed,
)
from virtory.model.domain.devices.disk import Iotune
from virtory.model.events import Tunable
from virtory.model.flags import DomainAffect, DomainBlockResize
from virtory.model.refs import STRING, UINT, Param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.qemu.guest import Guest
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.disk import Disk
    from virtory.model.events import Event

_SECTOR = 512
_LONGEST_PEEK = 4 << 20
_ACTIONS = ("destroy", "restart", "rename-restart", "preserve", "coredump-destroy",
            "coredump-restart")  # fmt: skip
_OCCASIONS = ("on_poweroff", "on_reboot", "on_crash")
_BANDWIDTH = tuple(
    f"{way}.{what}"
    for way in ("inbound", "outbound")
    for what in ("average", "peak", "burst", "floor")
)[:-1]


class DomainLimits(Part):
    """Sizes, limits, actions."""

    # -- disks ---------------------------------------------------------------------------------
    async def block_resize(self, uuid: bytes, disk: str, size: int, flags: int) -> None:
        """Make the disk of a running machine so many bytes long; the guest is told by QEMU."""
        refuse_unknown(flags, DomainBlockResize.ALL, "qemuDomainBlockResize")
        guest = self._guest(uuid)
        async with guest.job("resize disk"):
            one = find(guest.domain, disk, "invalid path: {}")
            block_job.refuse(guest, one.target.dev)
            transfer.refuse_written_out(guest)
            images = guest.plan.chain(one.target.dev)
            if not images:
                raise OperationFailed(f"disk '{one.target.dev}' is empty")
            if images[0].read_only:
                raise OperationFailed(f"disk '{one.target.dev}' is read-only")
            size = -(-size // _SECTOR) * _SECTOR
            await guest.execute("block_resize", {"node-name": images[0].node, "size": size})
            guest.capacities.clear()

    async def block_peek(self, uuid: bytes, path: str, offset: int, size: int, flags: int) -> bytes:
        refuse_unknown(flags, 0, "qemuDomainBlockPeek")
        entry = self._entry(uuid)
        one = find(entry.current(), path, "invalid disk or path '{}'")
        if size > _LONGEST_PEEK:
            raise InvalidArgument(f"at most {_LONGEST_PEEK} bytes are told at once, not {size}")
        if one.format != "raw":
            raise OperationUnsupported(
                f"peeking is only supported for disk with 'raw' format not '{one.format}'"
            )
        import asyncio

        file = image_path(one, entry.guest) or self._preparation.volume_path(one)
        data = await asyncio.to_thread(_read, file, offset, size)
        if len(data) < size:
            raise InvalidArgument(
                f"'{path}' starting from {offset} has only {len(data)} bytes available"
            )
        return data

    def block_io_tune(self, uuid: bytes, disk: str, flags: int) -> list[Param]:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainGetBlockIoTune")
        entry = self._entry(uuid)
        live, _ = affected(entry, flags)
        domain = entry.running().domain if live else entry.configuration()
        one = find(domain, disk, "disk '{}' was not found in the domain config")
        told = disk_limits.params(one)
        if live and one.iotune is not None and not one.iotune.group_name:
            # QEMU's own name for the group of one
            own = device_path(one) if one.target.bus == "virtio" else one.alias or ""
            told = [
                param._replace(value=own) if param.field == "group_name" else param
                for param in told
            ]
        return told

    async def set_block_io_tune(
        self, uuid: bytes, disk: str, params: Sequence[Param], flags: int
    ) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainSetBlockIoTune")
        entry = self._entry(uuid)
        wanted = disk_limits.understood(params)

        def limited(domain: Domain) -> Domain:
            one = find(domain, disk, "disk '{}' was not found in the domain config")
            changed = replace(one, iotune=disk_limits.merged(one.iotune, wanted))
            return _with_disk(domain, one, changed)

        async def act(guest: Guest) -> tuple[Event, ...]:
            one = find(limited(guest.domain), disk, "disk '{}' was not found in the domain config")
            if not guest.plan.chain(one.target.dev):
                raise OperationFailed(f"missing disk source in '{one.target.dev}'")
            one = replace(one, iotune=one.iotune or Iotune())
            for step in throttle_steps(one):
                await guest.execute(step.command, step.arguments)
            told = [
                Param(f"blkdeviotune.{param.field}", param.kind, param.value) for param in params
            ]
            name = Param("blkdeviotune.disk", STRING, one.target.dev)
            return (Tunable(guest.ref, (name, *told)),)

        await self._everywhere(entry, flags, limited, act, "limit disk")

    # -- networks ------------------------------------------------------------------------------
    def interface_params(self, uuid: bytes, device: str, flags: int) -> list[Param]:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainGetInterfaceParameters")
        entry = self._entry(uuid)
        live, _ = affected(entry, flags)
        domain = entry.running().domain if live else entry.configuration()
        card = _card(domain, device)
        told = []
        for name in _BANDWIDTH:
            way, _, what = name.partition(".")
            rate = getattr(card.bandwidth, way, None) if card.bandwidth is not None else None
            told.append(Param(name, UINT, int(getattr(rate, what, None) or 0)))
        return told

    async def set_interface_params(
        self, uuid: bytes, device: str, params: Sequence[Param], flags: int
    ) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainSetInterfaceParameters")
        entry = self._entry(uuid)
        kind = _card(entry.current(), device).type
        if kind not in ("network", "bridge", "ethernet"):
            raise ConfigUnsupported(
                f"setting bandwidth on interfaces of type '{kind}' is not implemented yet",
                cure="limit the traffic inside the guest",
            )

        def limited(domain: Domain) -> Domain:
            card = _card(domain, device)
            new = replace(card, bandwidth=traffic.changed(card.bandwidth, params))
            row = tuple(new if each is card else each for each in domain.devices.interfaces)
            return replace(domain, devices=replace(domain.devices, interfaces=row))

        async def act(guest: Guest) -> tuple[Event, ...]:
            await traffic.relimit(guest, _card(limited(guest.domain), device))
            return ()

        await self._everywhere(entry, flags, limited, act, "limit interface")

    # -- what follows an end -------------------------------------------------------------------
    async def set_lifecycle_action(
        self, uuid: bytes, occasion: int, action: int, flags: int
    ) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainSetLifecycleAction")
        if occasion not in range(len(_OCCASIONS)) or action not in range(len(_ACTIONS)):
            raise InvalidArgument(f"no lifecycle event {occasion} or action {action}")
        name, word = _OCCASIONS[occasion], _ACTIONS[action]
        if word == "rename-restart" or (word.startswith("coredump")):
            raise ConfigUnsupported(
                f"'{word}' for '{name}' is not served", cure="destroy, restart, preserve are"
            )

        def changed(domain: Domain) -> Domain:
            changes: dict[str, Any] = {name: word}
            new = replace(domain, **changes)
            if new.on_reboot == "destroy" and new.on_poweroff == "restart":
                raise ConfigUnsupported(
                    "qemu driver doesn't support 'onReboot' set to 'destroy' and 'onPoweroff' set "
                    "to 'restart'"
                )
            return new

        async def act(guest: Guest) -> tuple[Event, ...]:
            changed(guest.domain)
            if name == "on_reboot":
                wanted = "shutdown" if word == "destroy" else "reset"
                await guest.soon("set-action", {"reboot": wanted})
            return ()

        await self._everywhere(self._entry(uuid), flags, changed, act, "set lifecycle action")


def _with_disk(domain: Domain, former: Disk, disk: Disk) -> Domain:
    disks = tuple(disk if each is former else each for each in domain.devices.disks)
    return replace(domain, devices=replace(domain.devices, disks=disks))


def _card(domain: Domain, device: str) -> Any:
    for card in domain.devices.interfaces:
        names = (
            str(card.mac.address) if card.mac is not None else None,
            card.target.dev if card.target is not None else None,
            card.alias,
        )
        if device in names:
            return card
    raise InvalidArgument(f"'{device}' is not a known interface")


def _read(path: str, offset: int, size: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)
    except OverflowError:
        problem, number = f"cannot seek into '{path}': {os.strerror(errno.EINVAL)}", errno.EINVAL
    except OSError as error:
        problem, number = f"cannot read '{path}': {error.strerror}", error.errno or 0
    raise SystemCallFailed(problem, errno=number, domain=FROM_STORAGE)
