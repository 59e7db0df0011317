"""`<os>`: firmware, boot order, kernel: how the machine starts.

The rule kept here: a kernel given here wins over the boot order, as in QEMU.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, Range, Text, YesNo
from virtory.model.domain.devices.disk import Source


class OsType(Element):
    """`<type>`: architecture and machine type around the word `hvm`."""

    arch: Attr[str | None] = None
    machine: Attr[str | None] = None
    kind: Text[Literal["hvm", "xen", "linux", "xenpvh", "exe", "uml"]] = "hvm"


class FirmwareFeature(Element, tag="feature"):
    """`<feature>`: something that the chosen firmware must have or lack."""

    enabled: Attr[YesNo]
    name: Attr[Literal["enrolled-keys", "secure-boot"]]


class Firmware(Element):
    """`<firmware>`: what is asked of the firmware that is chosen."""

    features: tuple[FirmwareFeature, ...] = ()


class Loader(Element):
    """`<loader>`: the firmware's file."""

    readonly: Attr[YesNo | None] = None
    secure: Attr[YesNo | None] = None
    type: Attr[Literal["rom", "pflash"] | None] = None
    stateless: Attr[YesNo | None] = None
    format: Attr[str | None] = None
    path: Text[str | None] = None


class Nvram(Element):
    """`<nvram>`: the file of UEFI's variables and the one it is made from."""

    template: Attr[str | None] = None
    template_format: Annotated[str | None, At("@templateFormat")] = None
    type: Attr[Literal["file", "block", "network"] | None] = None
    format: Attr[str | None] = None
    path: Text[str | None] = None
    source: Source | None = None


class AcpiTable(Element, tag="table"):
    """`<table>`: an ACPI table from a file."""

    type: Attr[Literal["slic"]]
    path: Text[str]


class AcpiTables(Element):
    """`<acpi>` of `<os>`."""

    tables: tuple[AcpiTable, ...] = ()


class BootDevice(Element, tag="boot"):
    """`<boot>`: a class of devices to boot from."""

    dev: Attr[Literal["hd", "fd", "cdrom", "network"]]


class BootMenu(Element):
    """`<bootmenu>`; `timeout` in milliseconds."""

    enable: Attr[YesNo | None] = None
    timeout: Attr[Annotated[int | None, Range(0, 65535)]] = None


class Bios(Element):
    """`<bios>`: output on the serial port, milliseconds until a failed boot is tried again."""

    useserial: Attr[YesNo | None] = None
    reboot_timeout: Annotated[int | None, At("@rebootTimeout"), Range(-1, 65535)] = None


class Os(Element):
    """`<os>`."""

    firmware_auto: Annotated[Literal["bios", "efi"] | None, At("@firmware")] = None
    type: OsType
    firmware: Firmware | None = None
    loader: Loader | None = None
    nvram: Nvram | None = None
    kernel: str | None = None
    initrd: str | None = None
    cmdline: str | None = None
    dtb: str | None = None
    acpi: AcpiTables | None = None
    boots: tuple[BootDevice, ...] = ()
    bootmenu: BootMenu | None = None
    bios: Bios | None = None
    smbios: Annotated[Literal["emulate", "host", "sysinfo"] | None, At("smbios/@mode")] = None
