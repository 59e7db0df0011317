"""Passphrases and keys that the daemon keeps.

The rule kept here: that of the package, see its docstring.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class SecretRef(NamedTuple):
    """What a client needs to name a secret."""

    uuid: bytes
    usage_type: int
    usage_id: str


class SecretDriver(Protocol):
    """Secrets: each is its UUID."""

    def list_all(self, flags: int) -> list[SecretRef]: ...
    def by_uuid(self, uuid: bytes) -> SecretRef: ...
    def by_usage(self, usage_type: int, usage_id: str) -> SecretRef: ...
    async def define(self, xml: str, flags: int) -> SecretRef: ...
    async def undefine(self, uuid: bytes) -> None: ...
    def xml(self, uuid: bytes, flags: int) -> str: ...
    def value(self, uuid: bytes, flags: int) -> bytes: ...
    async def set_value(self, uuid: bytes, value: bytes, flags: int) -> None: ...
