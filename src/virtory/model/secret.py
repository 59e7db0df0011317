"""`<secret>`: what a passphrase or key is for; its value is never part of it.

The rule kept here: one usage, one thing that it is for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec import xml
from virtory.codec.xml import At, Attr, Element, YesNo
from virtory.model.values import Uuid

USAGES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")
"""By libvirt's numbers."""


class Usage(Element):
    """`<usage>`: a volume's path, an iSCSI target, or a name."""

    type: Attr[Literal["none", "volume", "ceph", "iscsi", "tls", "vtpm"]]
    volume: str | None = None
    name: str | None = None
    target: str | None = None

    @property
    def id(self) -> str:
        """What it is for; empty for nothing in particular."""
        return self.volume or self.name or self.target or ""


class Secret(Element, tag="secret"):
    """`<secret>`: an `ephemeral` one is not kept on disk, a `private` one is told to nobody."""

    ephemeral: Attr[YesNo] = False
    private: Attr[YesNo] = False
    uuid: Uuid | None = None
    description: str | None = None
    usage: Annotated[Usage | None, At("usage")] = None

    @property
    def purpose(self) -> tuple[int, str]:
        """The usage's number and what it is for."""
        if self.usage is None:
            return 0, ""
        return USAGES.index(self.usage.type), self.usage.id


def format_secret(secret: Secret) -> str:
    """As libvirt writes it."""
    return xml.format(secret)


def parse_secret(text: str | bytes) -> Secret:
    """Raises: XmlError, ConfigUnsupported."""
    from virtory.errors import XmlError

    secret = xml.parse(Secret, text)
    wanted = {"volume": "volume", "iscsi": "target", "ceph": "name", "tls": "name", "vtpm": "name"}
    usage = secret.usage
    if usage is not None and usage.type != "none" and not getattr(usage, wanted[usage.type]):
        raise XmlError(
            f"/secret/usage/{wanted[usage.type]}: is missing; it says what the secret is for"
        )
    return secret
