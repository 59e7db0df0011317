"""`<qemu:commandline>`: arguments and environment handed to QEMU as they are.

The rule kept here: nothing in it is looked at; who may use it is the driver's decision.
"""

from __future__ import annotations

from virtory.codec.xml import Attr, Element

NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"


class QemuArgument(Element, tag="qemu:arg"):
    """`<qemu:arg>`: one argument."""

    value: Attr[str]


class QemuVariable(Element, tag="qemu:env"):
    """`<qemu:env>`: one environment variable."""

    name: Attr[str]
    value: Attr[str | None] = None


class QemuCommandLine(Element, prefixes={"qemu": NAMESPACE}):
    """`<qemu:commandline>`."""

    args: tuple[QemuArgument, ...] = ()
    envs: tuple[QemuVariable, ...] = ()
