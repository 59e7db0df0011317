"""`<redirdev>`: USB devices that the viewer lends to the guest; `<hub>`: USB hubs.

The rule kept here: only what the filter lets pass is lent.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, YesNo
from virtory.model.domain.devices.character import CharacterDevice
from virtory.model.domain.devices.device import Device


class Redirdev(CharacterDevice, tag="redirdev", first="bus"):
    """`<redirdev>`: a place for one lent device."""

    bus: Attr[Literal["usb"]] = "usb"


class UsbFilter(Element, tag="usbdev"):
    """`<usbdev>`: one rule; numbers as text, -1 for any."""

    device_class: Annotated[str | None, At("@class")] = None
    vendor: Attr[str | None] = None
    product: Attr[str | None] = None
    version: Attr[str | None] = None
    allow: Attr[YesNo]


class Redirfilter(Element, tag="redirfilter"):
    """`<redirfilter>`: the rules, first match decides."""

    rules: tuple[UsbFilter, ...] = ()


class Hub(Device, tag="hub"):
    """`<hub>`: a USB hub."""

    type: Attr[Literal["usb"]]
