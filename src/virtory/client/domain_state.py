"""A domain's state: is it on, since when, with how much, what does it do.

The rule kept here: nothing here changes anything.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.client import results
    from virtory.wire.remote import domain as w
    from virtory.wire.remote import domain_processor as w_processor
    from virtory.wire.remote import domain_state as w_state
    from virtory.wire.remote import domain_tuning as w_tuning
else:
    results = Later("virtory.client.results")
    w = Later("virtory.wire.remote.domain")
    w_processor = Later("virtory.wire.remote.domain_processor")
    w_state = Later("virtory.wire.remote.domain_state")
    w_tuning = Later("virtory.wire.remote.domain_tuning")


class DomainState(DomainHandle):
    """What a domain is doing."""

    __slots__ = ()

    async def info(self) -> results.DomainInfo:
        """`DOMAIN_GET_INFO`: state, memory in KiB, vCPUs, CPU time in nanoseconds."""
        ret = await self._call(w_state.DOMAIN_GET_INFO, w_state.DomainGetInfoArgs(self.ref))
        return results.DomainInfo(ret.state, ret.max_mem, ret.memory, ret.nr_virt_cpu, ret.cpu_time)

    async def state(self, *, flags: int = 0) -> results.DomainState:
        """`DOMAIN_GET_STATE`: its state (`flags.DomainState`) and the reason for it."""
        ret = await self._call(
            w_state.DOMAIN_GET_STATE, w_state.DomainGetStateArgs(self.ref, flags)
        )
        return results.DomainState(ret.state, ret.reason)

    async def control_info(self, *, flags: int = 0) -> results.ControlInfo:
        """`DOMAIN_GET_CONTROL_INFO`: whether the daemon can talk to QEMU right now."""
        args = w_state.DomainGetControlInfoArgs(self.ref, flags)
        ret = await self._call(w_state.DOMAIN_GET_CONTROL_INFO, args)
        return results.ControlInfo(ret.state, ret.details, ret.state_time)

    async def is_active(self) -> bool:
        """`DOMAIN_IS_ACTIVE`: whether it is running (or paused)."""
        return bool((await self._call(w.DOMAIN_IS_ACTIVE, w.DomainIsActiveArgs(self.ref))).active)

    async def is_persistent(self) -> bool:
        """`DOMAIN_IS_PERSISTENT`: whether it has a definition that outlives its power-off."""
        args = w.DomainIsPersistentArgs(self.ref)
        return bool((await self._call(w.DOMAIN_IS_PERSISTENT, args)).persistent)

    async def is_updated(self) -> bool:
        """`DOMAIN_IS_UPDATED`: whether its definition changed since it was started."""
        args = w.DomainIsUpdatedArgs(self.ref)
        return bool((await self._call(w.DOMAIN_IS_UPDATED, args)).updated)

    async def refresh(self) -> None:
        """`DOMAIN_LOOKUP_BY_UUID`: take name and id as they are now."""
        ret = await self._call(w.DOMAIN_LOOKUP_BY_UUID, w.DomainLookupByUuidArgs(self.ref.uuid))
        self.ref = ret.dom

    async def os_type(self) -> str:
        """`DOMAIN_GET_OS_TYPE`: `hvm` for every machine of QEMU."""
        return (await self._call(w.DOMAIN_GET_OS_TYPE, w.DomainGetOsTypeArgs(self.ref))).type

    async def max_memory_kib(self) -> int:
        """`DOMAIN_GET_MAX_MEMORY`: the most memory it can have, in KiB."""
        args = w_tuning.DomainGetMaxMemoryArgs(self.ref)
        return (await self._call(w_tuning.DOMAIN_GET_MAX_MEMORY, args)).memory

    async def max_vcpus(self) -> int:
        """`DOMAIN_GET_MAX_VCPUS`: the most virtual CPUs it can have."""
        args = w_processor.DomainGetMaxVcpusArgs(self.ref)
        return (await self._call(w_processor.DOMAIN_GET_MAX_VCPUS, args)).num

    async def security_label(self) -> results.SecurityLabel:
        """`DOMAIN_GET_SECURITY_LABEL`: the label its process runs under; empty without one."""
        args = w.DomainGetSecurityLabelArgs(self.ref)
        ret = await self._call(w.DOMAIN_GET_SECURITY_LABEL, args)
        return results.SecurityLabel(text_of(ret.label), bool(ret.enforcing))

    async def security_labels(self) -> list[results.SecurityLabel]:
        """`DOMAIN_GET_SECURITY_LABEL_LIST`: the labels of every security driver."""
        args = w.DomainGetSecurityLabelListArgs(self.ref)
        ret = await self._call(w.DOMAIN_GET_SECURITY_LABEL_LIST, args)
        return [
            results.SecurityLabel(text_of(item.label), bool(item.enforcing)) for item in ret.labels
        ]

    async def messages(self, *, flags: int = 0) -> list[str]:
        """`DOMAIN_GET_MESSAGES`: what is doubtful about it: deprecated features, taints."""
        args = w.DomainGetMessagesArgs(self.ref, flags)
        return (await self._call(w.DOMAIN_GET_MESSAGES, args)).msgs

    async def job_info(self) -> results.JobInfo:
        """`DOMAIN_GET_JOB_INFO`: how far a save, dump or migration is."""
        ret = await self._call(w_state.DOMAIN_GET_JOB_INFO, w_state.DomainGetJobInfoArgs(self.ref))
        return results.JobInfo(
            ret.type,
            ret.time_elapsed,
            ret.time_remaining,
            ret.data_total,
            ret.data_processed,
            ret.data_remaining,
            ret.mem_total,
            ret.mem_processed,
            ret.mem_remaining,
            ret.file_total,
            ret.file_processed,
            ret.file_remaining,
        )

    async def job_stats(self, *, completed: bool = False, flags: int = 0) -> results.JobStats:
        """`DOMAIN_GET_JOB_STATS`: all that is known about its job, or about the last one."""
        from virtory.client.parameters import values_of

        args = w_state.DomainGetJobStatsArgs(self.ref, flags | completed)
        ret = await self._call(w_state.DOMAIN_GET_JOB_STATS, args)
        return results.JobStats(ret.type, values_of(ret.params))

    async def abort_job(self, *, flags: int = 0) -> None:
        """`DOMAIN_ABORT_JOB`, with flags `DOMAIN_ABORT_JOB_FLAGS`: give its job up."""
        if not flags:
            await self._call(w_state.DOMAIN_ABORT_JOB, w_state.DomainAbortJobArgs(self.ref))
            return
        args = w_state.DomainAbortJobFlagsArgs(self.ref, flags)
        await self._call(w_state.DOMAIN_ABORT_JOB_FLAGS, args)


def text_of(raw: bytes) -> str:
    """The C string in a buffer."""
    return raw.partition(b"\0")[0].decode(errors="replace")
