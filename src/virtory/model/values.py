"""The small values that descriptions are made of: sizes, UUIDs, MAC addresses.

The rule kept here: a value that exists is valid and in its canonical spelling.
"""

from __future__ import annotations

import os
import re
from typing import Annotated

from virtory.codec.xml import Scaled

_SUFFIXES = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgtpe]?)(i?b?)\s*", re.IGNORECASE)
_NOT_HEX = re.compile(r"[\s-]")
_UUID = re.compile(r"[0-9a-f]{32}")
_MAC = re.compile(r"[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}")


class Size(int):
    """A number of bytes."""

    __slots__ = ()

    @classmethod
    def of_kib(cls, count: int) -> Size:
        """A size of `count` KiB."""
        return cls(count << 10)

    @classmethod
    def of_mib(cls, count: int) -> Size:
        """A size of `count` MiB."""
        return cls(count << 20)

    @classmethod
    def of_gib(cls, count: int) -> Size:
        """A size of `count` GiB."""
        return cls(count << 30)

    @classmethod
    def parse(cls, text: str) -> Size:
        """A size as people write it: `512M`, `1.5 GiB`, `10GB` (a power of ten), `4096`.

        Raises:
            ValueError: not a size.
        """
        match = _SIZE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a size such as 512M, 10G or 1.5 GiB")
        number, prefix, ending = match.groups()
        step = 1000 if prefix and ending.lower() == "b" else 1024
        scale: int = step ** _SUFFIXES[prefix.lower()]
        if "." not in number:
            return cls(int(number) * scale)
        return cls(round(float(number) * scale))

    @property
    def kib(self) -> int:
        """In KiB, rounded up."""
        return -(-self >> 10)

    @property
    def mib(self) -> int:
        """In MiB, rounded up."""
        return -(-self >> 20)


def size_of(number: int, unit: str | None) -> Size | None:
    """The size of so many units; None when the unit is none."""
    try:
        return Size.parse(f"{number}{unit or ''}")
    except ValueError:
        return None


Kib = Annotated[Size, Scaled("KiB")]
"""A `Size` in an element with a `unit` attribute, written in KiB."""


class Uuid(str):
    """A UUID in lower case with hyphens."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Uuid:
        """Any spelling that libvirt takes: hyphens and white space do not matter.

        Raises:
            ValueError: not 32 hexadecimal digits.
        """
        digits = _NOT_HEX.sub("", text).lower()
        if _UUID.fullmatch(digits) is None:
            raise ValueError(f"{text!r} is not a UUID (32 hexadecimal digits)")
        return cls(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")

    @classmethod
    def of_bytes(cls, raw: bytes) -> Uuid:
        """The UUID of 16 bytes in network order."""
        return cls.parse(raw.hex())

    @classmethod
    def random(cls) -> Uuid:
        """A new one, version 4 (RFC 9562 §5.4)."""
        raw = bytearray(os.urandom(16))
        raw[6] = raw[6] & 0x0F | 0x40
        raw[8] = raw[8] & 0x3F | 0x80
        return cls.of_bytes(bytes(raw))

    @property
    def raw(self) -> bytes:
        """Its 16 bytes, as on the wire."""
        return bytes.fromhex(self.replace("-", ""))


class Mac(str):
    """A MAC address in lower case, two digits to each byte."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Mac:
        """Six bytes in hexadecimal with colons between them.

        Raises:
            ValueError: not such an address.
        """
        lowered = text.strip().lower()
        if _MAC.fullmatch(lowered) is None:
            raise ValueError(f"{text!r} is not a MAC address such as 52:54:00:12:34:56")
        return cls(":".join(part.zfill(2) for part in lowered.split(":")))

    @classmethod
    def random(cls, prefix: str = "52:54:00") -> Mac:
        """A new address; the default prefix is the one QEMU's and KVM's guests use."""
        return cls(prefix + "".join(f":{byte:02x}" for byte in os.urandom(3)))

    @property
    def is_multicast(self) -> bool:
        """Whether it names a group, which no interface may have as its own."""
        return bool(int(self[:2], 16) & 1)
