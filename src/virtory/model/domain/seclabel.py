"""`<seclabel>`: how the machine or one of its files is labelled for a security module.

The rule kept here: labels are kept as given; whether they are served is the driver's decision.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr, Element, YesNo


class Seclabel(Element, tag="seclabel"):
    """`<seclabel>` of the whole machine."""

    type: Attr[Literal["dynamic", "static", "none"] | None] = None
    model: Attr[str | None] = None
    relabel: Attr[YesNo | None] = None
    baselabel: str | None = None
    label: str | None = None
    imagelabel: str | None = None


class SourceSeclabel(Element, tag="seclabel"):
    """`<seclabel>` of one file or device."""

    model: Attr[str | None] = None
    labelskip: Attr[YesNo | None] = None
    relabel: Attr[YesNo | None] = None
    label: str | None = None
