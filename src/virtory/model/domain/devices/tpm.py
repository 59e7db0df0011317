"""`<tpm>`: a trusted platform module, emulated by swtpm or the host's own.

The rule kept here: an emulated one's state belongs to the machine.
"""

from __future__ import annotations

from typing import Annotated, Literal

from virtory.codec.xml import At, Attr, Element, YesNo
from virtory.model.domain.devices.device import Device


class PcrBanks(Element):
    """`<active_pcr_banks>`."""

    sha1: bool = False
    sha256: bool = False
    sha384: bool = False
    sha512: bool = False


class TpmSource(Element):
    """`<source>` of an external TPM: swtpm's socket."""

    type: Attr[Literal["unix"]] = "unix"
    mode: Attr[Literal["connect"] | None] = None
    path: Attr[str | None] = None


class TpmBackend(Element):
    """`<backend>`: what it is made of."""

    type: Attr[Literal["passthrough", "emulator", "external"]]
    version: Attr[Literal["1.2", "2.0"] | None] = None
    persistent_state: Attr[YesNo | None] = None
    device: Annotated[str | None, At("device/@path")] = None
    encryption: Annotated[str | None, At("encryption/@secret")] = None
    active_pcr_banks: PcrBanks | None = None
    source: TpmSource | None = None


class Tpm(Device, tag="tpm"):
    """`<tpm>`: the device."""

    model: Attr[Literal["tpm-tis", "tpm-crb", "tpm-spapr", "spapr-tpm-proxy"] | None] = None
    backend: TpmBackend
