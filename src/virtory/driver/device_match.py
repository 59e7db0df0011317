"""Which device of a machine a client means, as libvirt finds it.

The rule kept here: one device or an error that says what was looked for; a device that is only
similar is never taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.device_edit import Held, by_alias, field_of, held, kind_of
from virtory.errors import DeviceNotFound, InternalError, OperationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.model.domain import Domain

    Same = Callable[[Any, Any], bool]

_IGNORED = ("alias", "address", "tty", "log", "boot_order", "boot_loadparm", "acpi_index", "rom")


def found(domain: Domain, wanted: Any) -> Held:
    """The device that `wanted`, a client's XML, means.

    Raises DeviceNotFound without one, OperationFailed when several fit.
    """
    field = field_of(wanted, domain.devices)
    same = _SAME.get(field, _alike)
    fitting = [one for one in held(domain.devices, field) if same(one.device, wanted)]
    if len(fitting) > 1 and wanted.address is not None:
        fitting = [one for one in fitting if one.device.address == wanted.address]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise DeviceNotFound(_missing(field, wanted), cure=_cure(domain, field))
    raise OperationFailed(
        _several(wanted), cure="name the one you mean by its <address> or <alias>, see dumpxml"
    )


def with_alias(domain: Domain, alias: str) -> Held:
    """The device of that name; InternalError, as libvirt has it, without one."""
    one = by_alias(domain.devices, alias)
    if one is None:
        raise InternalError(
            f"no device found with alias {alias}", cure="see the aliases in dumpxml"
        )
    return one


# -- sameness ----------------------------------------------------------------------------------


def _disk(device: Any, wanted: Any) -> bool:
    return bool(device.target.dev == wanted.target.dev)


def _interface(device: Any, wanted: Any) -> bool:
    if wanted.mac is not None and (device.mac is None or device.mac.address != wanted.mac.address):
        return False
    if wanted.alias is not None and device.alias is not None and wanted.alias != device.alias:
        return False
    return wanted.address is None or device.address is None or device.address == wanted.address


def _controller(device: Any, wanted: Any) -> bool:
    return bool(device.type == wanted.type and (device.index or 0) == (wanted.index or 0))


def _filesystem(device: Any, wanted: Any) -> bool:
    return bool(device.target == wanted.target)


def _graphics(device: Any, wanted: Any) -> bool:
    return bool(device.type == wanted.type)


def _any(device: Any, wanted: Any) -> bool:
    return True


def _hostdev(device: Any, wanted: Any) -> bool:
    if device.type != wanted.type or device.source is None or wanted.source is None:
        return False
    mine, theirs = device.source, wanted.source
    if theirs.address is not None and theirs.address == mine.address:
        return True
    return theirs.vendor is not None and (theirs.vendor, theirs.product) == (
        mine.vendor,
        mine.product,
    )


def _channel(device: Any, wanted: Any) -> bool:
    if device.type != wanted.type or device.target.type != wanted.target.type:
        return False
    if device.target.name != wanted.target.name:
        return False
    path = wanted.source.path if wanted.source is not None else None
    mine = device.source.path if device.source is not None else None
    return path is None or mine is None or path == mine


def _alike(device: Any, wanted: Any) -> bool:
    """Everything that the client says is so; what it leaves unsaid counts for nothing."""
    if wanted.alias is not None and device.alias is not None and wanted.alias != device.alias:
        return False
    if wanted.address is not None and device.address not in (None, wanted.address):
        return False
    for declared in type(wanted).declared():
        said = getattr(wanted, declared.name)
        if declared.name in _IGNORED or said in (None, ()) or said == declared.default:
            continue
        if getattr(device, declared.name) != said and not agrees(
            getattr(device, declared.name), said
        ):
            return False
    return True


def agrees(part: Any, said: Any) -> bool:
    """Whether an element that a client sent says nothing that `part`, ours, contradicts."""
    if part is None or not hasattr(said, "declared") or type(part) is not type(said):
        return False
    return all(
        getattr(said, each.name) in (None, ())
        or getattr(said, each.name) == getattr(part, each.name)
        or agrees(getattr(part, each.name), getattr(said, each.name))
        for each in type(said).declared()
    )


_SAME: dict[str, Same] = {
    "disks": _disk,
    "interfaces": _interface,
    "controllers": _controller,
    "filesystems": _filesystem,
    "graphics": _graphics,
    "balloon": _any,
    "hostdevs": _hostdev,
    "channels": _channel,
}


# -- words -------------------------------------------------------------------------------------


def _missing(field: str, wanted: Any) -> str:
    if field == "disks":
        return f"disk {wanted.target.dev} not found"
    if field == "interfaces":
        if wanted.mac is not None:
            return f"no device matching MAC address {wanted.mac.address} found"
        return "no matching network device was found"
    if field == "controllers":
        return f"controller {wanted.type}:{wanted.index or 0} not found"
    words = {"chr": "character", "rng": "RNG", "hostdev": "host"}
    kind = kind_of(wanted)
    return f"matching {words.get(kind, kind)} device not found"


def _several(wanted: Any) -> str:
    mac = getattr(wanted, "mac", None)
    if mac is not None:
        return f"multiple devices matching MAC address {mac.address} found"
    return f"multiple devices matching {kind_of(wanted)} found"


def _cure(domain: Domain, field: str) -> str | None:
    if field == "disks":
        names = ", ".join(each.target.dev for each in domain.devices.disks)
        return f"its disks are {names}" if names else "it has no disks"
    if field == "interfaces":
        names = ", ".join(str(i.mac.address) for i in domain.devices.interfaces if i.mac)
        return f"its interfaces are {names}" if names else "it has no interfaces"
    return None
