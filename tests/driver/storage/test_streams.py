"""Volumes as streams: what a cut-off call leaves in its thread touches no other file."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from virtory.driver.storage.streams import PACKET, Download, Upload

if TYPE_CHECKING:
    from pathlib import Path


class Pieces(list[Any]):
    """What arrives from a client, with a pause in the midst of it."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(pieces)
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __iter__(self) -> Any:
        for piece in super().__iter__():
            yield piece
            self.begun.set()
            self.goes_on.wait()


async def test_an_upload_that_is_cut_off_keeps_its_file_until_its_thread_is_through(
    tmp_path: Path,
) -> None:
    fd = os.open(tmp_path / "v", os.O_RDWR | os.O_CREAT, 0o600)
    closed = asyncio.Event()

    async def finished() -> None:
        """Nothing is looked up."""

    upload = Upload(fd, "v", 0, 0, finished=finished, closed=closed.set)
    pieces = Pieces(b"a", b"b")
    writing = asyncio.ensure_future(upload.write_pieces(pieces))
    await asyncio.to_thread(pieces.begun.wait)
    writing.cancel()
    upload.close()
    with pytest.raises(asyncio.CancelledError):
        await writing
    os.fstat(fd)
    assert not closed.is_set()
    pieces.goes_on.set()
    await closed.wait()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    assert (tmp_path / "v").read_bytes() == b"ab"


async def test_a_download_that_is_given_up_complains_of_nothing_that_was_to_be_read_ahead(
    tmp_path: Path,
) -> None:
    (tmp_path / "v").write_bytes(bytes(20 * PACKET))
    loop, goes_on = asyncio.get_running_loop(), threading.Event()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    loop.set_default_executor(ThreadPoolExecutor(1))

    fd = os.open(tmp_path / "v", os.O_RDONLY)
    download = Download(fd, "v", 0, 0, sparse=False, closed=lambda: None)
    reading = asyncio.ensure_future(download.read())
    await asyncio.sleep(0)
    waiting = loop.run_in_executor(None, goes_on.wait)  # before what is read ahead
    assert await reading == bytes(PACKET)
    download.close()
    goes_on.set()
    await waiting
    await loop.run_in_executor(None, bool)  # and after it
    del download, reading
    gc.collect()
    assert complaints == []
