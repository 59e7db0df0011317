"""From text to a `Domain` and back.

The rule kept here: what is written is what `virsh dumpxml` prints for the same description.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from virtory.codec import xml
from virtory.model.domain.domain import Domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from virtory.codec.xml import Element


def parse_domain(text: str, *, lenient: bool = False) -> Domain:
    """The machine that `text` describes.

    Args:
        text: one `<domain>` element.
        lenient: pass over what no declaration names; for XML that another daemon wrote.

    Raises:
        XmlError: malformed, hostile or invalid; all problems at once.
        ConfigUnsupported: valid, but with elements that are not served.
    """
    return xml.parse(Domain, text, lenient=lenient)


def format_domain(domain: Domain, *, indent: int = 0) -> str:
    """The description as `virsh dumpxml` prints it, `indent` levels deep."""
    return xml.format(domain, indent=indent)


@functools.cache
def device_kinds() -> Mapping[str, type[Element]]:
    """The classes of devices by their element's name, such as `disk`."""
    from virtory.model.domain.devices import Devices

    return xml.members(Devices)


def parse_device(text: str, *, lenient: bool = False) -> Element:
    """One device, as `virsh attach-device` sends it.

    Raises:
        XmlError: as `parse_domain`, or the root element is no device.
        ConfigUnsupported: as `parse_domain`.
    """
    return xml.parse_any(device_kinds(), text, lenient=lenient)


def format_device(device: Element, *, indent: int = 0) -> str:
    """One device as it stands in a domain's XML."""
    return xml.format(device, indent=indent)


def without_secrets(domain: Domain) -> Domain:
    """The same machine without the passwords of its displays."""
    if not any(graphics.passwd is not None for graphics in domain.devices.graphics):
        return domain
    import dataclasses

    cleared = tuple(
        dataclasses.replace(graphics, passwd=None) for graphics in domain.devices.graphics
    )
    return dataclasses.replace(
        domain, devices=dataclasses.replace(domain.devices, graphics=cleared)
    )
