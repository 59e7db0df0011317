"""Another CD or floppy in the drive of a running machine.

The rule kept here: the old medium stays in the drive until the new one is open; when the guest has
locked the tray it is asked, and only `force` takes the medium away from it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver import device_edit
from virtory.driver.qemu import growth
from virtory.driver.qemu.devices import Wiring, disk
from virtory.driver.qemu.disks import block_job, disk_chain
from virtory.driver.qemu.disks.block import alias_of
from virtory.driver.qemu.hotplug.items import fragment, owned
from virtory.driver.qemu.hotplug.plugging import live_device, make, unmake
from virtory.driver.qemu.part import found_edit
from virtory.errors import InternalError, OperationFailed, VirtoryError
from virtory.model.domain import format_device, parse_device

if TYPE_CHECKING:
    from virtory.driver.device_edit import Held
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.part import Edit
    from virtory.driver.qemu.plan import Plan
    from virtory.driver.qemu.preparation import Preparation
    from virtory.model.domain.devices.disk import Disk


async def change(
    guest: Guest,
    preparation: Preparation,
    former: Held,
    new: Disk,
    edit: Edit | None,
    *,
    force: bool,
) -> None:
    """Put the medium of `new` (or none) into the drive; `edit` is made with it.

    When it raises, the old medium is in the drive as before.
    """
    old = former.device
    block_job.refuse(guest, old.target.dev)
    wanted = _with_medium(old, new)
    less = owned(guest.plan, old)
    more = await asyncio.to_thread(
        fragment, guest.plan, guest.domain, await preparation.host(), wanted
    )
    kept = growth.without(guest.plan, less)
    domain = device_edit.changed(guest.domain, former, wanted)
    drawn = live_device(domain, wanted, growth.joined(kept, more))
    intent = {
        "medium": format_device(drawn),
        "indexes": [image.index for image in more.images],
        **(edit.noted() if edit is not None else {}),
    }
    async with growth.grown(guest, more, intent) as names:
        guest.runtime.checkpoint("medium: grown")
        await _insert(guest, wanted, Wiring(domain, more, names), force=force)
    guest.runtime.checkpoint("medium: swapped")
    await _settle(guest, former, drawn, less, edit)


def _with_medium(drive: Disk, new: Disk) -> Disk:
    """The drive with the medium of `new`, or empty."""
    if new.source is None:
        return replace(drive, source=None, backing_store=None)
    return replace(
        drive,
        type=new.type,
        source=new.source,
        backing_store=new.backing_store,
        driver=new.driver or drive.driver,
    )


async def _insert(guest: Guest, wanted: Disk, wiring: Wiring, *, force: bool) -> None:
    """Open the images of the plan, and swap the medium; all or nothing."""
    chain = list(wiring.plan.images)
    items = [item for image in reversed(chain) for item in disk.nodes(image, wanted, wiring, chain)]
    await make(guest, items)
    guest.runtime.checkpoint("medium: made")
    try:
        await _swap(guest, wanted, chain[0].node if chain else None, force=force)
    except BaseException:
        await unmake(guest, items)
        raise


async def _settle(guest: Guest, former: Held, drawn: Any, less: Plan, edit: Edit | None) -> None:
    await _close(guest, former.device, less)

    def show() -> None:
        current = device_edit.by_alias(guest.domain.devices, former.device.alias)
        assert current is not None
        new = replace(drawn, target=current.device.target)
        guest.domain = device_edit.changed(guest.domain, current, new)
        guest.capacities.clear()
        guest.plugging = None

    await growth.shrink(guest, less, show, edit)


async def _close(guest: Guest, drive: Disk, images: Plan) -> None:
    """QEMU lets go of the images of a medium that is in no drive, the top first."""
    chain = list(images.images)
    for image in sorted(chain, key=lambda image: image.depth):
        await unmake(guest, disk.nodes(image, drive, Wiring(guest.domain, images), chain))


async def recover(guest: Guest, plugged: dict[str, Any]) -> None:
    """A change of medium that a daemon left: the drive says whether it came to pass."""
    drawn: Any = parse_device(plugged["medium"], lenient=True)
    former = device_edit.by_alias(guest.domain.devices, drawn.alias)
    if former is None:
        return
    chain = [image for image in guest.plan.images if image.target == drawn.target.dev]
    indexes = plugged["indexes"]
    new = [image for image in chain if image.index in indexes]
    old = [image for image in chain if image.index not in indexes]
    inserted = await _inserted(guest, former.device)
    swapped = any(image.node == inserted for image in new) or (not new and inserted is None)
    if not swapped and inserted is None and old:
        top = min(old, key=lambda image: image.depth)
        medium = {"id": disk.device_path(drawn), "node-name": top.node}
        await guest.execute("blockdev-insert-medium", medium)
    if drawn.device == "cdrom":
        with contextlib.suppress(VirtoryError):
            await guest.execute("blockdev-close-tray", {"id": disk.device_path(drawn)})
    less = disk_chain.rows_of(guest.plan, old if swapped else new)
    if swapped:
        await _settle(guest, former, drawn, less, found_edit(guest.entry, plugged))
        return
    await _close(guest, drawn, less)
    await growth.shrink(guest, less)


async def _swap(guest: Guest, old: Disk, node: str | None, *, force: bool) -> None:
    """Open the tray, take the old medium out, put the new one in, close the tray."""
    drive = {"id": disk.device_path(old)}
    below = await _inserted(guest, old)

    async def step(name: str, node: str | None = None, *, force: bool = force) -> None:
        arguments = drive if node is None else {**drive, "node-name": node}
        until = asyncio.get_running_loop().time() + guest.tray_timeout_s
        await _while_open(guest, old, name, arguments, force=force, until=until)

    try:
        if below is not None:
            await step("blockdev-remove-medium")
        if node is not None:
            try:
                await step("blockdev-insert-medium", node)
            except BaseException:
                if below is not None:  # whatever the guest did to an empty drive meanwhile
                    await step("blockdev-insert-medium", below, force=True)
                raise
        elif below is None and old.device == "cdrom":
            await _open_tray(guest, old, force=force)
    finally:
        if old.device == "cdrom":
            with contextlib.suppress(VirtoryError):
                await guest.execute("blockdev-close-tray", drive)


async def _while_open(
    guest: Guest, old: Disk, name: str, arguments: dict[str, Any], *, force: bool, until: float
) -> None:
    """One step with the tray open; a guest that closes it between ours gets it opened again."""
    if old.device != "cdrom":
        await guest.execute(name, arguments)
        return
    while True:
        await _open_tray(guest, old, force=force)
        try:
            await guest.execute(name, arguments)
        except InternalError as error:
            if "is not open" not in str(error):
                raise
            if asyncio.get_running_loop().time() >= until:
                raise OperationFailed(
                    f"the guest closes the tray of '{old.alias}' again and again",
                    cure="try again once the guest leaves the drive alone",
                ) from None
        else:
            return


async def _drive(guest: Guest, alias: str) -> dict[str, Any]:
    """What QEMU says of the drive."""
    for one in await guest.execute("query-block"):
        if alias_of(one) == alias:
            return dict(one)
    raise InternalError(f"QEMU has no drive '{alias}'")


async def _inserted(guest: Guest, old: Disk) -> str | None:
    """The node that is in the drive."""
    inserted = (await _drive(guest, old.alias or "")).get("inserted") or {}
    return str(inserted["node-name"]) if "node-name" in inserted else None


async def _open_tray(guest: Guest, old: Disk, *, force: bool) -> None:
    """A guest that has locked it is asked to open it; `force` does not ask.

    A tray that is neither open nor locked has been closed since: there is nothing to wait for.
    """
    alias = old.alias or ""
    opened = guest.tray_openings.setdefault(alias, asyncio.get_running_loop().create_future())
    try:
        await guest.execute("blockdev-open-tray", {"id": disk.device_path(old), "force": force})
        drive = await _drive(guest, alias)
        if drive.get("locked") and not drive.get("tray_open"):
            async with asyncio.timeout(guest.tray_timeout_s):
                await asyncio.shield(opened)
    except TimeoutError:
        raise OperationFailed(
            f"timed out waiting to open tray of '{alias}'",
            cure="unmount the medium in the guest, or take it away with --force",
        ) from None
    finally:
        guest.tray_openings.pop(alias, None)
