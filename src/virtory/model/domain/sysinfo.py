"""`<sysinfo>`: SMBIOS strings and fw_cfg blobs that the guest reads.

The rule kept here: SMBIOS strings are shown only when `<os>` says `<smbios mode='sysinfo'/>`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, Text


class Entry(Element, tag="entry"):
    """`<entry>`: a named string, or a file's contents for fw_cfg."""

    name: Attr[str | None] = None
    file: Attr[str | None] = None
    value: Text[str | None] = None


class EntryBlock(Element):
    """`<bios>`, `<system>`, `<chassis>`, `<oemStrings>`."""

    entries: tuple[Entry, ...] = ()


class BaseBoard(Element, tag="baseBoard"):
    """`<baseBoard>`."""

    entries: tuple[Entry, ...] = ()


class Sysinfo(Element, tag="sysinfo"):
    """`<sysinfo>`: one block."""

    type: Attr[Literal["smbios", "fwcfg"]]
    bios: EntryBlock | None = None
    system: EntryBlock | None = None
    base_boards: tuple[BaseBoard, ...] = ()
    chassis: EntryBlock | None = None
    oem_strings: Annotated[EntryBlock | None, At("oemStrings")] = None
    entries: tuple[Entry, ...] = ()
