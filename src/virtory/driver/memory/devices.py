"""Domains in memory: devices attached, detached, changed.

The rule kept here: both descriptions or neither; a guest lets go of everything at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from virtory.driver import device_edit, publishing
from virtory.driver.device_match import found, with_alias
from virtory.driver.memory.flags_check import only
from virtory.errors import OperationFailed, XmlError
from virtory.model import flags as f
from virtory.model.domain import parse_device, problems
from virtory.model.events import DeviceAdded, DeviceRemoved

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.memory.host import Host
    from virtory.driver.memory.machine import Machine
    from virtory.driver.publishing import Forward
    from virtory.model.domain import Domain

    Change = Callable[[Domain], Domain]


class Devices:
    """The part of the driver that changes what domains have."""

    _host: Host

    async def attach_device(self, uuid: bytes, xml: str, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainAttachDeviceFlags")
        machine = self._host.machine(uuid)
        device: Any = parse_device(xml)
        if device_edit.tag_of(device) == "interface" and device.mac is None:
            from virtory.driver.memory.machine import with_mac

            device = with_mac(device)
        name = _name(device)
        live = self._change(machine, flags, lambda domain: _added(domain, device))
        if live:
            self._host.bus.publish(DeviceAdded(machine.ref, name))

    async def detach_device(self, uuid: bytes, xml: str, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainDetachDeviceFlags")
        wanted = parse_device(xml)
        self._remove(self._host.machine(uuid), flags, lambda domain: found(domain, wanted))

    async def detach_device_alias(self, uuid: bytes, alias: str, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainDetachDeviceAlias")
        self._remove(self._host.machine(uuid), flags, lambda domain: with_alias(domain, alias))

    async def update_device(self, uuid: bytes, xml: str, flags: int) -> None:
        only(flags, f.DomainDeviceModify.ALL, "testDomainUpdateDeviceFlags")
        device: Any = parse_device(xml)

        def changed(domain: Domain) -> Domain:
            former = found(domain, device)
            kept = {
                name: getattr(former.device, name)
                for name in ("alias", "address")
                if getattr(device, name, None) is None and hasattr(device, name)
            }
            return device_edit.changed(domain, former, replace(device, **kept))

        self._change(self._host.machine(uuid), flags, changed)

    # -- ports ---------------------------------------------------------------------------------
    async def publish(self, uuid: bytes, forward: Forward, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "virtoryDomainPublish")
        publishing.checked(forward)
        machine = self._host.machine(uuid)
        self._change(machine, flags, lambda domain: publishing.with_forward(domain, forward))

    async def unpublish(self, uuid: bytes, forward: Forward, flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "virtoryDomainPublish")
        machine = self._host.machine(uuid)
        self._change(machine, flags, lambda domain: publishing.without_forward(domain, forward)[0])

    def _remove(self, machine: Machine, flags: int, find: Callable[[Domain], Any]) -> None:
        names: list[str] = []

        def without(domain: Domain) -> Domain:
            gone = find(domain)
            names.append(_name(gone.device))
            return device_edit.removed(domain, gone)

        if self._change(machine, flags, without):
            self._host.bus.publish(DeviceRemoved(machine.ref, names[0]))

    def _change(self, machine: Machine, flags: int, change: Change) -> bool:
        """Both descriptions that are meant, or neither; whether the running one was."""
        live, config = machine.affected(flags & f.DomainAffect.ALL)
        running = change(machine.live) if live and machine.live is not None else None
        defined = None
        if config and machine.definition is not None:
            defined = change(machine.definition)
        machine.live = running or machine.live
        machine.definition = defined or machine.definition
        return running is not None


def _added(domain: Domain, device: Any) -> Domain:
    if device_edit.tag_of(device) == "disk" and any(
        each.target.dev == device.target.dev for each in domain.devices.disks
    ):
        raise OperationFailed(f"target {device.target.dev} already exists")
    changed = device_edit.added(domain, device)
    wrong = problems(changed)
    if wrong:
        raise XmlError("; ".join(f"{path}: {message}" for path, message in wrong))
    return changed


def _name(device: Any) -> str:
    """Its alias, or what would do for one."""
    if device.alias:
        return str(device.alias)
    target = getattr(device, "target", None)
    return str(getattr(target, "dev", None) or device_edit.tag_of(device))
