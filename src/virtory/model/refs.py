"""What names an object, and the typed parameter: the small values that layers hand each other.

The rule kept here: tuples, equal to any tuple of the same content, so that they cost nothing.
"""

from __future__ import annotations

from typing import NamedTuple


class DomainRef(NamedTuple):
    """What a client needs to name a domain; `id` is -1 while it is not running."""

    name: str
    uuid: bytes
    id: int


class NamedRef(NamedTuple):
    """A network, storage pool, secret usage or other object named by name and UUID."""

    name: str
    uuid: bytes


class Param(NamedTuple):
    """One typed parameter; `kind` is libvirt's `virTypedParameterType`, INT to STRING below."""

    field: str
    kind: int
    value: int | float | str


INT, UINT, LLONG, ULLONG, DOUBLE, BOOLEAN, STRING = range(1, 8)
