"""`<iotune>`: a disk's limits as parameters of a call and as XML.

The rule kept here: limits of one group (bytes, requests, bursts) are replaced together: a total
excludes its parts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver import typed_params
from virtory.errors import ArgumentUnsupported, ConfigUnsupported, InvalidArgument
from virtory.model.domain.devices.disk import Iotune
from virtory.model.refs import STRING, ULLONG, Param

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.model.domain.devices.disk import Disk

_PARTS = ("total", "read", "write")
_GROUPS = ("bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max", "bytes_sec_max_length",
           "iops_sec_max_length")  # fmt: skip
_ORDER = (
    *(f"{part}_{group}" for group in _GROUPS[:4] for part in _PARTS),
    "size_iops_sec",
    "group_name",
    *(f"{part}_{group}" for group in _GROUPS[4:] for part in _PARTS),
)
COUNT = len(_ORDER)
_MOST = 10**15


def understood(params: Iterable[Param]) -> dict[str, Any]:
    """The parameters by name; InvalidArgument for one that is none or contradicts another."""
    found: dict[str, Any] = {}
    for param in params:
        if param.field not in _ORDER:
            raise InvalidArgument(f"parameter '{param.field}' not supported")
        if param.field == "group_name":
            found[param.field] = typed_params.text(param)
        else:
            found[param.field] = _limit(param)
    for group in _GROUPS[:4]:
        total, *parts = (found.get(f"{part}_{group}") for part in _PARTS)
        if total and any(parts):
            raise InvalidArgument(f"total and read/write of {group} cannot be set at the same time")
    return found


def _limit(param: Param) -> int:
    value = typed_params.number(param)
    if value > _MOST:
        raise ArgumentUnsupported(
            f"block I/O throttle limit must be no more than {_MOST} using QEMU"
        )
    return value


def merged(former: Iotune | None, wanted: dict[str, Any]) -> Iotune | None:
    """The limits that hold after the call; None without any."""
    tune = former or Iotune()
    changes: dict[str, Any] = {}
    for group in _GROUPS:
        names = [f"{part}_{group}" for part in _PARTS]
        if any(name in wanted for name in names):
            changes |= {name: wanted.get(name) or None for name in names}
    for name in ("size_iops_sec", "group_name"):
        if name in wanted:
            changes[name] = wanted[name] or None
    tune = replace(tune, **changes)
    refuse_bursts_alone(tune)
    if not any(getattr(tune, name) for name in _ORDER if name != "group_name"):
        return None
    return tune


def refuse_bursts_alone(tune: Iotune) -> None:
    """ConfigUnsupported for a burst without the limit that it exceeds, or below it."""
    for group in _GROUPS[:2]:
        for part in _PARTS:
            name = f"{part}_{group}"
            limit, burst = getattr(tune, name) or 0, getattr(tune, f"{name}_max")
            if burst and not limit:
                raise ConfigUnsupported(f"value '{name}_max' cannot be set if '{name}' is not set")
            if burst and burst < limit:
                raise ConfigUnsupported(f"value '{name}_max' cannot be smaller than '{name}'")
            if getattr(tune, f"{name}_max_length") and not getattr(tune, f"{name}_max"):
                raise InvalidArgument(f"cannot set {name}_max_length without {name}_max")


def params(disk: Disk) -> list[Param]:
    """The limits as a call tells them; 0 is none."""
    tune = disk.iotune or Iotune()
    return [
        Param(name, STRING, tune.group_name or "")
        if name == "group_name"
        else Param(name, ULLONG, getattr(tune, name) or 0)
        for name in _ORDER
    ]
