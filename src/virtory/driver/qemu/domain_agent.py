"""QEMU's own monitor, and the guest from inside by its agent.

The rule kept here: what the agent says is the guest's word: it is checked for its form before it is
passed on, and believed no further.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from virtory.driver.interface import InterfaceAddress, IpAddress
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu import agent as agents
from virtory.driver.qemu.agent_reports import guest_report
from virtory.driver.qemu.domain_lifecycle import usable_agent
from virtory.driver.qemu.guest_addresses import leased, leased_hostname, seen
from virtory.driver.qemu.monitor import MonitorGone
from virtory.driver.qemu.part import Part
from virtory.driver.qemu.qmp import QmpError
from virtory.errors import (
    FROM_NONE,
    ArgumentUnsupported,
    InternalError,
    InvalidArgument,
    VirtoryError,
)
from virtory.model.flags import (
    DomainGuestInfo,
    DomainInterfaceAddressesSource,
    DomainSetUserPassword,
    DomainTime,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.interface import Param
    from virtory.driver.qemu.guest import Guest

_HMP = 1
_MONITOR_TAINT = "custom monitor control commands issued"
_AGENT_TAINT = "custom guest agent control commands issued"
_HOSTNAME_AGENT = 2
_HOSTNAME_LEASE = 1
_NO_HOSTNAME = 108


class DomainAgents(Part):
    """Conversations."""

    async def monitor_command(self, uuid: bytes, command: str, flags: int) -> str:
        refuse_unknown(flags, _HMP, "qemuDomainQemuMonitorCommand")
        guest = self._guest(uuid)
        if _MONITOR_TAINT not in guest.messages:
            guest.messages.append(_MONITOR_TAINT)
            self._runtime.announce(guest.entry)
        async with guest.job("monitor command"):
            if flags & _HMP:
                arguments = {"command-line": command}
                return str(await guest.execute("human-monitor-command", arguments))
            return await _raw(guest, command)

    async def agent_command(
        self, uuid: bytes, command: str, timeout_s: int, flags: int
    ) -> str | None:
        refuse_unknown(flags, 0, "qemuDomainQemuAgentCommand")
        if timeout_s < agents.BLOCK:
            raise InvalidArgument(
                f"timeout '{timeout_s}' is less than the minimum '{agents.BLOCK}'"
            )
        try:
            json.loads(command)
        except ValueError as error:
            raise InternalError(f"cannot parse json {command}: {error}", domain=FROM_NONE) from None
        guest = self._guest(uuid)
        agent = usable_agent(guest)
        if _AGENT_TAINT not in guest.messages:
            guest.messages.append(_AGENT_TAINT)
        limit: float | None = float(timeout_s)
        if timeout_s == agents.BLOCK:
            limit = None
        elif timeout_s in (agents.DEFAULT, agents.NO_WAIT):
            limit = agents.SYNC_TIMEOUT_S
        reply = await agent.converse(command, timeout_s=limit)
        if "error" in reply:
            raise _refusal(command, reply["error"])
        return json.dumps(reply, separators=(",", ":"))

    async def _ask(self, uuid: bytes, command: str, arguments: dict[str, Any] | None = None) -> Any:
        return await usable_agent(self._guest(uuid)).call(command, arguments)

    # -- identity and time ---------------------------------------------------------------------
    async def guest_hostname(self, uuid: bytes, flags: int) -> str:
        refuse_unknown(flags, _HOSTNAME_AGENT | _HOSTNAME_LEASE, "qemuDomainGetHostname")
        guest = self._guest(uuid)
        if flags & _HOSTNAME_LEASE:
            if name := leased_hostname(guest, self._preparation.networks):
                return name
            raise VirtoryError(
                f"no hostname found: no hostname found for domain {guest.entry.name}",
                code=_NO_HOSTNAME,
            )
        told = await self._ask(uuid, "guest-get-host-name")
        with agents.understood("guest-get-host-name"):
            return str(told["host-name"])

    async def guest_time(self, uuid: bytes, flags: int) -> tuple[int, int]:
        refuse_unknown(flags, 0, "qemuDomainGetTime")
        told = await self._ask(uuid, "guest-get-time")
        with agents.understood("guest-get-time"):
            return divmod(agents.whole_number(told), 1_000_000_000)

    async def set_guest_time(self, uuid: bytes, seconds: int, nanoseconds: int, flags: int) -> None:
        """With SYNC the guest reads its hardware clock."""
        refuse_unknown(flags, DomainTime.ALL, "qemuDomainSetTime")
        if flags & DomainTime.SYNC:
            await self._ask(uuid, "guest-set-time")
            return
        total = seconds * 1_000_000_000 + nanoseconds
        if not 0 <= total < 1 << 63:
            raise InvalidArgument(f"Time '{seconds}' is too big for guest agent")
        await self._ask(uuid, "guest-set-time", {"time": total})
        guest = self._guest(uuid)
        if self._preparation.needs_rtc_reset(guest.domain):
            await guest.execute("rtc-reset-reinjection")

    async def set_user_password(self, uuid: bytes, user: str, password: str, flags: int) -> None:
        import base64

        encrypted = DomainSetUserPassword.ENCRYPTED
        refuse_unknown(flags, encrypted, "qemuDomainSetUserPassword")
        arguments = {
            "username": user,
            "password": base64.b64encode(password.encode()).decode(),
            "crypted": bool(flags & encrypted),
        }
        await self._ask(uuid, "guest-set-user-password", arguments)

    # -- what it has ---------------------------------------------------------------------------
    async def guest_info(self, uuid: bytes, types: int, flags: int) -> list[Param]:
        """`types` 0 asks for all that the agent can tell."""
        refuse_unknown(flags, 0, "qemuDomainGetGuestInfo")
        refuse_unknown(types, DomainGuestInfo.ALL, "qemuDomainGetGuestInfo")
        guest = self._guest(uuid)
        return await guest_report(usable_agent(guest), guest.domain, types)

    async def interface_addresses(
        self, uuid: bytes, source: int, flags: int
    ) -> list[InterfaceAddress]:
        refuse_unknown(flags, 0, "qemuDomainInterfaceAddresses")
        guest = self._guest(uuid)
        if source == DomainInterfaceAddressesSource.AGENT:
            told = await usable_agent(guest).call("guest-network-get-interfaces")
            with agents.understood("guest-network-get-interfaces"):
                return addresses_in(told)
        if source == DomainInterfaceAddressesSource.LEASE:
            return leased(guest, self._preparation.networks)
        if source == DomainInterfaceAddressesSource.ARP:
            return await asyncio.to_thread(seen, guest)
        raise ArgumentUnsupported(f"Unknown IP address data source {source}")

    # -- file systems --------------------------------------------------------------------------
    async def fs_freeze(self, uuid: bytes, mountpoints: Sequence[str], flags: int) -> int:
        refuse_unknown(flags, 0, "qemuDomainFSFreeze")
        # Without the domain's lock, here and below: the guest may have to write before it can
        # freeze, and a block job that holds its disk just then needs the lock to let go.
        agent = usable_agent(self._guest(uuid))
        if mountpoints:
            arguments = {"mountpoints": list(mountpoints)}
            return _count(await agent.call("guest-fsfreeze-freeze-list", arguments))
        return _count(await agent.call("guest-fsfreeze-freeze"))

    async def fs_thaw(self, uuid: bytes, mountpoints: Sequence[str], flags: int) -> int:
        """All of them: the agent can thaw nothing less."""
        refuse_unknown(flags, 0, "qemuDomainFSThaw")
        if mountpoints:
            raise ArgumentUnsupported("specifying mountpoints is not supported")
        agent = usable_agent(self._guest(uuid))
        return _count(await agent.call("guest-fsfreeze-thaw"))

    async def fs_trim(self, uuid: bytes, mountpoint: str | None, minimum: int, flags: int) -> None:
        refuse_unknown(flags, 0, "qemuDomainFSTrim")
        if mountpoint:
            raise ArgumentUnsupported("Specifying mount point is not supported for now")
        await self._ask(uuid, "guest-fstrim", {"minimum": minimum})


def _refusal(command: str, error: Any) -> InternalError:
    """An error that the agent answered, in libvirt's words."""
    try:
        name = json.loads(command)["execute"]
    except (ValueError, TypeError, KeyError):
        name = command
    described = error.get("desc", error) if isinstance(error, dict) else error
    return InternalError(f"unable to execute QEMU agent command '{name}': {described}")


def _count(told: Any) -> int:
    """How many file systems were frozen or thawed."""
    with agents.understood("guest-fsfreeze"):
        return agents.whole_number(told, 31)


async def _raw(guest: Guest, command: str) -> str:
    """A command as JSON text, or only its name; the whole answer as JSON text."""
    message: Any = {"execute": command}
    if command.lstrip().startswith("{"):
        try:
            message = json.loads(command)
        except ValueError as error:
            raise InternalError(f"cannot parse json {command}: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("execute"), str):
        raise InvalidArgument("a monitor command is an object with 'execute'")
    monitor = guest.met()
    identity = message.get("id", f"virtory-{time.monotonic_ns()}")
    try:
        value = await monitor.execute(message["execute"], message.get("arguments"))
    except QmpError as error:
        told: dict[str, Any] = {"class": error.error_class, "desc": error.description}
        return json.dumps({"id": identity, "error": told}, separators=(",", ":"))
    except MonitorGone:
        raise guest.gone() from None
    return json.dumps({"return": value, "id": identity}, separators=(",", ":"))


def addresses_in(told: Any) -> list[InterfaceAddress]:
    """What guest-network-get-interfaces says."""
    found = []
    for one in told:
        addresses = [
            IpAddress(
                0 if address.get("ip-address-type") == "ipv4" else 1,
                str(address["ip-address"]),
                agents.whole_number(address["prefix"], 8),
            )
            for address in one.get("ip-addresses", ())
        ]
        mac = one.get("hardware-address")
        found.append(InterfaceAddress(str(one["name"]), mac and str(mac), addresses))
    return found
