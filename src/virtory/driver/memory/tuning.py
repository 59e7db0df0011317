"""Domains in memory: pins, I/O threads, sizes and limits.

The rule kept here: what is set is kept in the description and read back; nothing enforces it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from virtory.driver import typed_params
from virtory.driver.memory.flags_check import only
from virtory.driver.memory.lifecycle import require_agent
from virtory.errors import InvalidArgument, OperationUnsupported
from virtory.model import flags as f
from virtory.model.domain.cpu import CpuTune, IoThread, IoThreadIds, IoThreadPin, VcpuPin
from virtory.model.domain.cpuset import members, spelled
from virtory.model.domain.devices.disk import Iotune
from virtory.model.events import Tunable
from virtory.model.refs import STRING, ULLONG, Param

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from virtory.driver.memory.host import Host
    from virtory.model.domain import Domain

_LONGEST_PEEK = 4 << 20
_ACTIONS = ("destroy", "restart", "rename-restart", "preserve", "coredump-destroy",
            "coredump-restart")  # fmt: skip


class Tuning:
    """The part of the driver that limits."""

    _host: Host

    def _tune(
        self,
        uuid: bytes,
        flags: int,
        change: Callable[[Domain], Domain],
        told: Sequence[Param] = (),
    ) -> None:
        machine = self._host.machine(uuid)
        live, config = machine.affected(flags & f.DomainAffect.ALL)
        running = change(machine.live) if live and machine.live is not None else None
        defined = None
        if config and machine.definition is not None:
            defined = change(machine.definition)
        machine.live = running or machine.live
        machine.definition = defined or machine.definition
        if running is not None and told:
            self._host.bus.publish(Tunable(machine.ref, tuple(told)))

    # -- virtual CPUs --------------------------------------------------------------------------
    async def set_vcpu(self, uuid: bytes, vcpus: str, on: bool, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainSetVcpu")
        raise OperationUnsupported("single vCPUs are not served", cure="use setvcpus")

    async def guest_vcpus(self, uuid: bytes, flags: int) -> list[Param]:
        only(flags, 0, "testDomainGetGuestVcpus")
        machine = self._host.running(uuid)
        require_agent(machine)
        every = spelled(range(machine.vcpus))
        removable = spelled(range(1, machine.vcpus))
        names = (("vcpus", every), ("online", every), ("offlinable", removable))
        return [Param(name, STRING, value) for name, value in names]

    async def set_guest_vcpus(self, uuid: bytes, vcpus: str, on: bool, flags: int) -> None:
        only(flags, 0, "testDomainSetGuestVcpus")
        machine = self._host.running(uuid)
        require_agent(machine)
        try:
            numbers = members(vcpus)
        except ValueError as error:
            raise InvalidArgument(str(error)) from None
        if max(numbers) >= machine.vcpus:
            raise InvalidArgument(f"guest CPU {max(numbers)} is out of range")

    async def pin_vcpu(self, uuid: bytes, vcpu: int, cpus: bytes, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainPinVcpuFlags")
        text = _text(cpus)

        def pinned(domain: Domain) -> Domain:
            if vcpu >= domain.vcpu.count:
                raise InvalidArgument(f"vcpu {vcpu} is out of range of {domain.vcpu.count}")
            tune = domain.cputune or CpuTune()
            pins = (*(p for p in tune.vcpupins if p.vcpu != vcpu), VcpuPin(vcpu=vcpu, cpuset=text))
            pins = tuple(sorted(pins, key=lambda pin: pin.vcpu))
            return dataclasses.replace(domain, cputune=dataclasses.replace(tune, vcpupins=pins))

        self._tune(uuid, flags, pinned, [Param(f"cputune.vcpupin{vcpu}", STRING, text)])

    async def pin_emulator(self, uuid: bytes, cpus: bytes, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainPinEmulator")
        text = _text(cpus)

        def pinned(domain: Domain) -> Domain:
            tune = dataclasses.replace(domain.cputune or CpuTune(), emulatorpin=text)
            return dataclasses.replace(domain, cputune=tune)

        self._tune(uuid, flags, pinned, [Param("cputune.emulatorpin", STRING, text)])

    # -- I/O threads ---------------------------------------------------------------------------
    async def pin_iothread(self, uuid: bytes, number: int, cpus: bytes, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainPinIOThread")
        text = _text(cpus)

        def pinned(domain: Domain) -> Domain:
            _known(domain, number)
            tune = domain.cputune or CpuTune()
            others = tuple(pin for pin in tune.iothreadpins if pin.iothread != number)
            pins = (*others, IoThreadPin(iothread=number, cpuset=text))
            return dataclasses.replace(domain, cputune=dataclasses.replace(tune, iothreadpins=pins))

        self._tune(uuid, flags, pinned)

    async def add_iothread(self, uuid: bytes, number: int, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainAddIOThread")
        if number < 1:
            raise InvalidArgument("invalid value of 0 for iothread_id")

        def more(domain: Domain) -> Domain:
            if number in _threads(domain):
                raise InvalidArgument(f"an IOThread is already using iothread_id '{number}'")
            return _with(domain, sorted([*_threads(domain), number]))

        self._tune(uuid, flags, more)

    async def delete_iothread(self, uuid: bytes, number: int, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainDelIOThread")

        def fewer(domain: Domain) -> Domain:
            _known(domain, number)
            return _with(domain, [each for each in _threads(domain) if each != number])

        self._tune(uuid, flags, fewer)

    async def set_iothread_params(
        self, uuid: bytes, number: int, params: Sequence[Param], flags: int
    ) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainSetIOThreadParams")
        _known(self._host.running(uuid).current, number)

    # -- disks ---------------------------------------------------------------------------------
    async def block_resize(self, uuid: bytes, disk: str, size: int, flags: int) -> None:
        only(flags, f.DomainBlockResize.ALL, "testDomainBlockResize")
        _disk(self._host.running(uuid).current, disk, "invalid path: {}")

    async def block_peek(self, uuid: bytes, path: str, offset: int, size: int, flags: int) -> bytes:
        only(flags, 0, "testDomainBlockPeek")
        _disk(self._host.machine(uuid).current, path, "invalid disk or path '{}'")
        if size > _LONGEST_PEEK:
            raise InvalidArgument(f"at most {_LONGEST_PEEK} bytes are told at once, not {size}")
        return bytes(size)

    def block_io_tune(self, uuid: bytes, disk: str, flags: int) -> list[Param]:
        only(flags, f.DomainAffect.ALL, "testDomainGetBlockIoTune")
        machine = self._host.machine(uuid)
        live, _ = machine.affected(flags)
        domain = machine.live if live else machine.definition
        assert domain is not None
        one = _disk(domain, disk, "disk '{}' was not found in the domain config")
        tune = one.iotune or Iotune()
        return [
            Param(each.name, ULLONG, getattr(tune, each.name) or 0)
            for each in Iotune.declared()
            if each.name != "group_name"
        ]

    async def set_block_io_tune(
        self, uuid: bytes, disk: str, params: Sequence[Param], flags: int
    ) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainSetBlockIoTune")
        known = {each.name for each in Iotune.declared()}
        changes: dict[str, Any] = {}
        for param in params:
            if param.field not in known:
                raise InvalidArgument(f"parameter '{param.field}' not supported")
            read = typed_params.text if param.field == "group_name" else typed_params.number
            changes[param.field] = read(param) or None

        def limited(domain: Domain) -> Domain:
            one = _disk(domain, disk, "disk '{}' was not found in the domain config")
            tune = dataclasses.replace(one.iotune or Iotune(), **changes)
            new = dataclasses.replace(one, iotune=tune)
            disks = tuple(new if each is one else each for each in domain.devices.disks)
            devices = dataclasses.replace(domain.devices, disks=disks)
            return dataclasses.replace(domain, devices=devices)

        told = [param._replace(field=f"blkdeviotune.{param.field}") for param in params]
        self._tune(uuid, flags, limited, [Param("blkdeviotune.disk", STRING, disk), *told])

    # -- interfaces, scheduler, actions --------------------------------------------------------
    def interface_params(self, uuid: bytes, device: str, flags: int) -> list[Param]:
        only(flags, f.DomainAffect.ALL, "testDomainGetInterfaceParameters")
        self._host.machine(uuid)
        return []

    async def set_interface_params(
        self, uuid: bytes, device: str, params: Sequence[Param], flags: int
    ) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainSetInterfaceParameters")
        self._host.machine(uuid)
        raise OperationUnsupported("limits of interfaces are not served")

    async def set_lifecycle_action(
        self, uuid: bytes, occasion: int, action: int, flags: int
    ) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainSetLifecycleAction")
        if occasion not in range(3) or action not in range(len(_ACTIONS)):
            raise InvalidArgument(f"no lifecycle event {occasion} or action {action}")
        name = ("on_poweroff", "on_reboot", "on_crash")[occasion]
        changes: dict[str, Any] = {name: _ACTIONS[action]}
        self._tune(uuid, flags, lambda domain: dataclasses.replace(domain, **changes))


def _threads(domain: Domain) -> list[int]:
    named = [] if domain.iothreadids is None else [t.id for t in domain.iothreadids.iothreads]
    return named or list(range(1, (domain.iothreads or 0) + 1))


def _with(domain: Domain, threads: list[int]) -> Domain:
    ids = IoThreadIds(iothreads=tuple(IoThread(id=number) for number in threads))
    return dataclasses.replace(
        domain, iothreads=len(threads) or None, iothreadids=ids if threads else None
    )


def _known(domain: Domain, number: int) -> None:
    if number not in _threads(domain):
        raise InvalidArgument(f"cannot find IOThread '{number}' in iothreadids list")


def _disk(domain: Domain, name: str, message: str) -> Any:
    for disk in domain.devices.disks:
        source = disk.source.file if disk.source is not None else None
        if name in (disk.target.dev, source):
            return disk
    raise InvalidArgument(message.format(name))


def _text(cpus: bytes) -> str:
    bits = int.from_bytes(cpus, "little")
    if not bits:
        raise InvalidArgument("Empty cpu list for pinning")
    return spelled(number for number in range(bits.bit_length()) if bits >> number & 1)
