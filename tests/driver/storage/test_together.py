"""Calls on one volume at the same moment: one has it, the others are told so."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.storage import wiping
from virtory.driver.store import Intent
from virtory.errors import OperationInvalid

if TYPE_CHECKING:
    from collections.abc import Coroutine

ZERO = wiping.ZERO
COPY = "<volume><name>copy</name><target><format type='raw'/></target></volume>"


async def _both(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """What each call came to; streams are closed."""
    came = await asyncio.gather(*calls, return_exceptions=True)
    for each in came:
        if hasattr(each, "close"):
            each.close()
    return came


@pytest.mark.parametrize("other", ["upload", "wipe", "resize", "delete"])
@pytest.mark.parametrize("first", ["upload", "download", "clone", "wipe"])
async def test_nobody_changes_a_volume_that_another_has_begun_with(
    host: Any, first: str, other: str
) -> None:
    pool = await host.pool()
    ref = await host.volume(pool, "v", 1 << 16)
    storage = host.storage
    calls = {
        "upload": lambda: storage.upload_volume(ref, 0, 0, 0),
        "download": lambda: storage.download_volume(ref, 0, 0, 0),
        "clone": lambda: storage.clone_volume(pool, COPY, ref, 0),
        "wipe": lambda: storage.wipe_volume(ref, ZERO, 0),
        "resize": lambda: storage.resize_volume(ref, 1 << 17, 0),
        "delete": lambda: storage.delete_volume(ref, 0),
    }
    began, refused = await _both(calls[first](), calls[other]())
    assert not isinstance(began, BaseException)
    assert isinstance(refused, OperationInvalid) and "still in use" in refused.message
    await storage.delete_volume(ref, 0)


async def test_a_wipe_that_can_not_be_finished_is_not_tried_on_what_comes_later(host: Any) -> None:
    pool = await host.pool()
    path = host.directory / "p" / "v"
    path.mkdir()
    step = json.dumps({"path": str(path), "algorithm": ZERO})
    await host.store.save(Intent(b"k" * 16, wiping.KIND, step))
    await host.again()
    path.rmdir()
    await host.storage.refresh_pool(pool, 0)
    await host.volume(pool, "v", 1 << 16)
    path.write_bytes(b"new" * 100)
    await host.again()
    assert path.read_bytes() == b"new" * 100
