"""Places on the PCI buses, and the buses (root ports, bridges) that are missing for them.

The rule kept here: an address that is given is kept; the others are dealt out in libvirt's order,
so that the same text gets the same addresses. When a bus was missing it is added and all is dealt
anew: buses come first, for they need places themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from virtory.codec.xml import replaced as replace
from virtory.driver.qemu.definition import usb2
from virtory.driver.qemu.definition.device_defaults import insert_controller
from virtory.driver.qemu.definition.machine_kind import family
from virtory.errors import InternalError, XmlError
from virtory.model.domain.devices.address import PciAddress
from virtory.model.domain.devices.controller import Controller, ControllerTarget

if TYPE_CHECKING:
    from virtory.model.domain import Devices

Need = Literal["pci", "pcie", "root port", "root"]
Key = tuple[str, int]  # field of Devices, position in it

_ORDER: Final = ("filesystems", "interfaces", "sounds", "controllers", "disks", "hostdevs",
                 "balloon", "rngs", "watchdogs", "videos", "inputs", "serials", "vsock",
                 "iommu")  # fmt: skip
_ROOTS = ("pci-root", "pcie-root")
_BRIDGES = ("pci-bridge", "pcie-to-pci-bridge", "dmi-to-pci-bridge")
_PORTS = ("pcie-root-port", "pcie-switch-downstream-port")
_EXPRESS_NETWORK = ("virtio", "virtio-non-transitional", "e1000e", "igb", "vmxnet3")
_VIRTIO = ("virtio", "virtio-non-transitional")
_MOST_BUSES = 256
_MORE_PLACES = (
    "add <controller type='pci' model='pci-bridge'/> with --config and restart the domain",
    "add <controller type='pci' model='pcie-root-port'/> for each further device with --config, "
    "and restart the domain",
)
_CONVENTIONAL = (
    "it is a device of conventional PCI, for which this machine has no bus: choose a model that is"
    " none, such as virtio; or add <controller type='pci' model='pcie-to-pci-bridge'/> with"
    " --config and restart the domain"
)


class _Bus(NamedTuple):
    number: int
    model: str
    taken: dict[int, set[int]]  # slot → functions
    aggregated: set[int]  # slots that hold root ports, up to eight each

    @property
    def slots(self) -> range:
        if self.model in _PORTS:
            return range(1)
        return range(1, 32) if self.model in (*_ROOTS, *_BRIDGES) else range(32)


def with_pci_addresses(devices: Devices, machine: str, *, grow: bool = True) -> Devices:
    """Every PCI device with an address, and (`grow`) the buses for them.

    Raises XmlError when two devices claim one place, InternalError when no place is left and no bus
    may be added, as in a machine that runs.
    """
    kind = family(machine)
    if not any(c.type == "pci" and c.model in _ROOTS for c in devices.controllers):
        return devices
    # Whoever lists ports says how many there are; else one more is kept free, for hotplug.
    listed = any(c.type == "pci" and c.model not in _ROOTS for c in devices.controllers)
    spare = grow and kind != "q35"
    while True:
        dealing = _Dealing(devices, kind, may_grow=grow)
        given = dealing.deal(spare=spare)
        if not dealing.grown:
            return _apply(devices, given)
        spare = spare or not listed
        for index, model in dealing.grown:
            new = Controller(type="pci", index=index, model=model)
            controllers = insert_controller(devices.controllers, new)
            devices = replace(devices, controllers=controllers)


def needs(field: str, device: Any) -> Need | None:
    """What kind of place a device needs; None when it is no PCI device."""
    if field == "controllers":
        return _controller_needs(device)
    if field == "disks":
        return "pcie" if device.target.bus == "virtio" else None
    if field == "hostdevs":
        return "pcie" if device.type in ("pci", "mdev") else None
    if field == "iommu":
        return "root" if device.model == "virtio" else None
    if field == "interfaces":
        express = device.type == "hostdev" or device.model in _EXPRESS_NETWORK
        return "pcie" if express else "pci"
    if field == "balloon":
        return _by_model(device.model) if device.model != "none" else None
    if field == "videos":
        if device.model is None or device.model.type in ("none", "ramfb"):
            return None
        return "pcie" if device.model.type == "virtio" else "pci"
    if field == "inputs":
        return _by_model(device.model or "virtio") if device.bus == "virtio" else None
    if field == "watchdogs":
        return "pci" if device.model == "i6300esb" else None
    if field == "sounds":
        return {"pcspk": None, "sb16": None, "usb": None, "virtio": "pcie"}.get(device.model, "pci")
    if field == "serials":
        return "pci" if device.target and device.target.type == "pci-serial" else None
    return _by_model(getattr(device, "model", None) or "virtio")


def _by_model(model: str) -> Need:
    return "pcie" if model in _VIRTIO else "pci"


def _controller_needs(controller: Controller) -> Need | None:
    kind, model = controller.type, controller.model or ""
    if kind == "pci":
        if model in _ROOTS:
            return None
        if model == "pcie-root-port":
            return "root port"
        return "pcie" if model == "pcie-to-pci-bridge" else "pci"
    if kind == "scsi":
        return "pcie" if model in ("virtio-scsi", *_VIRTIO) else "pci"
    if kind == "usb":
        if model == "none":
            return None
        return "pcie" if model in ("qemu-xhci", "nec-xhci") else "pci"
    if kind == "virtio-serial":
        return _by_model(model or "virtio")
    return "pci" if kind in ("ide", "sata") else None


# -- one dealing --------------------------------------------------------------------------------


class _Dealing:
    """One round: places for all; buses that were missing are in `grown`, as (index, model).

    A bus that grew in the middle is used at once, as if it had been there, but was given no place
    itself: another round does that.
    """

    def __init__(self, devices: Devices, kind: str, *, may_grow: bool) -> None:
        self._devices = devices
        self._kind = kind
        self._may_grow = may_grow
        self._buses = {
            each.index or 0: _Bus(each.index or 0, each.model or "", {}, set())
            for each in devices.controllers
            if each.type == "pci"
        }
        self.grown: list[tuple[int, str]] = []

    def deal(self, *, spare: bool) -> dict[Key, PciAddress]:
        devices, kind = self._devices, self._kind
        given: dict[Key, PciAddress] = {}
        everything = _all(devices)
        for _, device, need in everything:
            if isinstance(device.address, PciAddress):
                self._take(device.address, is_root_port=need == "root port")
        for key, address in _fixed(devices, kind):
            if _place_is_free(self._buses, address):
                self._take(address)
                given[key] = address
        _reserve_chipset(self._buses, kind)
        for key, device, need in everything:
            if key not in given and device.address is None:
                place = self._beside_companions(key, device, given)
                if place is not None:
                    given[key] = place
                    continue
                own = device.index if key[0] == "controllers" and device.type == "pci" else None
                given[key] = self._give(need, own)
        if spare:
            self._find("pcie" if kind == "q35" else "pci", None)
        return given | _multifunctional(everything, given)

    def _take(self, address: PciAddress, *, is_root_port: bool = False) -> None:
        while address.bus not in self._buses:
            if address.bus >= _MOST_BUSES:
                raise XmlError(f"PCI bus {address.bus} is beyond the last possible one")
            self._grow("pcie" if self._kind == "q35" else "pci")
        bus = self._buses[address.bus]
        functions = bus.taken.setdefault(address.slot, set())
        if address.function in functions:
            raise XmlError(
                f"Attempted double use of PCI Address {address.domain:04x}:{address.bus:02x}:"
                f"{address.slot:02x}.{address.function:x}",
                cure="Leave one device's <address> away; a free one is then found.",
            )
        functions.add(address.function)
        if is_root_port and len(functions) == 1:  # the first here: others may join it
            bus.aggregated.add(address.slot)

    def _give(self, need: Need, own: int | None) -> PciAddress:
        bus, slot, function = self._find(need, own)
        bus.taken.setdefault(slot, set()).add(function)
        if need == "root port":
            bus.aggregated.add(slot)
        return PciAddress(bus=bus.number, slot=slot, function=function)

    def _beside_companions(
        self, key: Key, device: Any, given: dict[Key, PciAddress]
    ) -> PciAddress | None:
        """The place of a USB 2 controller: a slot for all of its group, its own function."""
        function = usb2.function_of(device) if key[0] == "controllers" else None
        if function is None:
            return None
        for position, each in enumerate(self._devices.controllers):
            address = given.get(("controllers", position), each.address)
            together = usb2.function_of(each) is not None and each.index == device.index
            if together and isinstance(address, PciAddress) and address.bus in self._buses:
                bus, slot = self._buses[address.bus], address.slot
                break
        else:
            bus, slot = self._slot_for_companions()
        if function in bus.taken.setdefault(slot, set()):
            return None
        bus.taken[slot].add(function)
        return PciAddress(bus=bus.number, slot=slot, function=function)

    def _slot_for_companions(self) -> tuple[_Bus, int]:
        root = self._buses[0]
        for slot in usb2.Q35_SLOTS if self._kind == "q35" else ():
            if not root.taken.get(slot):
                return root, slot
        bus, slot, _ = self._find("pci", None)
        return bus, slot

    def _find(self, need: Need, own: int | None) -> tuple[_Bus, int, int]:
        """The first free place that suits; `own` is the bus that is itself being placed."""
        for index in sorted(self._buses):
            bus = self._buses[index]
            if index == own or not _suits(bus.model, need, self._kind):
                continue
            for slot in bus.slots:
                functions = bus.taken.get(slot)
                if not functions:
                    return bus, slot, 0
                if need == "root port" and slot in bus.aggregated and len(functions) < 8:
                    return bus, slot, next(n for n in range(8) if n not in functions)
        bus = self._grow(need)
        return bus, bus.slots[0], 0

    def _grow(self, need: Need) -> _Bus:
        """One more bus of the kind that is needed, with the port that it hangs on."""
        if not self._may_grow:
            cure = _MORE_PLACES[self._kind == "q35"]
            if self._kind == "q35" and need == "pci":
                cure = _CONVENTIONAL
            raise InternalError("No more available PCI slots", cure=cure)
        if need in ("root port", "root"):
            raise XmlError("No more available PCI slots on the root bus")
        if self._kind != "q35":
            return self._add("pci-bridge")
        port = self._add("pcie-root-port")
        if need == "pcie":
            return port
        port.taken[0] = {0}
        return self._add("pcie-to-pci-bridge")

    def _add(self, model: str) -> _Bus:
        index = max(self._buses) + 1
        if index >= _MOST_BUSES:
            raise XmlError("No more available PCI slots")
        self.grown.append((index, model))
        bus = self._buses[index] = _Bus(index, model, {}, set())
        return bus


def _all(devices: Devices) -> list[tuple[Key, Any, Need]]:
    """Every PCI device in dealing order, PCI controllers (which are buses) first."""
    found: list[tuple[Key, Any, Need]] = []
    buses = sorted(
        ((c.index or 0, n, c) for n, c in enumerate(devices.controllers) if c.type == "pci"),
        key=lambda entry: entry[:2],
    )
    for _, position, controller in buses:
        need = needs("controllers", controller)
        if need is not None:
            found.append((("controllers", position), controller, need))
    for field in _ORDER:
        value = getattr(devices, field)
        for position, device in enumerate(value if isinstance(value, tuple) else (value,)):
            if device is None or (field == "controllers" and device.type == "pci"):
                continue
            need = needs(field, device)
            if need is not None and _is_pci_or_open(device.address):
                found.append(((field, position), device, need))
    return found


def _is_pci_or_open(address: object) -> bool:
    return address is None or isinstance(address, PciAddress)


def _fixed(devices: Devices, kind: str) -> list[tuple[Key, PciAddress]]:
    """Places that the chipset prescribes."""
    fixed: list[tuple[Key, PciAddress]] = []
    for position, each in enumerate(devices.controllers):
        if each.address is None and each.index == 0:
            place = _chipset_place(each, kind)
            if place is not None:
                fixed.append((("controllers", position), place))
    for position, sound in enumerate(devices.sounds):
        if kind == "q35" and sound.model == "ich9" and sound.address is None:
            fixed.append((("sounds", position), PciAddress(slot=0x1B)))
            break
    if devices.videos and devices.videos[0].address is None:
        video = devices.videos[0]
        if needs("videos", video) is not None:
            fixed.append((("videos", 0), PciAddress(slot=1 if kind == "q35" else 2)))
    return fixed


def _chipset_place(controller: Controller, kind: str) -> PciAddress | None:
    if kind == "i440fx":
        if controller.type == "ide":
            return PciAddress(slot=1, function=1)
        if controller.type == "usb" and controller.model == "piix3-uhci":
            return PciAddress(slot=1, function=2)
    if kind == "q35" and controller.type == "sata":
        return PciAddress(slot=0x1F, function=2)
    return None


def _reserve_chipset(buses: dict[int, _Bus], kind: str) -> None:
    root = buses.get(0)
    if root is not None:
        slot = 0x1F if kind == "q35" else 1
        root.taken.setdefault(slot, set()).add(0)  # the ISA bridge; it is in no definition


def _place_is_free(buses: dict[int, _Bus], address: PciAddress) -> bool:
    taken = buses[0].taken.get(address.slot, set())
    return address.function not in taken and (address.function != 0 or not taken)


def _suits(model: str, need: Need, kind: str) -> bool:
    if need in ("root port", "root"):
        return model in _ROOTS
    if kind != "q35":
        return model in ("pci-root", "pci-bridge")
    return model in (_PORTS if need == "pcie" else _BRIDGES)


# -- writing the result -------------------------------------------------------------------------


def _apply(devices: Devices, given: dict[Key, PciAddress]) -> Devices:
    changes: dict[str, Any] = {}
    for (field, position), address in given.items():
        value = changes.get(field, getattr(devices, field))
        if isinstance(value, tuple):
            row = list(value)
            row[position] = replace(row[position], address=address)
            changes[field] = tuple(row)
        else:
            changes[field] = replace(value, address=address)
    controllers = changes.get("controllers", devices.controllers)
    changes["controllers"] = tuple(_described(each) for each in controllers)
    return replace(devices, **changes)


def _described(controller: Controller) -> Controller:
    """A bus with QEMU's name of its model and what it shows in the guest."""
    if controller.type != "pci" or controller.model in _ROOTS:
        return controller
    model, address = controller.model or "", controller.address
    changes: dict[str, Any] = {}
    if controller.model_name is None:
        changes["model_name"] = {"pcie-to-pci-bridge": "pcie-pci-bridge"}.get(model, model)
    target = controller.target or ControllerTarget()
    if model == "pcie-root-port" and isinstance(address, PciAddress):
        chassis = controller.index if target.chassis is None else target.chassis
        port = (address.slot << 3) + address.function if target.port is None else target.port
        changes["target"] = replace(target, chassis=chassis, port=port)
    elif model == "pci-bridge" and target.chassis_number is None:
        changes["target"] = replace(target, chassis_number=controller.index)
    return replace(controller, **changes) if changes else controller


def _multifunctional(
    everything: list[tuple[Key, Any, Need]], given: dict[Key, PciAddress]
) -> dict[Key, PciAddress]:
    """Function 0 says so where its slot has other functions: the addresses that change."""
    places = {key: given.get(key, device.address) for key, device, _ in everything}
    shared = {(place.bus, place.slot) for place in places.values() if place.function}
    return {
        key: replace(place, multifunction=True)
        for key, place in places.items()
        if not place.function and place.multifunction is None and (place.bus, place.slot) in shared
    }
