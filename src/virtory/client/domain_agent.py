"""A domain's inside, through QEMU's monitor and the guest agent.

The rule kept here: the agent is the guest's; a guest without one raises `ArgumentUnsupported` or
`AgentUnresponsive`, never silence.
"""

from __future__ import annotations

from virtory.client.domain_handle import DomainHandle
from virtory.client.later import Later
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.client import parameters, results
    from virtory.client.results import Params
    from virtory.wire import qemu
    from virtory.wire.remote import domain as w_domain
    from virtory.wire.remote import domain_agent as w
    from virtory.wire.remote import domain_device as w_device
else:
    parameters = Later("virtory.client.parameters")
    results = Later("virtory.client.results")
    qemu = Later("virtory.wire.qemu")
    w_domain = Later("virtory.wire.remote.domain")
    w = Later("virtory.wire.remote.domain_agent")
    w_device = Later("virtory.wire.remote.domain_device")

WAIT_FOREVER, WAIT_DEFAULT, NO_WAIT = -2, -1, 0


class DomainAgent(DomainHandle):
    """What a domain's QEMU and guest say."""

    __slots__ = ()

    async def monitor_command(self, command: str, *, human: bool = False, flags: int = 0) -> str:
        """`QEMU_PROC_DOMAIN_MONITOR_COMMAND`: run a QMP command, or a human monitor's line."""
        args = qemu.DomainMonitorCommandArgs(self.ref, command, flags | human)
        return (await self._call(qemu.DOMAIN_MONITOR_COMMAND, args)).result

    async def monitor_command_with_files(
        self, command: str, files: Sequence[int] = (), *, flags: int = 0
    ) -> tuple[str, list[int]]:
        """`QEMU_PROC_DOMAIN_MONITOR_COMMAND_WITH_FILES`: descriptors go along and may come back.

        `files` stay the caller's; the descriptors returned are the caller's too.
        """
        args = qemu.DomainMonitorCommandWithFilesArgs(self.ref, command, flags)
        reply = await self.caller.ask(qemu.DOMAIN_MONITOR_COMMAND_WITH_FILES, args, files)
        ret: qemu.DomainMonitorCommandWithFilesRet = reply.ret
        return ret.result, list(reply.fds)

    async def agent_command(
        self, command: str, *, timeout_s: int = WAIT_DEFAULT, flags: int = 0
    ) -> str | None:
        """`QEMU_PROC_DOMAIN_AGENT_COMMAND`: run an agent command, JSON in and out.

        `timeout_s`: seconds, 0 none, -1 the daemon's default, -2 for ever.
        """
        args = qemu.DomainAgentCommandArgs(self.ref, command, timeout_s, flags)
        return (await self._call(qemu.DOMAIN_AGENT_COMMAND, args)).result

    async def set_agent_timeout(self, timeout_s: int, *, flags: int = 0) -> None:
        """`DOMAIN_AGENT_SET_RESPONSE_TIMEOUT`: how long calls here wait for the agent."""
        args = w.DomainAgentSetResponseTimeoutArgs(self.ref, timeout_s, flags)
        await self._call(w.DOMAIN_AGENT_SET_RESPONSE_TIMEOUT, args)

    async def guest_info(self, types: int = 0, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_GUEST_INFO`: users, OS, time zone, host name, file systems, by name.

        `types`: `flags.DomainGuestInfo`, 0 for all that the agent knows.
        """
        args = w.DomainGetGuestInfoArgs(self.ref, types, flags)
        return parameters.values_of((await self._call(w.DOMAIN_GET_GUEST_INFO, args)).params)

    async def hostname(self, *, flags: int = 0) -> str:
        """`DOMAIN_GET_HOSTNAME`: what the guest calls itself."""
        args = w_domain.DomainGetHostnameArgs(self.ref, flags)
        return (await self._call(w_domain.DOMAIN_GET_HOSTNAME, args)).hostname

    async def time(self, *, flags: int = 0) -> results.GuestTime:
        """`DOMAIN_GET_TIME`: the guest's clock, since the epoch in UTC."""
        ret = await self._call(w.DOMAIN_GET_TIME, w.DomainGetTimeArgs(self.ref, flags))
        return results.GuestTime(ret.seconds, ret.nseconds)

    async def set_time(
        self, seconds: int, nanoseconds: int = 0, *, sync: bool = False, flags: int = 0
    ) -> None:
        """`DOMAIN_SET_TIME`: set the guest's clock; `sync` takes it from its own RTC."""
        args = w.DomainSetTimeArgs(self.ref, seconds, nanoseconds, flags | sync)
        await self._call(w.DOMAIN_SET_TIME, args)

    async def filesystems(self, *, flags: int = 0) -> list[results.GuestFilesystem]:
        """`DOMAIN_GET_FSINFO`: the guest's mounted file systems."""
        ret = await self._call(w.DOMAIN_GET_FSINFO, w.DomainGetFsinfoArgs(self.ref, flags))
        return [
            results.GuestFilesystem(item.mountpoint, item.name, item.fstype, item.dev_aliases)
            for item in ret.info
        ]

    async def fs_freeze(self, mountpoints: Sequence[str] = (), *, flags: int = 0) -> int:
        """`DOMAIN_FSFREEZE`: freeze file systems (all without names); how many there are."""
        args = w.DomainFsfreezeArgs(self.ref, list(mountpoints), flags)
        return (await self._call(w.DOMAIN_FSFREEZE, args)).filesystems

    async def fs_thaw(self, mountpoints: Sequence[str] = (), *, flags: int = 0) -> int:
        """`DOMAIN_FSTHAW`: thaw file systems; how many there were."""
        args = w.DomainFsthawArgs(self.ref, list(mountpoints), flags)
        return (await self._call(w.DOMAIN_FSTHAW, args)).filesystems

    async def fs_trim(
        self, mountpoint: str | None = None, *, minimum: int = 0, flags: int = 0
    ) -> None:
        """`DOMAIN_FSTRIM`: give unused blocks back; `minimum` bytes in a row."""
        args = w.DomainFstrimArgs(self.ref, mountpoint, minimum, flags)
        await self._call(w.DOMAIN_FSTRIM, args)

    async def guest_vcpus(self, *, flags: int = 0) -> Params:
        """`DOMAIN_GET_GUEST_VCPUS`: which vCPUs the guest's system uses."""
        args = w.DomainGetGuestVcpusArgs(self.ref, flags)
        return parameters.values_of((await self._call(w.DOMAIN_GET_GUEST_VCPUS, args)).params)

    async def set_guest_vcpus(self, vcpus: str, online: bool, *, flags: int = 0) -> None:
        """`DOMAIN_SET_GUEST_VCPUS`: have the guest's system use vCPUs like `0-2`, or not."""
        args = w.DomainSetGuestVcpusArgs(self.ref, vcpus, int(online), flags)
        await self._call(w.DOMAIN_SET_GUEST_VCPUS, args)

    async def ssh_keys(self, user: str, *, flags: int = 0) -> list[str]:
        """`DOMAIN_AUTHORIZED_SSH_KEYS_GET`: the keys that may log in as `user`."""
        args = w.DomainAuthorizedSshKeysGetArgs(self.ref, user, flags)
        return (await self._call(w.DOMAIN_AUTHORIZED_SSH_KEYS_GET, args)).keys

    async def set_ssh_keys(self, user: str, keys: Sequence[str], *, flags: int = 0) -> None:
        """`DOMAIN_AUTHORIZED_SSH_KEYS_SET`: replace them; flags 1 appends, 2 removes."""
        args = w.DomainAuthorizedSshKeysSetArgs(self.ref, user, list(keys), flags)
        await self._call(w.DOMAIN_AUTHORIZED_SSH_KEYS_SET, args)

    async def set_password(self, user: str, password: str, *, flags: int = 0) -> None:
        """`DOMAIN_SET_USER_PASSWORD`: flags 1 when `password` is already crypted."""
        args = w.DomainSetUserPasswordArgs(self.ref, user, password, flags)
        await self._call(w.DOMAIN_SET_USER_PASSWORD, args)

    async def signal(self, pid: int, signal: int, *, flags: int = 0) -> None:
        """`DOMAIN_SEND_PROCESS_SIGNAL`: send a process of the guest a signal."""
        args = w_device.DomainSendProcessSignalArgs(self.ref, pid, signal, flags)
        await self._call(w_device.DOMAIN_SEND_PROCESS_SIGNAL, args)
