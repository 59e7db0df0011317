"""Secrets: what is kept, what is told, and what is never written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from virtory.driver.bus import Bus
from virtory.driver.secrets import Secrets
from virtory.driver.store import Store
from virtory.errors import InternalError, SecretNotFound, UnsupportedFlags, VirtoryError, XmlError
from virtory.model.events import SecretEvent, SecretLifecycle, SecretValueChanged

if TYPE_CHECKING:
    from pathlib import Path

UUID = "11111111-2222-3333-4444-555555555555"
KEY = bytes.fromhex(UUID.replace("-", ""))
XML = (
    "<secret ephemeral='{ephemeral}' private='{private}'><uuid>{uuid}</uuid>"
    "<usage type='{usage}'><{field}>{id}</{field}></usage></secret>"
)


def xml(
    uuid: str = UUID, *, ephemeral: str = "no", private: str = "no", id: str = "client.x"
) -> str:
    return XML.format(
        ephemeral=ephemeral, private=private, uuid=uuid, usage="ceph", field="name", id=id
    )


@pytest.fixture
def secrets() -> Secrets:
    return Secrets(None, Bus())


async def test_what_was_set_is_read_back_and_told(secrets: Secrets) -> None:
    heard: list[SecretEvent] = []
    secrets._bus.listen(heard.append, SecretEvent, uuid=KEY)  # type: ignore[arg-type]
    ref = await secrets.define(xml(), 0)
    assert ref == (KEY, 2, "client.x")
    with pytest.raises(SecretNotFound, match=f"secret '{UUID}' does not have a value"):
        secrets.value(KEY, 0)
    await secrets.set_value(KEY, b"\x00value", 0)
    assert secrets.value(KEY, 0) == b"\x00value"
    assert secrets.by_usage(2, "client.x") == secrets.by_uuid(KEY) == ref
    assert "<name>client.x</name>" in secrets.xml(KEY, 0)
    await secrets.undefine(KEY)
    assert heard == [
        SecretLifecycle(*ref, 0, 0),
        SecretValueChanged(*ref),
        SecretLifecycle(*ref, 1, 0),
    ]
    with pytest.raises(SecretNotFound, match=f"no secret with matching uuid '{UUID}'"):
        secrets.by_uuid(KEY)


async def test_a_private_one_is_told_to_nobody_and_stays_private(secrets: Secrets) -> None:
    await secrets.define(xml(private="yes"), 0)
    await secrets.set_value(KEY, b"value", 0)
    with pytest.raises(VirtoryError, match="secret is private") as refused:
        secrets.value(KEY, 0)
    assert refused.value.code == 65
    with pytest.raises(InternalError, match="cannot change private flag"):
        await secrets.define(xml(), 0)
    assert secrets.list_all(4) == [secrets.by_uuid(KEY)]
    assert secrets.list_all(8) == []


async def test_one_purpose_has_one_secret(secrets: Secrets) -> None:
    await secrets.define(xml(), 0)
    await secrets.define(xml(), 0)
    with pytest.raises(InternalError, match=r"already defined for use with client\.x"):
        await secrets.define(xml(UUID.replace("1", "2")), 0)
    with pytest.raises(InternalError, match=r"is already defined for use with client\.x"):
        await secrets.define(xml(id="other"), 0)
    with pytest.raises(SecretNotFound, match="no secret with matching usage 'other'"):
        secrets.by_usage(2, "other")
    with pytest.raises(XmlError, match="/secret/usage/target: is missing"):
        await secrets.define("<secret><usage type='iscsi'/></secret>", 0)
    with pytest.raises(UnsupportedFlags):
        secrets.list_all(1 << 20)


async def test_the_next_daemon_knows_all_but_the_ephemeral_ones(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.load()
    secrets = Secrets(store, Bus())
    await secrets.define(xml(), 0)
    await secrets.set_value(KEY, b"value", 0)
    await secrets.define(xml(UUID.replace("1", "2"), ephemeral="yes", id="gone"), 0)
    store.close()
    again = Store(str(tmp_path))
    kept = Secrets(again, Bus())
    rows = [row for row in again.load().objects if row.kind == "secret"]
    kept.load([rows[0]._replace(key=b"?" * 16, extra="{}"), *rows])  # a damaged one hides no other
    assert [one.usage_id for one in kept.list_all(0)] == ["client.x"]
    assert kept.value(KEY, 0) == b"value"
    await kept.undefine(KEY)
    again.close()
    last = Store(str(tmp_path))
    assert last.load().objects == []
    last.close()
