"""A domain's share of the host: memory, vCPUs, pinning, scheduler, I/O and network limits.

The rule kept here: `flags` says what is meant, the running guest or the definition
(`flags.DomainAffect`: 0 whichever is current, 1 live, 2 configuration); parameters are dictionaries
by libvirt's names.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from virtory.client import parameters, results
    from virtory.client.results import Params
    from virtory.wire.remote import domain_processor as w_processor
    from virtory.wire.remote import domain_stats as w_stats
    from virtory.wire.remote import domain_tuning as w
else:
    parameters = Later("virtory.client.parameters")
    results = Later("virtory.client.results")
    w_processor = Later("virtory.wire.remote.domain_processor")
    w_stats = Later("virtory.wire.remote.domain_stats")
    w = Later("virtory.wire.remote.domain_tuning")

MOST_PARAMETERS = 16


class DomainTuning(DomainHandle):
    """What a domain may use."""

    __slots__ = ()

    # -- memory and vCPUs ----------------------------------------------------------------------
    async def set_memory_kib(self, memory_kib: int, *, flags: int = 0) -> None:
        """`DOMAIN_SET_MEMORY_FLAGS` (supersedes `DOMAIN_SET_MEMORY`): in KiB, by the balloon.

        `flags`: `DomainMemory`; MAXIMUM changes the maximum (supersedes `DOMAIN_SET_MAX_MEMORY`).
        """
        args = w.DomainSetMemoryFlagsArgs(self.ref, memory_kib, flags)
        await self._call(w.DOMAIN_SET_MEMORY_FLAGS, args)

    async def vcpus_count(self, *, flags: int = 0) -> int:
        """`DOMAIN_GET_VCPUS_FLAGS`: how many virtual CPUs. `flags`: `DomainVcpu`."""
        args = w_processor.DomainGetVcpusFlagsArgs(self.ref, flags)
        return (await self._call(w_processor.DOMAIN_GET_VCPUS_FLAGS, args)).num

    async def set_vcpus(self, count: int, *, flags: int = 0) -> None:
        """`DOMAIN_SET_VCPUS_FLAGS` (supersedes `DOMAIN_SET_VCPUS`). `flags`: `DomainVcpu`."""
        args = w_processor.DomainSetVcpusFlagsArgs(self.ref, count, flags)
        await self._call(w_processor.DOMAIN_SET_VCPUS_FLAGS, args)

    async def set_vcpu(self, vcpus: str, online: bool, *, flags: int = 0) -> None:
        """`DOMAIN_SET_VCPU`: plug or unplug single vCPUs, named like `0-2,5`."""
        args = w_processor.DomainSetVcpuArgs(self.ref, vcpus, int(online), flags)
        await self._call(w_processor.DOMAIN_SET_VCPU, args)

    async def vcpus(self) -> list[results.Vcpu]:
        """`DOMAIN_GET_VCPUS`: state, CPU time and affinity of each vCPU; it must be running."""
        host_cpus = (await self.host.cpu_map()).total
        length = (host_cpus + 7) // 8
        count = await self.max_vcpus_now()
        args = w_processor.DomainGetVcpusArgs(self.ref, count, length)
        ret = await self._call(w_processor.DOMAIN_GET_VCPUS, args)
        maps = ret.cpumaps
        return [
            results.Vcpu(
                number, state, time, cpu, parameters.cpus_of(maps[i * length : (i + 1) * length])
            )
            for i, (number, state, time, cpu) in enumerate(ret.info)
        ]

    async def max_vcpus_now(self) -> int:
        """`DOMAIN_GET_VCPUS_FLAGS`: the most vCPUs of the running guest, else of the definition."""
        return await self.vcpus_count(flags=4)

    # -- pinning -------------------------------------------------------------------------------
    async def vcpu_pins(self, *, flags: int = 0) -> list[list[int]]:
        """`DOMAIN_GET_VCPU_PIN_INFO`: the host CPUs that each vCPU may run on."""
        length = ((await self.host.cpu_map()).total + 7) // 8
        count = await self.max_vcpus_now()
        args = w_processor.DomainGetVcpuPinInfoArgs(self.ref, count, length, flags)
        ret = await self._call(w_processor.DOMAIN_GET_VCPU_PIN_INFO, args)
        told = min(ret.num, len(ret.cpumaps) // max(length, 1))
        return [parameters.cpus_of(ret.cpumaps[i * length : (i + 1) * length]) for i in range(told)]

    async def pin_vcpu(self, vcpu: int, cpus: Iterable[int], *, flags: int = 0) -> None:
        """`DOMAIN_PIN_VCPU_FLAGS` (supersedes `DOMAIN_PIN_VCPU`): run it on these host CPUs."""
        args = w_processor.DomainPinVcpuFlagsArgs(
            self.ref, vcpu, parameters.cpu_bitmap(cpus), flags
        )
        await self._call(w_processor.DOMAIN_PIN_VCPU_FLAGS, args)

    async def emulator_pin(self, *, flags: int = 0) -> list[int]:
        """`DOMAIN_GET_EMULATOR_PIN_INFO`: the host CPUs that QEMU's other threads may run on."""
        length = ((await self.host.cpu_map()).total + 7) // 8
        args = w_processor.DomainGetEmulatorPinInfoArgs(self.ref, length, flags)
        return parameters.cpus_of(
            (await self._call(w_processor.DOMAIN_GET_EMULATOR_PIN_INFO, args)).cpumaps
        )

    async def pin_emulator(self, cpus: Iterable[int], *, flags: int = 0) -> None:
        """`DOMAIN_PIN_EMULATOR`: run QEMU's other threads on these host CPUs."""
        args = w_processor.DomainPinEmulatorArgs(self.ref, parameters.cpu_bitmap(cpus), flags)
        await self._call(w_processor.DOMAIN_PIN_EMULATOR, args)

    # -- I/O threads ---------------------------------------------------------------------------
    async def iothreads(self, *, flags: int = 0) -> list[results.IOThread]:
        """`DOMAIN_GET_IOTHREAD_INFO`: its I/O threads and the host CPUs they may run on."""
        args = w_processor.DomainGetIothreadInfoArgs(self.ref, flags)
        ret = await self._call(w_processor.DOMAIN_GET_IOTHREAD_INFO, args)
        return [
            results.IOThread(item.iothread_id, parameters.cpus_of(item.cpumap)) for item in ret.info
        ]

    async def pin_iothread(self, number: int, cpus: Iterable[int], *, flags: int = 0) -> None:
        """`DOMAIN_PIN_IOTHREAD`: run the I/O thread on these host CPUs."""
        args = w_processor.DomainPinIothreadArgs(
            self.ref, number, parameters.cpu_bitmap(cpus), flags
        )
        await self._call(w_processor.DOMAIN_PIN_IOTHREAD, args)

    async def add_iothread(self, number: int, *, flags: int = 0) -> None:
        """`DOMAIN_ADD_IOTHREAD`: add the I/O thread with this number."""
        args = w_processor.DomainAddIothreadArgs(self.ref, number, flags)
        await self._call(w_processor.DOMAIN_ADD_IOTHREAD, args)

    async def delete_iothread(self, number: int, *, flags: int = 0) -> None:
        """`DOMAIN_DEL_IOTHREAD`: remove the I/O thread with this number."""
        args = w_processor.DomainDelIothreadArgs(self.ref, number, flags)
        await self._call(w_processor.DOMAIN_DEL_IOTHREAD, args)

    async def set_iothread_parameters(
        self, number: int, params: Mapping[str, Any], *, flags: int = 0
    ) -> None:
        """`DOMAIN_SET_IOTHREAD_PARAMS`: its polling: `poll_max_ns poll_grow poll_shrink`."""
        values = parameters.typed(params)
        args = w_processor.DomainSetIothreadParamsArgs(self.ref, number, values, flags)
        await self._call(w_processor.DOMAIN_SET_IOTHREAD_PARAMS, args)

    # -- limits --------------------------------------------------------------------------------
    async def scheduler_type(self) -> results.SchedulerType:
        """`DOMAIN_GET_SCHEDULER_TYPE`: the scheduler's name and how many parameters it has."""
        args = w.DomainGetSchedulerTypeArgs(self.ref)
        ret = await self._call(w.DOMAIN_GET_SCHEDULER_TYPE, args)
        return results.SchedulerType(ret.type, ret.nparams)

    async def scheduler_parameters(self, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_SCHEDULER_PARAMETERS`, with flags `DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS`.

        `cpu_shares vcpu_period vcpu_quota …`, times in microseconds.
        """
        if not flags:
            plain = w.DomainGetSchedulerParametersArgs(self.ref, MOST_PARAMETERS)
            ret = await self._call(w.DOMAIN_GET_SCHEDULER_PARAMETERS, plain)
            return parameters.values_of(ret.params)
        flags |= parameters.STRING_OKAY
        args = w.DomainGetSchedulerParametersFlagsArgs(self.ref, MOST_PARAMETERS, flags)
        found = await self._call(w.DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS, args)
        return parameters.values_of(found.params)

    async def set_scheduler_parameters(self, params: Mapping[str, Any], *, flags: int = 0) -> None:
        """`DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS` (for `DOMAIN_SET_SCHEDULER_PARAMETERS`)."""
        values = parameters.typed(params)
        args = w.DomainSetSchedulerParametersFlagsArgs(self.ref, values, flags)
        await self._call(w.DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS, args)

    async def memory_parameters(self, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_MEMORY_PARAMETERS`: `hard_limit soft_limit swap_hard_limit`, in KiB."""
        flags |= parameters.STRING_OKAY
        args = w.DomainGetMemoryParametersArgs(self.ref, MOST_PARAMETERS, flags)
        ret = await self._call(w.DOMAIN_GET_MEMORY_PARAMETERS, args)
        return parameters.values_of(ret.params)

    async def set_memory_parameters(self, params: Mapping[str, Any], *, flags: int = 0) -> None:
        """`DOMAIN_SET_MEMORY_PARAMETERS`: as `memory_parameters` names them."""
        args = w.DomainSetMemoryParametersArgs(self.ref, parameters.typed(params), flags)
        await self._call(w.DOMAIN_SET_MEMORY_PARAMETERS, args)

    async def blkio_parameters(self, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_BLKIO_PARAMETERS`: `weight` and limits by device."""
        flags |= parameters.STRING_OKAY
        args = w.DomainGetBlkioParametersArgs(self.ref, MOST_PARAMETERS, flags)
        ret = await self._call(w.DOMAIN_GET_BLKIO_PARAMETERS, args)
        return parameters.values_of(ret.params)

    async def set_blkio_parameters(self, params: Mapping[str, Any], *, flags: int = 0) -> None:
        """`DOMAIN_SET_BLKIO_PARAMETERS`: as `blkio_parameters` names them."""
        args = w.DomainSetBlkioParametersArgs(self.ref, parameters.typed(params), flags)
        await self._call(w.DOMAIN_SET_BLKIO_PARAMETERS, args)

    async def numa_parameters(self, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_NUMA_PARAMETERS`: `numa_mode` and `numa_nodeset`."""
        flags |= parameters.STRING_OKAY
        args = w.DomainGetNumaParametersArgs(self.ref, MOST_PARAMETERS, flags)
        ret = await self._call(w.DOMAIN_GET_NUMA_PARAMETERS, args)
        return parameters.values_of(ret.params)

    async def set_numa_parameters(self, params: Mapping[str, Any], *, flags: int = 0) -> None:
        """`DOMAIN_SET_NUMA_PARAMETERS`: as `numa_parameters` names them."""
        args = w.DomainSetNumaParametersArgs(self.ref, parameters.typed(params), flags)
        await self._call(w.DOMAIN_SET_NUMA_PARAMETERS, args)

    async def interface_parameters(self, device: str, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_INTERFACE_PARAMETERS`: `inbound.average …` in KiB/s and KiB."""
        flags |= parameters.STRING_OKAY
        args = w.DomainGetInterfaceParametersArgs(self.ref, device, MOST_PARAMETERS, flags)
        ret = await self._call(w.DOMAIN_GET_INTERFACE_PARAMETERS, args)
        return parameters.values_of(ret.params)

    async def set_interface_parameters(
        self, device: str, params: Mapping[str, Any], *, flags: int = 0
    ) -> None:
        """`DOMAIN_SET_INTERFACE_PARAMETERS`: as `interface_parameters` names them."""
        values = parameters.typed(params)
        args = w.DomainSetInterfaceParametersArgs(self.ref, device, values, flags)
        await self._call(w.DOMAIN_SET_INTERFACE_PARAMETERS, args)

    async def perf_events(self, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_PERF_EVENTS`: which performance counters are on."""
        args = w_stats.DomainGetPerfEventsArgs(self.ref, flags | parameters.STRING_OKAY)
        return parameters.values_of((await self._call(w_stats.DOMAIN_GET_PERF_EVENTS, args)).params)

    async def set_perf_events(self, events: Mapping[str, bool], *, flags: int = 0) -> None:
        """`DOMAIN_SET_PERF_EVENTS`: switch performance counters on and off."""
        args = w_stats.DomainSetPerfEventsArgs(self.ref, parameters.typed(events), flags)
        await self._call(w_stats.DOMAIN_SET_PERF_EVENTS, args)
