"""The guest's file systems and SSH keys by its agent, and how long the agent is waited for.

The rule kept here: what the agent says is the guest's word: checked for its form, believed no
further.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.interface.domain_inside import GuestFilesystem
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import agent as agents
from virtory.driver.qemu.disks.guest_disks import target_of
from virtory.driver.qemu.domain_lifecycle import usable_agent
from virtory.driver.qemu.part import Part
from virtory.errors import ArgumentUnsupported, InvalidArgument, OperationUnsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.model.domain import Domain

_APPEND, _REMOVE = 1, 2
_ON_DISK = 1
_SUSPENDS = {0: "guest-suspend-ram", _ON_DISK: "guest-suspend-disk", 2: "guest-suspend-hybrid"}


class DomainInsides(Part):
    """What is inside."""

    async def filesystems(self, uuid: bytes, flags: int) -> list[GuestFilesystem]:
        refuse_unknown(flags, 0, "qemuDomainGetFSInfo")
        guest = self._guest(uuid)
        told = await usable_agent(guest).call("guest-get-fsinfo")
        with agents.understood("guest-get-fsinfo"):
            return filesystems_in(told, guest.domain)

    async def ssh_keys(self, uuid: bytes, user: str, flags: int) -> list[str]:
        refuse_unknown(flags, 0, "qemuDomainAuthorizedSSHKeysGet")
        command = "guest-ssh-get-authorized-keys"
        agent = usable_agent(self._guest(uuid))
        told = await agent.call(command, {"username": user})
        with agents.understood(command):
            return [str(key) for key in told["keys"]]

    async def set_ssh_keys(self, uuid: bytes, user: str, keys: Sequence[str], flags: int) -> None:
        refuse_unknown(flags, _APPEND | _REMOVE, "qemuDomainAuthorizedSSHKeysSet")
        if flags == _APPEND | _REMOVE:
            raise InvalidArgument("keys are either appended or removed")
        arguments: dict[str, Any] = {"username": user, "keys": list(keys)}
        command = "guest-ssh-add-authorized-keys"
        if flags & _REMOVE:
            command = "guest-ssh-remove-authorized-keys"
        else:
            arguments["reset"] = not flags & _APPEND
        await usable_agent(self._guest(uuid)).call(command, arguments)

    async def pm_suspend(self, uuid: bytes, target: int, duration_s: int, flags: int) -> None:
        """0 into memory, 1 onto disk, 2 both; QEMU tells when the guest is asleep."""
        refuse_unknown(flags, 0, "qemuDomainPMSuspendForDuration")
        if duration_s:
            raise ArgumentUnsupported("Duration not supported. Use 0 for now")
        if target not in _SUSPENDS:
            raise InvalidArgument(f"Unknown suspend target: {target}")
        guest = self._guest(uuid)
        agent = usable_agent(guest)
        async with guest.job("suspend"):
            machine = await guest.soon("query-current-machine")
            if target != _ON_DISK and not machine.get("wakeup-suspend-support"):
                raise OperationUnsupported(
                    "Domain does not have suspend support",
                    cure="a machine with ACPI, such as q35, has it",
                )
            await agent.tell(_SUSPENDS[target])

    def set_agent_timeout(self, uuid: bytes, timeout_s: int, flags: int) -> None:
        """-2 for ever, -1 the daemon's own, 0 as little as can be."""
        refuse_unknown(flags, 0, "qemuDomainAgentSetResponseTimeout")
        if timeout_s < agents.BLOCK:
            raise InvalidArgument(
                f"guest agent timeout '{timeout_s}' is less than the minimum '{agents.BLOCK}'"
            )
        guest = self._guest(uuid)
        if guest.agent is not None:
            guest.agent.limit_answers(timeout_s)

    async def inspect(self, uuid: bytes, flags: int) -> str:
        import json

        from virtory.driver.qemu.inspection import inspect

        refuse_unknown(flags, 0, "virtoryDomainInspect")
        entry = self._entry(uuid)
        report = await inspect(entry, self._table, await self._preparation.host())
        report["unfinished"] = self._runtime.mending.of(uuid)
        return json.dumps(report)


def filesystems_in(told: Any, domain: Domain) -> list[GuestFilesystem]:
    """What guest-get-fsinfo says, its disks by their names in the definition."""
    return [
        GuestFilesystem(
            str(one["mountpoint"]),
            str(one["name"]),
            str(one["type"]),
            [name for disk in one.get("disk", ()) if (name := target_of(disk, domain))],
        )
        for one in told
    ]
