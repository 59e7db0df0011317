"""A machine's description with one device more, less or changed.

The rule kept here: values in, values out; disks and controllers stay in libvirt's order. A device
is held by the field of `Devices` that its element belongs to, in a row or alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.errors import XmlError
from virtory.model.domain.order import bus_of, disk_index
from virtory.model.values import Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.model.domain import Devices, Domain

_FIELDS = {"memballoon": "balloon", "memory": "memories", "graphics": "graphics"}
_CHARACTERS = ("serial", "parallel", "console", "channel")


class Held(NamedTuple):
    """One device and its place: `position` counts in its row."""

    field: str
    position: int
    device: Any


def tag_of(device: Any) -> str:
    """The name of the device's element, such as `disk`."""
    return str(type(device)._tag)


def kind_of(device: Any) -> str:
    """libvirt's word for the kind of device."""
    tag = tag_of(device)
    return "chr" if tag in _CHARACTERS else tag


def field_of(device: Any, devices: Devices) -> str:
    """The field of `Devices` that holds its kind."""
    tag = tag_of(device)
    for name in (_FIELDS.get(tag), f"{tag}s", tag):
        if name is not None and hasattr(devices, name):
            return name
    raise XmlError(f"unknown device type '{tag}'")


def held(devices: Devices, field: str) -> Iterator[Held]:
    """The devices of one field, in order."""
    value = getattr(devices, field)
    row = value if isinstance(value, tuple) else () if value is None else (value,)
    for position, device in enumerate(row):
        yield Held(field, position, device)


def every(devices: Devices) -> Iterator[Held]:
    """All devices, in the order of the XML."""
    for declared in type(devices).declared():
        if declared.name in ("emulator", "redirfilter"):
            continue
        yield from held(devices, declared.name)


def by_alias(devices: Devices, alias: str) -> Held | None:
    """The device of this name. A console that mirrors a serial port has the port's name."""
    return next(
        (one for one in every(devices) if getattr(one.device, "alias", None) == alias), None
    )


def added(domain: Domain, device: Any) -> Domain:
    """The same machine with the device at its place."""
    return _at_its_place(_with_memory(domain, device, 1), device)


def _with_memory(domain: Domain, device: Any, sign: int) -> Domain:
    """A module is part of the machine's memory."""
    if tag_of(device) != "memory":
        return domain
    size = sign * int(device.target.size)
    current = domain.current_memory
    return replace(
        domain,
        memory=Size(domain.memory + size),
        current_memory=None if current is None else Size(current + size),
    )


def _at_its_place(domain: Domain, device: Any) -> Domain:
    devices = domain.devices
    field = field_of(device, devices)
    value = getattr(devices, field)
    if not isinstance(value, tuple):
        return replace(domain, devices=replace(devices, **{field: device}))
    position = len(value)
    if field == "disks":
        position = _place(value, lambda disk: (bus_of(disk), disk_index(disk.target.dev) or 0),
                          device)  # fmt: skip
    elif field == "controllers":
        position = _place(value, lambda each: (each.type, each.index or 0), device)
    row: Any = (*value[:position], device, *value[position:])
    return replace(domain, devices=replace(devices, **{field: row}))


def appended(domain: Domain, device: Any) -> Domain:
    """The same machine with the device after all of its kind."""
    domain = _with_memory(domain, device, 1)
    field = field_of(device, domain.devices)
    value: Any = getattr(domain.devices, field)
    new: Any = (*value, device) if isinstance(value, tuple) else device
    return replace(domain, devices=replace(domain.devices, **{field: new}))


def _place(row: tuple[Any, ...], key: Any, device: Any) -> int:
    """After those of its group that come before it."""
    group, index = key(device)
    place = len(row)
    for position, each in enumerate(row):
        other, number = key(each)
        if other == group:
            if number > index:
                return position
            place = position + 1
    return place


def removed(domain: Domain, gone: Held) -> Domain:
    """The same machine without the device."""
    domain = _with_memory(domain, gone.device, -1)
    value = getattr(domain.devices, gone.field)
    rest: Any = None
    if isinstance(value, tuple):
        rest = (*value[: gone.position], *value[gone.position + 1 :])
    return replace(domain, devices=replace(domain.devices, **{gone.field: rest}))


def changed(domain: Domain, former: Held, device: Any) -> Domain:
    """The same machine with `device` in the former's place."""
    value: Any = getattr(domain.devices, former.field)
    new: Any = device
    if isinstance(value, tuple):
        new = (*value[: former.position], device, *value[former.position + 1 :])
    return replace(domain, devices=replace(domain.devices, **{former.field: new}))


def alone(domain: Domain, device: Any) -> Domain:
    """The machine with no device but this one."""
    devices = type(domain.devices)(emulator=domain.devices.emulator)
    return _at_its_place(replace(domain, devices=devices), device)
