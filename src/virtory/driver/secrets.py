"""Passphrases and keys, kept in the state file, which only the daemon's user may read.

The rule kept here: saved, then told. An ephemeral secret is never written down; a private one's
value is told to no client.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Protocol

from virtory.driver.interface.secret import SecretRef
from virtory.driver.known_flags import refuse_unknown
from virtory.driver.store import ForgetObject, ObjectRow
from virtory.errors import (
    FROM_SECRET,
    InternalError,
    SecretNotFound,
    VirtoryError,
)
from virtory.model.events import SecretLifecycle, SecretValueChanged
from virtory.model.list_flags import ConnectListSecrets as Select
from virtory.model.secret import Secret, format_secret, parse_secret
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.bus import Bus
    from virtory.driver.store import Change

_log = logging.getLogger(__name__)

KIND = "secret"
"""Of the store's rows."""

_DEFINED, _UNDEFINED = 0, 1
_VALIDATE = 1
_INVALID_SECRET = 65


class Keeper(Protocol):
    """Where secrets are written down: `driver.store.Store`."""

    async def save(self, *changes: Change) -> None: ...


class Secrets:
    """The `SecretDriver` of a real host; without a store everything is ephemeral."""

    def __init__(self, store: Keeper | None, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._kept: dict[bytes, tuple[Secret, bytes | None]] = {}

    def load(self, rows: Sequence[ObjectRow]) -> None:
        """Know again what a former daemon kept; what can not be understood is logged and kept."""
        for row in rows:
            try:
                value = json.loads(row.extra)["value"]
                decoded = None if value is None else base64.b64decode(value)
                self._kept[row.key] = parse_secret(row.xml), decoded
            except (VirtoryError, ValueError, KeyError, TypeError):
                _log.error("secret %s can not be understood", row.key.hex())

    # -- lists and lookups -----------------------------------------------------------------------
    def list_all(self, flags: int) -> list[SecretRef]:
        refuse_unknown(flags, Select.ALL, "secretConnectListAllSecrets")
        return [
            _ref(uuid, secret)
            for uuid, (secret, _) in self._kept.items()
            if _wanted(secret.ephemeral, flags, Select.EPHEMERAL, Select.NO_EPHEMERAL)
            and _wanted(secret.private, flags, Select.PRIVATE, Select.NO_PRIVATE)
        ]

    def by_uuid(self, uuid: bytes) -> SecretRef:
        return _ref(uuid, self._found(uuid)[0])

    def by_usage(self, usage_type: int, usage_id: str) -> SecretRef:
        for uuid, (secret, _) in self._kept.items():
            if secret.purpose == (usage_type, usage_id):
                return _ref(uuid, secret)
        raise SecretNotFound(f"no secret with matching usage '{usage_id}'")

    def _found(self, uuid: bytes) -> tuple[Secret, bytes | None]:
        found = self._kept.get(uuid)
        if found is None:
            raise SecretNotFound(f"no secret with matching uuid '{Uuid.of_bytes(uuid)}'")
        return found

    # -- definition ------------------------------------------------------------------------------
    async def define(self, xml: str, flags: int) -> SecretRef:
        refuse_unknown(flags, _VALIDATE, "secretDefineXML")
        secret = parse_secret(xml)
        secret = dataclasses.replace(secret, uuid=secret.uuid or Uuid.random())
        assert secret.uuid is not None
        key = secret.uuid.raw
        former, value = self._kept.get(key, (None, None))
        self._check(secret, former)
        await self._save(key, secret, value)
        if former is not None and not former.ephemeral and secret.ephemeral:
            await self._forget(key)
        ref = _ref(key, secret)
        self._bus.publish(SecretLifecycle(*ref, _DEFINED, 0))
        return ref

    def _check(self, secret: Secret, former: Secret | None) -> None:
        """libvirt's words for what can not be defined."""
        if former is not None:
            if former.purpose != secret.purpose:
                raise InternalError(
                    f"a secret with UUID {secret.uuid} is already defined for use with "
                    f"{former.purpose[1]}",
                    domain=FROM_SECRET,
                )
            if former.private and not secret.private:
                raise InternalError(
                    "cannot change private flag on existing secret", domain=FROM_SECRET
                )
            return
        for other_key, (other, _) in self._kept.items():
            if secret.purpose[0] and other.purpose == secret.purpose:
                raise InternalError(
                    f"a secret with UUID {Uuid.of_bytes(other_key)} already defined for use with "
                    f"{secret.purpose[1]}",
                    domain=FROM_SECRET,
                )

    async def undefine(self, uuid: bytes) -> None:
        secret, _ = self._found(uuid)
        if not secret.ephemeral:
            await self._forget(uuid)
        self._kept.pop(uuid, None)
        self._bus.publish(SecretLifecycle(*_ref(uuid, secret), _UNDEFINED, 0))

    def xml(self, uuid: bytes, flags: int) -> str:
        refuse_unknown(flags, 0, "secretGetXMLDesc")
        return format_secret(self._found(uuid)[0])

    # -- values ----------------------------------------------------------------------------------
    def value(self, uuid: bytes, flags: int) -> bytes:
        refuse_unknown(flags, 0, "secretGetValue")
        secret, value = self._found(uuid)
        if secret.private:
            raise VirtoryError(
                "Invalid secret: secret is private", code=_INVALID_SECRET, domain=FROM_SECRET
            )
        if value is None:
            raise SecretNotFound(f"secret '{Uuid.of_bytes(uuid)}' does not have a value")
        return value

    async def set_value(self, uuid: bytes, value: bytes, flags: int) -> None:
        refuse_unknown(flags, 0, "secretSetValue")
        secret, _ = self._found(uuid)
        await self._save(uuid, secret, value)
        self._bus.publish(SecretValueChanged(*_ref(uuid, secret)))

    async def _save(self, key: bytes, secret: Secret, value: bytes | None) -> None:
        """On disk first, then in memory: a failure leaves what was."""
        if self._store is not None and not secret.ephemeral:
            coded = None if value is None else base64.b64encode(value).decode()
            extra = json.dumps({"value": coded})
            row = ObjectRow(KIND, key, secret.purpose[1], format_secret(secret), extra)
            await self._store.save(row)
        self._kept[key] = secret, value

    async def _forget(self, key: bytes) -> None:
        if self._store is not None:
            await self._store.save(ForgetObject(KIND, key))


def _ref(uuid: bytes, secret: Secret) -> SecretRef:
    return SecretRef(uuid, *secret.purpose)


def _wanted(has: bool, flags: int, yes: int, no: int) -> bool:
    """Whether a list's pair of opposite flags lets it in; neither of them lets all in."""
    return not flags & (yes | no) or bool(flags & (yes if has else no))
