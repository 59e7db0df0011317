"""Byte streams: serial and parallel ports, virtio consoles, channels.

The rule kept here: what a port prints is kept from power-on in a log that the daemon opened; a
socket is one that the daemon listens on, whose end QEMU is handed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver.qemu.devices.wiring import Item, Wiring, without_none
from virtory.model.domain.devices.redirdev import Redirdev
from virtory.model.domain.devices.smartcard import Smartcard

if TYPE_CHECKING:
    from virtory.model.domain.devices.channel import Channel
    from virtory.model.domain.devices.character import CharacterDevice, CharacterSource
    from virtory.model.domain.devices.console import Console
    from virtory.model.domain.devices.serial import Parallel, Serial

_SERIAL_DRIVERS = {"isa-serial": "isa-serial", "pci-serial": "pci-serial",
                   "usb-serial": "usb-serial", "isa-debug": "isa-debugcon"}  # fmt: skip


_SPICE_NAMES: dict[type, str] = {Redirdev: "usbredir", Smartcard: "smartcard"}
_KINDS = {"unix": "socket", "tcp": "socket", "dev": "serial"}


def describe_serial(serial: Serial, wiring: Wiring) -> list[Item]:
    """A serial port."""
    kind = (serial.target.type if serial.target is not None else None) or "isa-serial"
    port = serial.target.port if serial.target is not None else None
    value: dict[str, Any] = {
        "driver": _SERIAL_DRIVERS.get(kind, kind),
        "chardev": f"char{serial.alias}",
        "id": serial.alias,
        "index": port if kind == "isa-serial" else None,
        **wiring.place(serial),
    }
    return [back_end(serial, wiring), Item("device", without_none(value))]


def describe_parallel(parallel: Parallel, wiring: Wiring) -> list[Item]:
    """A parallel port."""
    value = {"driver": "isa-parallel", "chardev": f"char{parallel.alias}", "id": parallel.alias}
    return [back_end(parallel, wiring), Item("device", value)]


def describe_console(console: Console, wiring: Wiring) -> list[Item]:
    """A virtio console; one that is a serial port under another name is described by nothing."""
    if console.target is None or console.target.type != "virtio":
        return []
    value = {"driver": "virtconsole", "chardev": f"char{console.alias}", "id": console.alias}
    return [back_end(console, wiring), Item("device", {**value, **wiring.place(console)})]


def describe_channel(channel: Channel, wiring: Wiring) -> list[Item]:
    """A named port of a virtio-serial controller."""
    value = {
        "driver": "virtserialport",
        **wiring.place(channel),
        "chardev": f"char{channel.alias}",
        "id": channel.alias,
        "name": channel.target.name,
    }
    return [back_end(channel, wiring), Item("device", without_none(value))]


class Stream(NamedTuple):
    """A byte stream on the host that is no character device of the guest."""

    alias: str | None
    type: str
    sources: tuple[CharacterSource, ...]
    protocol: str | None = None

    @property
    def source(self) -> CharacterSource | None:
        """The only or first source."""
        return self.sources[0] if self.sources else None


def back_end(device: CharacterDevice | Smartcard | Stream, wiring: Wiring) -> Item:
    """The host's end, as `chardev-add` takes it."""
    alias = device.alias or ""
    data: dict[str, Any] = {**_end(device, wiring), **wiring.logged(alias)}
    kind = _KINDS.get(device.type or "", device.type)
    return Item("chardev", {"id": f"char{alias}", "backend": {"type": kind, "data": data}})


def _end(device: CharacterDevice | Smartcard | Stream, wiring: Wiring) -> dict[str, Any]:
    source = device.source
    if device.type == "unix":
        slot = wiring.plan.slot(f"char:{device.alias}")
        if slot is not None:
            address = {"type": "fd", "data": {"str": wiring.fd(slot)}}
            return {"addr": address, "server": True, "wait": False}
        path = source.path if source is not None else None
        reconnect = source.reconnect if source is not None else None
        return without_none(
            {
                "addr": {"type": "unix", "data": {"path": path}},
                "server": False,
                "reconnect": reconnect.timeout or 1 if reconnect and reconnect.enabled else None,
            }
        )
    if device.type == "tcp" and source is not None:
        listens = source.mode == "bind"
        data = {"host": source.host or "127.0.0.1", "port": source.service or "0"}
        value: dict[str, Any] = {"addr": {"type": "inet", "data": data}, "server": listens}
        if listens:
            value["wait"] = False
        if device.protocol == "telnet":
            value["telnet"] = True
        return value
    if device.type == "spicevmc":
        return {"type": _SPICE_NAMES.get(type(device), "vdagent")}
    if device.type == "spiceport":
        return {"fqdn": (source.channel if source is not None else None) or ""}
    if device.type == "qemu-vdagent":
        clipboard = source.clipboard if source is not None else None
        mouse = source.mouse if source is not None else None
        return without_none({"clipboard": clipboard, "mouse": _agent_mouse(mouse)})
    if device.type == "udp":
        return _datagrams(device)
    if device.type == "dev":
        slot = wiring.plan.slot(f"char:{device.alias}")
        return {"device": wiring.image_path(slot) if slot is not None else None}
    if device.type == "file":
        slot = wiring.plan.slot(f"char:{device.alias}")
        path = source.path if source is not None else None
        out = wiring.image_path(slot) if slot is not None else path
        return {"out": out, "append": True}
    return {}


def _agent_mouse(mode: str | None) -> bool | None:
    return None if mode is None else mode == "client"


def _datagrams(device: CharacterDevice | Smartcard | Stream) -> dict[str, Any]:
    """UDP: where to (`connect`), and from where (`bind`)."""
    value: dict[str, Any] = {}
    for source in device.sources:
        host = source.host or ("127.0.0.1" if source.mode != "bind" else "")
        data = {"host": host, "port": source.service or "0"}
        name = "local" if source.mode == "bind" else "remote"
        value[name] = {"type": "inet", "data": data}
    return value
