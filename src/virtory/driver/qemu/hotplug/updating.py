"""Changing what can change of a device while the machine runs: a link, a back end, a password.

The rule kept here: whatever else differs from what is there is refused by name, never passed over.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from virtory.driver import device_edit
from virtory.driver.device_match import agrees
from virtory.driver.qemu import traffic
from virtory.driver.qemu.hotplug import replug
from virtory.driver.qemu.part import both
from virtory.errors import ConfigUnsupported, OperationUnsupported

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from virtory.driver.device_edit import Held
    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.part import Edit
    from virtory.driver.qemu.preparation import Preparation

_UNSAID = ("alias", "address", "tty")


def is_medium(former: Any, new: Any) -> bool:
    """Whether the update is another medium; a source of a disk that has none is refused."""
    if _place(former) == _place(new):
        return False
    if not former.is_removable:
        raise ConfigUnsupported(
            "disk source can be changed only in removable drives",
            cure="copy the data to the new image (blockcopy), or use --config",
        )
    return True


def _place(disk: Any) -> tuple[Any, ...]:
    source = disk.source
    if source is None:
        return ()
    return tuple(
        value
        for value in (source.file, source.dev, source.pool, source.volume, source.name)
        if value
    )


async def update(
    guest: Guest, preparation: Preparation, former: Held, new: Any, edit: Edit | None
) -> None:
    """Let the device become what `new` says; `edit` is made in the definition with it.

    Raises OperationUnsupported for what can not change; then nothing has.
    """
    changes: dict[str, Callable[[Guest, Any, Any], Awaitable[Any]]] = {
        "disks": _disk,
        "interfaces": partial(_interface, preparation),
        "graphics": _graphics,
        "balloon": _balloon,
    }
    change = changes.get(former.field)
    if change is None:
        kind = device_edit.kind_of(new)
        raise OperationUnsupported(
            f"live update of device '{kind}' is not supported",
            cure="change it with --config and restart the domain",
        )
    changed = await change(guest, former.device, new)

    def show() -> None:
        current = next(
            one
            for one in device_edit.held(guest.domain.devices, former.field)
            if one.position == former.position
        )
        guest.domain = device_edit.changed(guest.domain, current, changed)

    await both(guest, edit, show)


async def _disk(guest: Guest, old: Any, new: Any) -> Any:
    """Nothing but its place in a start, which the next one reads."""
    allowed = ("source", "backing_store", "boot_order", "snapshot", "target", "mirror", "type")
    _refuse_others("disk", old, new, allowed)
    target = new.target
    if target.bus not in (None, old.target.bus):
        raise OperationUnsupported("cannot modify field 'bus' of the disk")
    return replace(old, boot_order=new.boot_order, snapshot=new.snapshot or old.snapshot)


def _refuse_others(kind: str, old: Any, new: Any, allowed: tuple[str, ...]) -> None:
    """What differs and may not; what `new` leaves unsaid differs in nothing."""
    for declared in type(old).declared():
        name = declared.name
        said = getattr(new, name)
        if name in allowed or name in _UNSAID or said in (None, (), declared.default):
            continue
        if said != getattr(old, name) and not agrees(getattr(old, name), said):
            raise OperationUnsupported(
                f"cannot modify field '{name}' (or its parts) of the {kind}",
                cure="change it with --config and restart the domain",
            )


async def _interface(preparation: Preparation, guest: Guest, old: Any, new: Any) -> Any:
    allowed = ("mac", "link", "target", "source", "boot_order", "type", "bandwidth", "model")
    if new.mac is not None and old.mac is not None and new.mac.address != old.mac.address:
        raise OperationUnsupported(
            f"cannot change network interface mac address from {old.mac.address} to "
            f"{new.mac.address}"
        )
    if new.model is not None and new.model != old.model:
        raise OperationUnsupported(
            f"cannot modify network device model from {old.model} to {new.model}"
        )
    movable = {"network", "bridge"}
    if new.type != old.type and not {new.type, old.type} <= movable:
        raise OperationUnsupported(
            f"unable to change config on '{old.type}' network type",
            cure="detach the interface and attach another",
        )
    _refuse_others("network device", old, new, allowed)
    source = new.source if new.source is not None else old.source
    if new.type != old.type or _where(source) != _where(old.source):
        if old.type not in movable:
            raise OperationUnsupported(
                f"unable to change the source of a '{old.type}' interface while it runs",
                cure="detach the interface and attach another",
            )
        old = await replug.replugged(guest, preparation, old, new)
    if new.bandwidth != old.bandwidth:
        if guest.plan.tap(old.alias) is None:
            raise OperationUnsupported(
                f"setting bandwidth on interfaces of type '{old.type}' is not implemented yet",
                cure="limit the traffic inside the guest",
            )
        old = replace(old, bandwidth=new.bandwidth)
        await traffic.relimit(guest, old)
    if (new.link or "up") != (old.link or "up"):
        await guest.execute("set_link", {"name": old.alias, "up": new.link != "down"})
    return replace(old, link=new.link, boot_order=new.boot_order)


def _where(source: Any) -> tuple[Any, ...]:
    if source is None:
        return ()
    names = ("network", "bridge", "dev", "portgroup")
    return tuple(getattr(source, name, None) for name in names[: 1 if source.network else 4])


async def _graphics(guest: Guest, old: Any, new: Any) -> Any:
    kind = old.type
    if kind not in ("vnc", "spice"):
        raise OperationUnsupported(f"unable to change config on '{kind}' graphics type")
    if new.port not in (None, -1, old.port) and not new.autoport:
        raise OperationUnsupported(f"cannot change port settings on {kind} graphics")
    for mine, theirs in zip(old.listens, new.listens, strict=False):
        if theirs.type != mine.type or theirs.address not in (None, mine.address):
            raise OperationUnsupported(f"cannot change listen address setting on {kind} graphics")
    if new.keymap is not None and new.keymap != old.keymap:
        raise OperationUnsupported(f"cannot change keymap setting on {kind} graphics")
    if new.passwd is None:
        return old
    if kind == "vnc" and old.passwd is None:
        raise OperationUnsupported(
            "the display was started without a password, and can not get one while it runs",
            cure="set it with --config and restart the domain",
        )
    end = _end_of(new)
    arguments = {"protocol": kind, "password": new.passwd}
    if new.connected is not None:
        arguments["connected"] = new.connected
    await guest.execute("set_password", arguments)
    await guest.execute("expire_password", {"protocol": kind, "time": end})
    return replace(
        old, passwd=new.passwd, passwd_valid_to=new.passwd_valid_to, connected=new.connected
    )


def _end_of(password: Any) -> str:
    """Until when it holds, as QMP takes it."""
    from virtory.driver.qemu.devices.display import moment

    if password.passwd_valid_to is None:
        return "never"
    try:
        return str(moment(password.passwd_valid_to))
    except ValueError:
        raise ConfigUnsupported(
            f"cannot parse password validity time '{password.passwd_valid_to}'",
            cure="such as 2030-04-09T15:51:00",
        ) from None


async def _balloon(guest: Guest, old: Any, new: Any) -> Any:
    _refuse_others("memballoon", old, new, ("stats_period", "model"))
    if new.model != old.model:
        raise OperationUnsupported("cannot modify field 'model' (or its parts) of the memballoon")
    if new.stats_period != old.stats_period:
        value = {
            "path": f"/machine/peripheral/{old.alias}",
            "property": "guest-stats-polling-interval",
            "value": new.stats_period or 0,
        }
        await guest.execute("qom-set", value)
    return replace(old, stats_period=new.stats_period)
