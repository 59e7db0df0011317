"""QEMU's command line: the live description and its plan in, arguments out.

The rule kept here: pure. The same values give the same arguments, which `tests/data/qemu/*.args`
hold; QEMU gets descriptors, not paths, and can start nothing, raise nothing, reach no monitor but
the daemon's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from virtory.driver.qemu import machine, machine_memory
from virtory.driver.qemu.devices import (
    Item,
    Step,
    Wiring,
    balloon,
    character,
    controller,
    disk,
    display,
    filesystem,
    hostdev,
    input,
    interface,
    iommu,
    memory,
    redirdev,
    rng,
    smartcard,
    sound,
    spice,
    tpm,
    vsock,
    watchdog,
)
from virtory.driver.qemu.machine_text import escaped, packed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from virtory.driver.qemu.capabilities import Capabilities
    from virtory.driver.qemu.plan import Plan
    from virtory.model.domain import Domain

SANDBOX: Final = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
_BOOT_KINDS: Final = {"hd": "disk", "cdrom": "cdrom", "fd": "floppy"}


def command_line(
    domain: Domain,
    plan: Plan,
    capabilities: Capabilities,
    fds: Mapping[int, int] | None = None,
) -> list[str]:
    """The arguments of the process, the program first.

    `domain` is the live description (with addresses and aliases), `fds` maps the plan's slots to
    the numbers that descriptors have in the new process; without it slots stand for themselves.
    The machine starts paused; `setup` says what is to be sent before it may run.
    """
    wiring = Wiring(domain, plan, fds or {})
    arguments = [plan.emulator, "-name", f"guest={escaped(domain.name)},debug-threads=on", "-S"]
    arguments += _descriptors(wiring)
    arguments += machine.firmware(wiring)
    arguments += machine.machine(wiring, capabilities)
    arguments += machine_memory.memory(wiring, capabilities)
    arguments += machine.iothreads(domain)
    arguments += ["-uuid", str(domain.uuid)]
    arguments += machine.smbios(wiring)
    arguments += ["-no-user-config", "-nodefaults"]
    if not any(each.type in ("vnc", "spice") for each in domain.devices.graphics):
        arguments += ["-display", "none"]
    arguments += _monitor(wiring)
    arguments += machine.clock(wiring)
    arguments += ["-action", _actions(domain)]
    arguments += machine.boot(wiring)
    arguments += _floppy_boot(domain)
    for item in items(wiring):
        arguments += argument(item)
    arguments += _screens(wiring)
    arguments += ["-sandbox", SANDBOX, "-msg", "timestamp=on"]
    if domain.qemu_commandline is not None:
        arguments += [each.value for each in domain.qemu_commandline.args]
    return arguments


def _screens(wiring: Wiring) -> list[str]:
    arguments = []
    for number, graphics in enumerate(wiring.domain.devices.graphics):
        if graphics.type == "vnc":
            arguments += ["-vnc", display.vnc_argument(graphics, wiring)]
        elif graphics.type == "spice":
            arguments += ["-spice", spice.argument(graphics, number, wiring)]
        if graphics.keymap is not None and "-k" not in arguments:
            arguments += ["-k", graphics.keymap]
    return arguments


def environment(domain: Domain) -> dict[str, str]:
    """The variables that QEMU runs with; nothing of the daemon's own."""
    variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    variables["LC_ALL"] = "C"
    if domain.clock.offset == "timezone" and domain.clock.timezone:
        variables["TZ"] = domain.clock.timezone
    if domain.qemu_commandline is not None:
        variables |= {each.name: each.value or "" for each in domain.qemu_commandline.envs}
    return variables


def setup(domain: Domain, plan: Plan) -> list[Step]:
    """What the monitor is told, in this order, before the machine may run."""
    steps = []
    for number, graphics in enumerate(domain.devices.graphics):
        steps += display.password_steps(graphics)
        if graphics.type != "vnc":
            continue
        slot = plan.slot(f"vnc:{number}")
        listen = graphics.listens[0] if graphics.listens else None
        if slot is not None:
            address: dict[str, Any] = {"type": "fd", "str": f"slot{slot}"}
        elif listen is not None and listen.type in ("address", "network"):
            host = listen.address or "127.0.0.1"
            address = {"type": "inet", "host": host, "port": str(plan.vnc_ports[number])}
        else:
            continue
        where = {"type": "vnc", "addresses": [address]}
        steps.append(Step("display-update", where, () if slot is None else (slot,)))
    steps += [step for each in domain.devices.disks for step in disk.throttle_steps(each)]
    steps += _balloon_steps(domain)
    steps += [
        Step("set_link", {"name": each.alias, "up": False})
        for each in domain.devices.interfaces
        if each.link == "down"
    ]
    return steps


def _balloon_steps(domain: Domain) -> list[Step]:
    device = domain.devices.balloon
    if device is None or device.model == "none":
        return []
    steps = []
    if device.stats_period:
        value = {
            "path": f"/machine/peripheral/{device.alias}",
            "property": "guest-stats-polling-interval",
            "value": device.stats_period,
        }
        steps.append(Step("qom-set", value))
    if domain.current_memory is not None and domain.current_memory < domain.memory:
        steps.append(Step("balloon", {"value": int(domain.current_memory)}))
    return steps


def items(wiring: Wiring) -> list[Item]:
    """Every device of the machine, in the order in which QEMU must make them."""
    devices, order = wiring.domain.devices, _boot_indexes(wiring.domain)
    made: list[Item] = []
    if devices.iommu is not None:
        made += iommu.describe(devices.iommu, wiring)
    for each in sorted(devices.controllers, key=lambda c: (c.type != "pci", c.index or 0)):
        made += controller.describe(each, wiring)
    for hub in devices.hubs:
        made += input.describe_hub(hub, wiring)
    for number, one in enumerate(devices.disks):
        made += disk.describe(one, wiring, order.get(("disks", number)))
    for number, card in enumerate(devices.interfaces):
        made += interface.describe(card, wiring, order.get(("interfaces", number)))
    for serial in devices.serials:
        made += character.describe_serial(serial, wiring)
    for parallel in devices.parallels:
        made += character.describe_parallel(parallel, wiring)
    for channel in devices.channels:
        made += character.describe_channel(channel, wiring)
    for console in devices.consoles:
        made += character.describe_console(console, wiring)
    for number, share in enumerate(devices.filesystems):
        made += filesystem.describe(share, wiring, order.get(("filesystems", number)))
    made += [item for each in devices.smartcards for item in smartcard.describe(each, wiring)]
    made += [item for each in devices.tpms for item in tpm.describe(each, wiring)]
    made += [item for each in devices.inputs for item in input.describe(each, wiring)]
    made += [item for each in devices.audios for item in sound.describe_audio(each, wiring)]
    made += [item for each in devices.videos for item in display.describe_video(each, wiring)]
    made += [item for each in devices.sounds for item in sound.describe(each, wiring)]
    made += [item for each in devices.watchdogs for item in watchdog.describe(each, wiring)]
    made += balloon.describe(devices.balloon, wiring) if devices.balloon is not None else []
    for number, given in enumerate(devices.hostdevs):
        made += hostdev.describe(given, wiring, order.get(("hostdevs", number)))
    for number, port in enumerate(devices.redirdevs):
        made += redirdev.describe(port, wiring, order.get(("redirdevs", number)))
    made += [item for each in devices.rngs for item in rng.describe(each, wiring)]
    made += vsock.describe(devices.vsock, wiring) if devices.vsock is not None else []
    made += [i for each in devices.memories for i in memory.describe(each, wiring)]
    made += _machine_devices(wiring.domain)
    made += [item for each in devices.panics for item in watchdog.describe_panic(each, wiring)]
    return made


def _machine_devices(domain: Domain) -> Iterable[Item]:
    """Devices that the description names outside of `<devices>`."""
    if domain.genid is not None:
        guid = str(domain.genid.uuid) if domain.genid.uuid is not None else "auto"
        yield Item("device", {"driver": "vmgenid", "guid": guid, "id": "vmgenid0"})
    if domain.features is not None and domain.features.vmcoreinfo:
        yield Item("device", {"driver": "vmcoreinfo", "id": "vmcoreinfo0"})


def _boot_indexes(domain: Domain) -> dict[tuple[str, int], int]:
    """Which device is booted from first, second …: its own order, or the first of each class."""
    names = ("disks", "interfaces", "redirdevs", "hostdevs", "filesystems")
    rows: dict[str, Any] = {name: getattr(domain.devices, name) for name in names}
    order = {
        (field, number): device.boot_order
        for field, row in rows.items()
        for number, device in enumerate(row)
        if device.boot_order is not None
    }
    if order:
        return order
    for index, boot in enumerate(domain.os.boots, start=1):
        if boot.dev == "network":
            if domain.devices.interfaces:
                order["interfaces", 0] = index
            continue
        wanted = _BOOT_KINDS[boot.dev]
        for number, each in enumerate(domain.devices.disks):
            if each.device == wanted or (wanted == "disk" and each.device == "lun"):
                order.setdefault(("disks", number), index)
                break
    return order


def _floppy_boot(domain: Domain) -> list[str]:
    """A floppy drive's place in the boot order is its controller's property."""
    arguments = []
    for (field, number), index in _boot_indexes(domain).items():
        drive = domain.devices.disks[number] if field == "disks" else None
        if drive is not None and drive.target.bus == "fdc":
            letter = "B" if getattr(drive.address, "unit", 0) else "A"
            arguments += ["-global", f"isa-fdc.bootindex{letter}={index}"]
    return arguments


def _descriptors(wiring: Wiring) -> list[str]:
    arguments = []
    for file in wiring.plan.files:
        if file.mode not in ("memory", "directory") and file.purpose != "vsock":
            number = wiring.fd(file.slot)
            opaque = escaped(file.purpose)
            arguments += ["-add-fd", f"fd={number},set={file.fdset},opaque={opaque}"]
    return arguments


def _monitor(wiring: Wiring) -> list[str]:
    slot = wiring.plan.slot("monitor")
    assert slot is not None, "every plan has a monitor"
    where = f"fd={wiring.fd(slot)},server=on,wait=off"
    return ["-chardev", f"socket,id=charmonitor,{where}",
            "-mon", "chardev=charmonitor,id=monitor,mode=control"]  # fmt: skip


def _actions(domain: Domain) -> str:
    """After its end the machine stays, paused, until the daemon has seen why it ended."""
    reboot = "shutdown" if domain.on_reboot == "destroy" else "reset"
    parts = [f"reboot={reboot}", "shutdown=pause", "panic=pause"]
    for each in domain.devices.watchdogs[:1]:
        action = {"dump": "pause"}.get(each.action, each.action)
        parts.append(f"watchdog={action}")
    return ",".join(parts)


# -- items as arguments ---------------------------------------------------------------------------


def argument(item: Item) -> list[str]:
    """The two words of the command line that make this item."""
    if item.kind == "chardev":
        return ["-chardev", _chardev(item.value)]
    if item.kind in ("tpmdev", "fsdev"):  # these take no JSON either
        first, *rest = item.value.items()
        options = (f",{name}={escaped(str(each))}" for name, each in rest)
        return [f"-{item.kind}", first[1] + "".join(options)]
    return [f"-{item.kind}", packed(item.value)]


def _chardev(value: dict[str, Any]) -> str:
    """`-chardev` takes no JSON (in QEMU 7.2): its own notation of the same."""
    backend = value["backend"]
    parts = [backend["type"], f"id={value['id']}"]
    for name, each in backend["data"].items():
        if name in ("addr", "remote", "local"):
            parts += _chardev_address(name, each)
            continue
        option = _CHARDEV_OPTIONS.get((backend["type"], name), name)
        text = ("on" if each else "off") if isinstance(each, bool) else escaped(str(each))
        parts.append(f"{option}={text}")
    return ",".join(parts)


_CHARDEV_OPTIONS: Final = {
    ("file", "out"): "path",
    ("serial", "device"): "path",
    ("parallel", "device"): "path",
    ("spicevmc", "type"): "name",
    ("spiceport", "fqdn"): "name",
}


def _chardev_address(name: str, address: dict[str, Any]) -> list[str]:
    inner = address["data"]
    names = {"fd": (("fd", "str"),), "unix": (("path", "path"),)}.get(
        address["type"], (("host", "host"), ("port", "port"))
    )
    prefix = "local" if name == "local" else ""
    options = {"localhost": "localaddr"}
    return [
        f"{options.get(prefix + option, prefix + option)}={escaped(str(inner[key]))}"
        for option, key in names
    ]
