"""I/O threads of a domain: which there are, where they run, how they poll.

The rule kept here: a thread that serves a disk or a controller stays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver import typed_params
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import affinity
from virtory.driver.qemu.domain_processors import DomainProcessors, chosen_cpus, pin_told
from virtory.driver.qemu.iothreads import defined_numbers
from virtory.driver.qemu.part import affected
from virtory.errors import InvalidArgument, OperationUnsupported
from virtory.model.domain.cpu import CpuTune, IoThread, IoThreadIds, IoThreadPin
from virtory.model.domain.cpuset import spelled
from virtory.model.flags import DomainAffect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.interface import Param
    from virtory.driver.qemu.guest import Guest
    from virtory.model.domain import Domain
    from virtory.model.events import Event

_POLLING = {
    "poll_max_ns": "poll-max-ns",
    "poll_grow": "poll-grow",
    "poll_shrink": "poll-shrink",
    "thread_pool_min": "thread-pool-min",
    "thread_pool_max": "thread-pool-max",
}


class DomainIothreads(DomainProcessors):
    """I/O threads."""

    async def pin_iothread(self, uuid: bytes, number: int, cpus: bytes, flags: int) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainPinIOThread")
        entry = self._entry(uuid)
        chosen = chosen_cpus(cpus)
        if number < 1:
            raise InvalidArgument("iothread_id must be greater than zero")

        def pinned(domain: Domain) -> Domain:
            _known(domain, number)
            tune = domain.cputune or CpuTune()
            pins = [pin for pin in tune.iothreadpins if pin.iothread != number]
            pins.append(IoThreadPin(iothread=number, cpuset=spelled(chosen)))
            pins.sort(key=lambda pin: pin.iothread)
            return replace(domain, cputune=replace(tune, iothreadpins=tuple(pins)))

        async def place(guest: Guest) -> tuple[Event, ...]:
            _known(guest.domain, number)
            told = affinity.iothreads_in(await guest.execute("query-iothreads"))
            affinity.pin(told[number], chosen, f"I/O thread {number}")
            return pin_told(guest, f"cputune.iothreadpin{number}", chosen)

        await self._everywhere(entry, flags, pinned, place, "pin I/O thread")

    async def add_iothread(self, uuid: bytes, number: int, flags: int) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainAddIOThread")
        if number < 1:
            raise InvalidArgument("invalid value of 0 for iothread_id")

        def more(domain: Domain) -> Domain:
            if number in defined_numbers(domain):
                raise InvalidArgument(f"an IOThread is already using iothread_id '{number}'")
            return _with(domain, sorted([*defined_numbers(domain), number]))

        async def make(guest: Guest) -> tuple[Event, ...]:
            more(guest.domain)
            arguments = {"qom-type": "iothread", "id": f"iothread{number}"}
            await guest.execute("object-add", arguments)
            told = affinity.iothreads_in(await guest.execute("query-iothreads"))
            chosen = affinity.iothread_processors(guest.domain, number) or affinity.anywhere()
            affinity.pin(told[number], chosen, f"I/O thread {number}")
            return ()

        await self._everywhere(self._entry(uuid), flags, more, make, "add I/O thread")

    async def delete_iothread(self, uuid: bytes, number: int, flags: int) -> None:
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainDelIOThread")

        def fewer(domain: Domain) -> Domain:
            _known(domain, number)
            _refuse_used(domain, number)
            return _with(domain, [each for each in defined_numbers(domain) if each != number])

        async def remove(guest: Guest) -> tuple[Event, ...]:
            fewer(guest.domain)
            await guest.execute("object-del", {"id": f"iothread{number}"})
            return ()

        await self._everywhere(self._entry(uuid), flags, fewer, remove, "remove I/O thread")

    async def set_iothread_params(
        self, uuid: bytes, number: int, params: Sequence[Param], flags: int
    ) -> None:
        """How the thread of a running machine polls; no definition keeps it."""
        refuse_unknown(flags, DomainAffect.ALL, "qemuDomainSetIOThreadParams")
        entry = self._entry(uuid)
        _, config = affected(entry, flags)
        if config:
            raise OperationUnsupported("configuring persistent polling values is not supported")
        guest = entry.running()
        values: list[dict[str, Any]] = []
        for param in params:
            if param.field not in _POLLING:
                raise InvalidArgument(f"parameter '{param.field}' not supported")
            path = f"/objects/iothread{number}"
            name = _POLLING[param.field]
            values.append({"path": path, "property": name, "value": typed_params.number(param)})
        async with guest.job("set I/O thread"):
            _known(guest.domain, number)
            for value in values:
                await guest.execute("qom-set", value)


def _with(domain: Domain, threads: list[int]) -> Domain:
    tune = domain.cputune
    if tune is not None:
        pins = tuple(pin for pin in tune.iothreadpins if pin.iothread in threads)
        tune = replace(tune, iothreadpins=pins)
    known = {} if domain.iothreadids is None else {t.id: t for t in domain.iothreadids.iothreads}
    ids = IoThreadIds(iothreads=tuple(known.get(n) or IoThread(id=n) for n in threads))
    return replace(
        domain,
        cputune=tune,
        iothreads=len(threads) or None,
        iothreadids=ids if threads else None,
    )


def _known(domain: Domain, number: int) -> None:
    if number not in defined_numbers(domain):
        raise InvalidArgument(f"cannot find IOThread '{number}' in iothreadids list")


def _refuse_used(domain: Domain, number: int) -> None:
    for disk in domain.devices.disks:
        if disk.driver is not None and disk.driver.iothread == number:
            raise InvalidArgument(
                f"cannot remove IOThread '{number}' since it is being used by disk "
                f"'{disk.target.dev}'"
            )
    for controller in domain.devices.controllers:
        if controller.driver is not None and controller.driver.iothread == number:
            raise InvalidArgument(
                f"cannot remove IOThread '{number}' since it is being used by controller"
            )
