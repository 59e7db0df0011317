"""Domains: single virtual CPUs, pins, I/O threads, sizes and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.daemon.dispatch import serves
from virtory.daemon.handlers.domain_statistics import shown
from virtory.driver.interface import Param
from virtory.model.flags import DomainAffect, DomainBlockResize
from virtory.wire.remote import (
    domain_agent,
    domain_block,
    domain_processor,
    domain_state,
    domain_tuning,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.daemon.peer import Peer

_STRING_OKAY = 4


def _params(told: Iterable[tuple[str, int, int | float | str]]) -> list[Param]:
    return [Param(*one) for one in told]


# -- virtual CPUs ------------------------------------------------------------------------------


@serves(domain_processor.DOMAIN_SET_VCPU)
async def set_vcpu(peer: Peer, args: domain_processor.DomainSetVcpuArgs) -> None:
    await peer.driver.domain.set_vcpu(args.dom.uuid, args.cpumap, bool(args.state), args.flags)


@serves(domain_agent.DOMAIN_GET_GUEST_VCPUS)
async def get_guest_vcpus(
    peer: Peer, args: domain_agent.DomainGetGuestVcpusArgs
) -> domain_agent.DomainGetGuestVcpusRet:
    params = await peer.driver.domain.guest_vcpus(args.dom.uuid, args.flags)
    return domain_agent.DomainGetGuestVcpusRet(params)


@serves(domain_agent.DOMAIN_SET_GUEST_VCPUS)
async def set_guest_vcpus(peer: Peer, args: domain_agent.DomainSetGuestVcpusArgs) -> None:
    on = bool(args.state)
    await peer.driver.domain.set_guest_vcpus(args.dom.uuid, args.cpumap, on, args.flags)


@serves(domain_processor.DOMAIN_PIN_VCPU)
async def pin_vcpu(peer: Peer, args: domain_processor.DomainPinVcpuArgs) -> None:
    flags = DomainAffect.LIVE
    await peer.driver.domain.pin_vcpu(args.dom.uuid, args.vcpu, args.cpumap, flags)


@serves(domain_processor.DOMAIN_PIN_VCPU_FLAGS)
async def pin_vcpu_flags(peer: Peer, args: domain_processor.DomainPinVcpuFlagsArgs) -> None:
    await peer.driver.domain.pin_vcpu(args.dom.uuid, args.vcpu, args.cpumap, args.flags)


@serves(domain_processor.DOMAIN_PIN_EMULATOR)
async def pin_emulator(peer: Peer, args: domain_processor.DomainPinEmulatorArgs) -> None:
    await peer.driver.domain.pin_emulator(args.dom.uuid, args.cpumap, args.flags)


# -- I/O threads -------------------------------------------------------------------------------


@serves(domain_processor.DOMAIN_PIN_IOTHREAD)
async def pin_iothread(peer: Peer, args: domain_processor.DomainPinIothreadArgs) -> None:
    await peer.driver.domain.pin_iothread(args.dom.uuid, args.iothreads_id, args.cpumap, args.flags)


@serves(domain_processor.DOMAIN_ADD_IOTHREAD)
async def add_iothread(peer: Peer, args: domain_processor.DomainAddIothreadArgs) -> None:
    await peer.driver.domain.add_iothread(args.dom.uuid, args.iothread_id, args.flags)


@serves(domain_processor.DOMAIN_DEL_IOTHREAD)
async def delete_iothread(peer: Peer, args: domain_processor.DomainDelIothreadArgs) -> None:
    await peer.driver.domain.delete_iothread(args.dom.uuid, args.iothread_id, args.flags)


@serves(domain_processor.DOMAIN_SET_IOTHREAD_PARAMS)
async def set_iothread_params(
    peer: Peer, args: domain_processor.DomainSetIothreadParamsArgs
) -> None:
    await peer.driver.domain.set_iothread_params(
        args.dom.uuid, args.iothread_id, _params(args.params), args.flags
    )


# -- disks -------------------------------------------------------------------------------------


@serves(domain_block.DOMAIN_BLOCK_RESIZE)
async def block_resize(peer: Peer, args: domain_block.DomainBlockResizeArgs) -> None:
    size = args.size if args.flags & DomainBlockResize.BYTES else args.size * 1024
    await peer.driver.domain.block_resize(args.dom.uuid, args.disk, size, args.flags)


@serves(domain_block.DOMAIN_BLOCK_PEEK)
async def block_peek(
    peer: Peer, args: domain_block.DomainBlockPeekArgs
) -> domain_block.DomainBlockPeekRet:
    return domain_block.DomainBlockPeekRet(
        await peer.driver.domain.block_peek(
            args.dom.uuid, args.path, args.offset, args.size, args.flags
        )
    )


@serves(domain_block.DOMAIN_GET_BLOCK_IO_TUNE)
def get_block_io_tune(
    peer: Peer, args: domain_block.DomainGetBlockIoTuneArgs
) -> domain_block.DomainGetBlockIoTuneRet:
    if not args.nparams:
        return domain_block.DomainGetBlockIoTuneRet([], 20)
    told = peer.driver.domain.block_io_tune(
        args.dom.uuid, args.disk or "", args.flags & ~_STRING_OKAY
    )
    told = shown(told, args.flags)[: args.nparams]
    return domain_block.DomainGetBlockIoTuneRet(told, len(told))


@serves(domain_block.DOMAIN_SET_BLOCK_IO_TUNE)
async def set_block_io_tune(peer: Peer, args: domain_block.DomainSetBlockIoTuneArgs) -> None:
    await peer.driver.domain.set_block_io_tune(
        args.dom.uuid, args.disk, _params(args.params), args.flags
    )


# -- interfaces, scheduler, actions ------------------------------------------------------------


@serves(domain_tuning.DOMAIN_GET_INTERFACE_PARAMETERS)
def get_interface_parameters(
    peer: Peer, args: domain_tuning.DomainGetInterfaceParametersArgs
) -> domain_tuning.DomainGetInterfaceParametersRet:
    told = peer.driver.domain.interface_params(
        args.dom.uuid, args.device, args.flags & ~_STRING_OKAY
    )
    kept = told[: args.nparams]
    return domain_tuning.DomainGetInterfaceParametersRet(kept, len(kept) or len(told))


@serves(domain_tuning.DOMAIN_SET_INTERFACE_PARAMETERS)
async def set_interface_parameters(
    peer: Peer, args: domain_tuning.DomainSetInterfaceParametersArgs
) -> None:
    await peer.driver.domain.set_interface_params(
        args.dom.uuid, args.device, _params(args.params), args.flags
    )


@serves(domain_state.DOMAIN_SET_LIFECYCLE_ACTION)
async def set_lifecycle_action(peer: Peer, args: domain_state.DomainSetLifecycleActionArgs) -> None:
    await peer.driver.domain.set_lifecycle_action(args.dom.uuid, args.type, args.action, args.flags)
