"""What every device has: boot order, alias, ROM, ACPI index, address.

The rule kept here: these come after a device's own elements, as libvirt writes them.
"""

from __future__ import annotations

import re
from typing import Annotated

from virtory.codec.xml import At, Attr, Element, OnOff, Range, YesNo
from virtory.model.domain.devices.address import Address

_USERS_ALIAS = re.compile(r"ua-[A-Za-z0-9_-]*")


def is_users_alias(alias: str | None) -> bool:
    """Whether a user gave this name to a device; others are those of one run, and not kept."""
    return alias is not None and _USERS_ALIAS.fullmatch(alias) is not None


class Rom(Element):
    """`<rom>`: the option ROM of a PCI device."""

    enabled: Attr[YesNo | None] = None
    bar: Attr[OnOff | None] = None
    file: Attr[str | None] = None


class Device(Element, trailing=True):
    """The parent of every device."""

    boot_order: Annotated[int | None, At("boot/@order"), Range(1, 0x7FFFFFFF)] = None
    boot_loadparm: Annotated[str | None, At("boot/@loadparm")] = None
    alias: Annotated[str | None, At("alias/@name")] = None
    master_startport: Annotated[int | None, At("master/@startport")] = None
    rom: Rom | None = None
    acpi_index: Annotated[int | None, At("acpi/@index")] = None
    address: Address | None = None


class VirtioOptions(Element, trailing=True):
    """Attributes of `<driver>` that any virtio device may have; a parent of such elements."""

    iommu: Attr[OnOff | None] = None
    ats: Attr[OnOff | None] = None
    packed: Attr[OnOff | None] = None
    page_per_vq: Attr[OnOff | None] = None
