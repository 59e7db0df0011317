"""Devices attached to a domain, detached from it, changed; media, link states.

The rule kept here: what is sent is the XML that `--print-xml` shows; a guest that keeps what it was
asked to give up is named, since the call itself does not wait for ever.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from virtory.cli.files import text_of
from virtory.cli.output import Done, Output, Text
from virtory.cli.verb import ACTIVE, CONFIG, CURRENT, DOMAIN, LIVE, argument, flag, option, verb
from virtory.errors import OperationFailed
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

_PERSISTENT = flag("persistent", "as --config; of a running domain also --live")
_FILE = argument("file", "XML of the device", complete="file")
_PRINT = flag("print-xml", "show the XML instead")
_FORCE = 4


async def _affected(
    terminal: Terminal,
    domain: str,
    *,
    live: bool,
    config: bool,
    current: bool,
    persistent: bool = False,
) -> tuple[Domain, int]:
    """The domain, and which of its descriptions is to change."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    if persistent:
        return machine, modification(await machine.is_active(), True, current)
    return machine, modification(live, config, current)


def _printed(element: Element) -> str:
    ElementTree.indent(element)
    element.tail = None
    return ElementTree.tostring(element, encoding="unicode") + "\n"


# -- by XML ------------------------------------------------------------------------------------


@verb("attach-device", "tune", "add a device", DOMAIN, _FILE, _PERSISTENT, CONFIG, LIVE, CURRENT)
async def attach_device(
    terminal: Terminal,
    domain: str,
    file_: str,
    **when: bool,
) -> Output:
    """`virsh attach-device`."""
    machine, flags = await _affected(terminal, domain, **when)
    await machine.attach_device(text_of(file_), flags=flags)
    return Done("Device attached successfully", name=machine.name)


@verb("detach-device", "tune", "remove a device", DOMAIN, _FILE, _PERSISTENT, CONFIG, LIVE, CURRENT)
async def detach_device(
    terminal: Terminal,
    domain: str,
    file_: str,
    **when: bool,
) -> Output:
    """`virsh detach-device`."""
    machine, flags = await _affected(terminal, domain, **when)
    await machine.detach_device(text_of(file_), flags=flags)
    return Done("Device detached successfully", name=machine.name)


@verb(
    "detach-device-alias",
    "tune",
    "remove the device of that alias",
    DOMAIN,
    argument("alias", "as in dumpxml"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def detach_device_alias(terminal: Terminal, domain: str, alias: str, **when: bool) -> Output:
    """`virsh detach-device-alias`."""
    machine, flags = await _affected(terminal, domain, **when)
    await machine.detach_device_alias(alias, flags=flags)
    return Done("Device detach request sent successfully", name=machine.name)


@verb(
    "update-device",
    "tune",
    "change a device",
    DOMAIN,
    _FILE,
    _PERSISTENT,
    CONFIG,
    LIVE,
    CURRENT,
    flag("force", "even against the guest's will"),
)
async def update_device(
    terminal: Terminal,
    domain: str,
    file_: str,
    force: bool,
    **when: bool,
) -> Output:
    """`virsh update-device`."""
    machine, flags = await _affected(terminal, domain, **when)
    await machine.update_device(text_of(file_), flags=flags | force * _FORCE)
    return Done("Device updated successfully", name=machine.name)


# -- disks -------------------------------------------------------------------------------------


@verb(
    "attach-disk",
    "tune",
    "add a disk",
    DOMAIN,
    argument("source", "the image or block device", complete="file"),
    argument("target", "its name in the guest, such as vdb"),
    option("targetbus", "virtio, scsi, usb …"),
    option("driver", "qemu"),
    option("subdriver", "the image's format: raw, qcow2"),
    option("iothread", "number of the I/O thread that serves it"),
    option("cache", "none, writeback, writethrough, directsync, unsafe"),
    option("io", "threads, native, io_uring"),
    option("type", "disk, cdrom, floppy"),
    option("mode", "readonly, shareable"),
    option("sourcetype", "file or block"),
    option("serial", "its serial number"),
    option("wwn", "its world wide name"),
    option("alias", "a name of your own, ua-…"),
    flag("rawio", "not served"),
    option("address", "its place: pci:0.2.0.0, scsi:0.0.1, usb:0.1"),
    flag("multifunction", "of a PCI place"),
    _PRINT,
    _PERSISTENT,
    CONFIG,
    LIVE,
    CURRENT,
)
async def attach_disk(
    terminal: Terminal,
    domain: str,
    print_xml: bool,
    persistent: bool,
    config: bool,
    live: bool,
    current: bool,
    **given: Any,
) -> Output:
    """`virsh attach-disk`."""
    disk = _disk_element(**given)
    if print_xml:
        return Text(_printed(disk))
    machine, flags = await _affected(
        terminal, domain, live=live, config=config, current=current, persistent=persistent
    )
    await machine.attach_device(_printed(disk), flags=flags)
    return Done("Disk attached successfully", name=machine.name, target=given["target"])


def _disk_element(source: str, target: str, **given: Any) -> Element:
    kind = given["sourcetype"] or ("block" if source.startswith("/dev/") else "file")
    disk = Element("disk", type=kind)
    if given["type_"] is not None:
        disk.set("device", given["type_"])
    if given["rawio"]:
        disk.set("rawio", "yes")
    names = {"driver": "name", "subdriver": "type", "iothread": "iothread", "cache": "cache",
             "io": "io"}  # fmt: skip
    options = {name: given[key] for key, name in names.items() if given[key] is not None}
    if options:
        SubElement(disk, "driver", {"name": "qemu", **options})
    if source:
        SubElement(disk, "source", {"dev" if kind == "block" else "file": source})
    place = SubElement(disk, "target", dev=target)
    if given["targetbus"] is not None:
        place.set("bus", given["targetbus"])
    if given["mode"] in ("readonly", "shareable"):
        SubElement(disk, given["mode"])
    for name in ("serial", "wwn"):
        if given[name] is not None:
            SubElement(disk, name).text = given[name]
    if given["alias"] is not None:
        SubElement(disk, "alias", name=given["alias"])
    if given["address"] is not None:
        disk.append(_address(given["address"], multifunction=given["multifunction"]))
    return disk


_PLACES = {
    "pci": ("domain", "bus", "slot", "function"),
    "scsi": ("controller", "bus", "unit"),
    "sata": ("controller", "bus", "unit"),
    "ide": ("controller", "bus", "unit"),
    "usb": ("bus", "port"),
}


def _address(text: str, *, multifunction: bool) -> Element:
    """`<address>` for virsh's short form; PCI's numbers are hexadecimal."""
    from virtory.cli.parse import Usage

    kind, _, rest = text.partition(":")
    names, numbers = _PLACES.get(kind, ()), rest.replace(":", ".").split(".")
    if not names or len(numbers) != len(names):
        raise Usage(f"'{text}' is no address", "pci:0000.02.00.0, scsi:0.0.1, sata:0.0.1, usb:0.1")
    form = "0x{}" if kind == "pci" else "{}"
    address = Element("address", type=kind if kind in ("pci", "usb") else "drive")
    for name, number in zip(names, numbers, strict=True):
        address.set(name, form.format(number.removeprefix("0x")))
    if multifunction:
        address.set("multifunction", "on")
    return address


@verb(
    "detach-disk",
    "tune",
    "remove a disk",
    DOMAIN,
    argument("target", "its name in the guest, such as vdb"),
    _PERSISTENT,
    CONFIG,
    LIVE,
    CURRENT,
    _PRINT,
)
async def detach_disk(
    terminal: Terminal,
    domain: str,
    target: str,
    print_xml: bool,
    **when: bool,
) -> Output:
    """`virsh detach-disk`."""
    machine, flags = await _affected(terminal, domain, **when)
    disk = await _disk(machine, target, inactive=flags == 2)
    if print_xml:
        return Text(_printed(disk))
    await machine.detach_device(_printed(disk), flags=flags)
    if flags != 2 and await machine.is_active() and _find_disk(await _root(machine), target):
        terminal.warn(
            f"the guest has not let go of {target} yet; it goes when it does "
            "(virtory event --event device-removed)"
        )
    return Done("Disk detached successfully", name=machine.name, target=target)


async def _root(machine: Domain, *, inactive: bool = False) -> Element:
    from virtory.cli.described import read

    return read(await machine.xml(inactive=inactive))


def _find_disk(root: Element, target: str) -> list[Element]:
    return [
        disk
        for disk in root.iterfind("devices/disk")
        if target in (_attribute(disk, "target", "dev"), _attribute(disk, "source", "file"),
                      _attribute(disk, "source", "dev"))
    ]  # fmt: skip


def _attribute(element: Element, child: str, name: str) -> str | None:
    found = element.find(child)
    return None if found is None else found.get(name)


async def _disk(machine: Domain, target: str, *, inactive: bool) -> Element:
    found = _find_disk(await _root(machine, inactive=inactive), target)
    if not found:
        raise OperationFailed(
            f"No disk found whose source path or target is {target}",
            cure=f"see 'virtory domblklist {machine.name}'",
        )
    return found[0]


# -- media -------------------------------------------------------------------------------------


@verb(
    "change-media",
    "tune",
    "change the CD or floppy in a drive",
    DOMAIN,
    argument("path", "the drive's target, such as sda"),
    argument("source", "the new medium", required=False, complete="file"),
    flag("eject", "take it out"),
    flag("insert", "put one into the empty drive"),
    flag("update", "put another in"),
    CURRENT,
    LIVE,
    CONFIG,
    flag("force", "even when the guest has locked the tray"),
    _PRINT,
    flag("block", "the medium is a block device"),
)
async def change_media(
    terminal: Terminal,
    domain: str,
    path: str,
    source: str | None,
    eject: bool,
    insert: bool,
    update: bool,
    force: bool,
    print_xml: bool,
    block: bool,
    **when: bool,
) -> Output:
    """`virsh change-media`."""
    from virtory.cli.parse import Usage

    if eject + insert + update > 1:
        raise Usage("--eject, --insert and --update exclude each other")
    if (insert or update) and source is None:
        raise Usage("change-media: name a source, or give --eject")
    machine, flags = await _affected(terminal, domain, **when)
    drive = await _disk(machine, path, inactive=flags == 2)
    if drive.get("device") not in ("cdrom", "floppy"):
        raise OperationFailed(f"The disk device '{path}' is not removable")
    former = drive.find("source")
    eject = eject or source is None
    if eject and former is None:
        raise OperationFailed(f"The disk device '{path}' doesn't have media")
    if insert and former is not None:
        raise OperationFailed(f"The disk device '{path}' already has media")
    for name in ("source", "backingStore"):
        for child in drive.findall(name):
            drive.remove(child)
    if not eject and source is not None:
        drive.set("type", "block" if block else "file")
        SubElement(drive, "source", {"dev" if block else "file": source})
    if print_xml:
        return Text(_printed(drive))
    await machine.update_device(_printed(drive), flags=flags | force * _FORCE)
    word = "ejected" if eject else "inserted" if insert else "updated"
    return Done(f"Successfully {word} media.", name=machine.name, target=path)


# -- interfaces --------------------------------------------------------------------------------

_SOURCES = {"network": "network", "bridge": "bridge", "direct": "dev"}


@verb(
    "attach-interface",
    "tune",
    "add a network card",
    DOMAIN,
    argument("type", "network, bridge, direct or user"),
    argument("source", "the network, bridge or device", required=False),
    option("target", "the tap's name on the host"),
    option("mac", "its address; one is drawn without it"),
    option("script", "not served"),
    option("model", "virtio, e1000e …"),
    option("alias", "a name of your own, ua-…"),
    option("inbound", "average,peak,burst in KiB/s and KiB"),
    option("outbound", "average,peak,burst in KiB/s and KiB"),
    flag("managed", "of a host's device: not served"),
    option("source-mode", "of a direct interface: bridge, vepa, private, passthrough"),
    _PERSISTENT,
    CONFIG,
    LIVE,
    CURRENT,
    _PRINT,
)
async def attach_interface(
    terminal: Terminal,
    domain: str,
    persistent: bool,
    config: bool,
    live: bool,
    current: bool,
    print_xml: bool,
    **given: Any,
) -> Output:
    """`virsh attach-interface`."""
    card = _interface_element(**given)
    if print_xml:
        return Text(_printed(card))
    machine, flags = await _affected(
        terminal, domain, live=live, config=config, current=current, persistent=persistent
    )
    await machine.attach_device(_printed(card), flags=flags)
    return Done("Interface attached successfully", name=machine.name)


def _interface_element(type_: str, source: str | None, **given: Any) -> Element:
    card = Element("interface", type=type_)
    if given["managed"]:
        card.set("managed", "yes")
    if type_ in _SOURCES and source is not None:
        place = SubElement(card, "source", {_SOURCES[type_]: source})
        if given["source_mode"] is not None:
            place.set("mode", given["source_mode"])
    for tag, name in (
        ("target", "dev"),
        ("script", "path"),
        ("mac", "address"),
        ("model", "type"),
        ("alias", "name"),
    ):
        if given[tag] is not None:
            SubElement(card, tag, {name: given[tag]})
    _limit(card, given["inbound"], given["outbound"])
    return card


def _limit(card: Element, inbound: str | None, outbound: str | None) -> None:
    """`<bandwidth>` for virsh's `average,peak,burst`."""
    if inbound is None and outbound is None:
        return
    bandwidth = SubElement(card, "bandwidth")
    for way, text in (("inbound", inbound), ("outbound", outbound)):
        if text is not None:
            names = ("average", "peak", "burst")
            given = zip(names, text.split(","), strict=False)
            SubElement(bandwidth, way, {name: value for name, value in given if value})


@verb(
    "detach-interface",
    "tune",
    "remove a network card",
    DOMAIN,
    argument("type", "network, bridge, direct or user"),
    option("mac", "which one, when there are several"),
    _PERSISTENT,
    CONFIG,
    LIVE,
    CURRENT,
    _PRINT,
)
async def detach_interface(
    terminal: Terminal,
    domain: str,
    type_: str,
    mac: str | None,
    print_xml: bool,
    **when: bool,
) -> Output:
    """`virsh detach-interface`."""
    machine, flags = await _affected(terminal, domain, **when)
    root = await _root(machine, inactive=flags == 2)
    cards = [c for c in root.iterfind("devices/interface") if c.get("type") == type_]
    card = _one_card(cards, mac, f"No interface found whose type is {type_}")
    if print_xml:
        return Text(_printed(card))
    address = _attribute(card, "mac", "address")
    await machine.detach_device(_printed(card), flags=flags)
    if flags != 2 and await machine.is_active() and _has_card(await _root(machine), address):
        terminal.warn(f"the guest has not let go of {address} yet; it goes when it does")
    return Done("Interface detached successfully", name=machine.name, mac=address)


def _has_card(root: Element, mac: str | None) -> bool:
    return any(
        _attribute(card, "mac", "address") == mac for card in root.iterfind("devices/interface")
    )


def _one_card(cards: list[Element], mac: str | None, nothing: str) -> Element:
    if not cards:
        raise OperationFailed(nothing)
    if mac is not None:
        cards = [c for c in cards if _attribute(c, "mac", "address") == mac.lower()]
        if not cards:
            raise OperationFailed(f"No interface with MAC address {mac} was found")
    if len(cards) > 1:
        known = ", ".join(str(_attribute(card, "mac", "address")) for card in cards)
        raise OperationFailed(
            f"Domain has {len(cards)} interfaces. Please specify which one to detach using --mac",
            cure=f"they are {known}",
        )
    return cards[0]


@verb(
    "domif-setlink",
    "tune",
    "plug a network card's cable in or pull it",
    ACTIVE,
    argument("interface", "its MAC address, or the tap's name"),
    argument("state", "up or down", choices=("up", "down")),
    CONFIG,
    _PRINT,
)
async def domif_setlink(
    terminal: Terminal, domain: str, interface: str, state: str, config: bool, print_xml: bool
) -> Output:
    """`virsh domif-setlink`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    active = await machine.is_active()
    flags = modification(False, config or not active, False)
    for card in (await _root(machine, inactive=config)).iterfind("devices/interface"):
        names = (_attribute(card, "mac", "address"), _attribute(card, "target", "dev"))
        if interface.lower() in names:
            for link in card.findall("link"):
                card.remove(link)
            SubElement(card, "link", state=state)
            if print_xml:
                return Text(_printed(card))
            await machine.update_device(_printed(card), flags=flags)
            return Done("Device updated successfully", name=machine.name, link=state)
    raise OperationFailed(
        f"interface ({interface}: (null)) not found",
        cure=f"see 'virtory domiflist {machine.name}'",
    )
