"""Publishing a guest's ports on the host, live and in its definition.

The rule kept here: QEMU is told first, since it knows whether the port is free; what it could not
do is not written down, and what could not be written down is undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.known_flags import refuse_unknown
from virtory.driver.qemu.part import Part, affected
from virtory.errors import OperationFailed, OperationInvalid, OperationUnsupported
from virtory.model.flags import DomainAffect

if TYPE_CHECKING:
    from virtory.driver.publishing import Forward
    from virtory.driver.qemu.guest import Guest
    from virtory.model.domain import Domain

_LOWEST_FREE_PORT = 1024


class DomainPublishing(Part):
    """Ports."""

    async def publish(self, uuid: bytes, forward: Forward, flags: int) -> None:
        from virtory.driver import publishing

        refuse_unknown(flags, DomainAffect.ALL, "virtoryDomainPublish")
        publishing.checked(forward)
        entry = self._entry(uuid)
        live, config = affected(entry, flags)

        def more(domain: Domain) -> Domain:
            return publishing.with_forward(domain, forward)

        if not live:
            await self._configured(entry, more)
            return
        guest = entry.running()
        async with guest.job("publish"):
            if config:
                more(entry.configuration())  # raises what is wrong
            more(guest.domain)
            await _tell(guest, "hostfwd_add", forward)
            try:
                if config:
                    await self._configured(entry, more)
            except BaseException:
                await _tell(guest, "hostfwd_remove", forward)
                raise
            await self._show(guest, more(guest.domain))

    async def unpublish(self, uuid: bytes, forward: Forward, flags: int) -> None:
        """Wherever it is published; OperationInvalid when it is nowhere."""
        from virtory.driver import publishing

        refuse_unknown(flags, DomainAffect.ALL, "virtoryDomainPublish")
        publishing.checked(forward)
        entry = self._entry(uuid)
        live, config = affected(entry, flags)
        kept, changed, was = None, None, forward
        lacking: OperationInvalid | None = None
        if config:
            try:
                kept, _ = publishing.without_forward(entry.configuration(), forward)
            except OperationInvalid as error:
                lacking = error
        if live:
            try:
                changed, was = publishing.without_forward(entry.running().domain, forward)
            except OperationInvalid as error:
                lacking = error
        if lacking is not None and kept is None and changed is None:
            raise lacking
        if changed is not None:
            guest = entry.running()
            async with guest.job("unpublish"):
                _, was = publishing.without_forward(guest.domain, forward)
                await _tell(guest, "hostfwd_remove", was)
                changed, _ = publishing.without_forward(guest.domain, forward)
                await self._show(guest, changed)
        if kept is not None:
            await self._configured(
                entry, lambda domain: publishing.without_forward(domain, forward)[0]
            )

    async def _show(self, guest: Guest, domain: Domain) -> None:
        guest.domain = domain
        self._runtime.announce(guest.entry)
        await guest.settled()


async def _tell(guest: Guest, command: str, forward: Forward) -> None:
    """QEMU's own user-mode network is ruled by its human monitor; it answers only what failed."""
    from virtory.driver import publishing
    from virtory.driver.qemu.devices.interface import back_end_name

    card = publishing.card_of(guest.domain)
    if any(one.name == f"passt-{card.alias}" for one in guest.plan.helpers):
        raise OperationUnsupported(
            f"domain '{guest.entry.name}' is on passt, which takes forwards only when it starts",
            cure="publish with --config, and start the domain anew",
        )
    rule = f"{forward.protocol}:{forward.address or ''}:{forward.host_port}"
    if command == "hostfwd_add":
        rule += f"-:{forward.guest_port}"
    line = f"{command} {back_end_name(card)} {rule}"
    said = str(await guest.execute("human-monitor-command", {"command-line": line})).strip()
    if said and "removed" not in said:
        low = 0 < forward.host_port < _LOWEST_FREE_PORT
        raise OperationFailed(
            f"QEMU of domain '{guest.entry.name}' can not forward {forward.where}: {said}",
            cure=f"an ordinary user takes a port from {_LOWEST_FREE_PORT} on"
            if low
            else f"see who has it: ss -lnp 'sport = :{forward.host_port}'",
        )
