"""What the agent tells of the guest, as libvirt's guest information parameters.

The rule kept here: asked for by name, a group that the agent lacks is an error; asked for all, it
is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.interface import BOOLEAN, INT, STRING, UINT, ULLONG, Param
from virtory.driver.qemu.agent import understood, whole_number
from virtory.driver.qemu.disks.guest_disks import target_of
from virtory.errors import OperationUnsupported
from virtory.model.flags import DomainGuestInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.qemu.agent import Agent
    from virtory.model.domain import Domain

_OS = (
    ("id", "id"),
    ("name", "name"),
    ("pretty-name", "pretty-name"),
    ("version", "version"),
    ("version-id", "version-id"),
    ("kernel-release", "kernel-release"),
    ("kernel-version", "kernel-version"),
    ("machine", "machine"),
    ("variant", "variant"),
    ("variant-id", "variant-id"),
)


async def guest_report(agent: Agent, domain: Domain, types: int) -> list[Param]:
    """All groups in `types`, in libvirt's order; 0: all that there are."""
    params: list[Param] = []
    for bit, command, tell in _GROUPS:
        if types and not types & bit:
            continue
        try:
            answer = await agent.call(command)
        except OperationUnsupported:
            if types:
                raise
            continue
        with understood(command):
            params += tell(answer, domain)
    return params


def _users(told: Any, _: Domain) -> list[Param]:
    params = [Param("user.count", UINT, len(told))]
    for number, user in enumerate(told):
        prefix = f"user.{number}."
        params.append(Param(f"{prefix}name", STRING, str(user["user"])))
        if user.get("domain"):
            params.append(Param(f"{prefix}domain", STRING, str(user["domain"])))
        login = whole_number(float(user.get("login-time", 0)) * 1000)
        params.append(Param(f"{prefix}login-time", ULLONG, login))
    return params


def _os(told: Any, _: Domain) -> list[Param]:
    return [Param(f"os.{name}", STRING, str(told[key])) for name, key in _OS if key in told]


def _timezone(told: Any, _: Domain) -> list[Param]:
    params = []
    if told.get("zone"):
        params.append(Param("timezone.name", STRING, str(told["zone"])))
    offset = whole_number(told.get("offset", 0), 31, least=-(1 << 31))
    params.append(Param("timezone.offset", INT, offset))
    return params


def _hostname(told: Any, _: Domain) -> list[Param]:
    return [Param("hostname", STRING, str(told["host-name"]))]


def _filesystems(told: Any, domain: Domain) -> list[Param]:
    params = [Param("fs.count", UINT, len(told))]
    for number, fs in enumerate(told):
        prefix = f"fs.{number}."
        params += [
            Param(f"{prefix}mountpoint", STRING, str(fs["mountpoint"])),
            Param(f"{prefix}name", STRING, str(fs["name"])),
            Param(f"{prefix}fstype", STRING, str(fs["type"])),
        ]
        for key in ("total-bytes", "used-bytes"):
            if key in fs:
                params.append(Param(prefix + key, ULLONG, whole_number(fs[key], 64)))
        disks = fs.get("disk", ())
        params.append(Param(f"{prefix}disk.count", UINT, len(disks)))
        for place, disk in enumerate(disks):
            params += _disk_of_filesystem(f"{prefix}disk.{place}.", disk, domain)
    return params


def _disk_of_filesystem(prefix: str, disk: Any, domain: Domain) -> list[Param]:
    params = []
    serial = disk.get("serial")
    target = target_of(disk, domain)
    if target is not None:
        params.append(Param(f"{prefix}alias", STRING, target))
    if serial:
        params.append(Param(f"{prefix}serial", STRING, str(serial)))
    if disk.get("dev"):
        params.append(Param(f"{prefix}device", STRING, str(disk["dev"])))
    return params


def _disks(told: Any, domain: Domain) -> list[Param]:
    params = [Param("disk.count", UINT, len(told))]
    for number, disk in enumerate(told):
        prefix = f"disk.{number}."
        params.append(Param(f"{prefix}name", STRING, str(disk["name"])))
        params.append(Param(f"{prefix}partition", BOOLEAN, int(bool(disk.get("partition")))))
        dependencies = disk.get("dependencies", ())
        if dependencies:
            params.append(Param(f"{prefix}dependency.count", UINT, len(dependencies)))
        for place, name in enumerate(dependencies):
            params.append(Param(f"{prefix}dependency.{place}.name", STRING, str(name)))
        target = target_of(disk.get("address") or {}, domain)
        if target is not None:
            params.append(Param(f"{prefix}alias", STRING, target))
        if disk.get("alias"):
            params.append(Param(f"{prefix}guest_alias", STRING, str(disk["alias"])))
    return params


def _interfaces(told: Any, _: Domain) -> list[Param]:
    params = [Param("if.count", UINT, len(told))]
    for number, interface in enumerate(told):
        prefix = f"if.{number}."
        params.append(Param(f"{prefix}name", STRING, str(interface["name"])))
        if interface.get("hardware-address"):
            mac = str(interface["hardware-address"])
            params.append(Param(f"{prefix}hwaddr", STRING, mac))
        addresses = interface.get("ip-addresses", ())
        params.append(Param(f"{prefix}addr.count", UINT, len(addresses)))
        for place, address in enumerate(addresses):
            inner = f"{prefix}addr.{place}."
            params += [
                Param(f"{inner}type", STRING, str(address["ip-address-type"])),
                Param(f"{inner}addr", STRING, str(address["ip-address"])),
                Param(f"{inner}prefix", UINT, whole_number(address["prefix"], 8)),
            ]
    return params


_Group = tuple[int, str, "Callable[[Any, Domain], list[Param]]"]
_GROUPS: tuple[_Group, ...] = (
    (DomainGuestInfo.USERS, "guest-get-users", _users),
    (DomainGuestInfo.OS, "guest-get-osinfo", _os),
    (DomainGuestInfo.TIMEZONE, "guest-get-timezone", _timezone),
    (DomainGuestInfo.HOSTNAME, "guest-get-host-name", _hostname),
    (DomainGuestInfo.FILESYSTEM, "guest-get-fsinfo", _filesystems),
    (DomainGuestInfo.DISKS, "guest-get-disks", _disks),
    (DomainGuestInfo.INTERFACES, "guest-network-get-interfaces", _interfaces),
)
