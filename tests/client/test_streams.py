"""Streams: data, holes, ends and aborts in both directions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from virtory import errors
from virtory.client import streams
from virtory.client.domain import Domain
from virtory.client.storage import StorageVolume
from virtory.client.streams import Hole
from virtory.wire.incoming import StreamAborted, StreamData, StreamFinished, StreamHole
from virtory.wire.remote import domain_device
from virtory.wire.remote.storage_volume import StorageVolGetInfoRet
from virtory.wire.remote.types import NonnullDomain, NonnullStorageVol

if TYPE_CHECKING:
    from pathlib import Path

    import virtory

REF = NonnullDomain("web", bytes(16), 3)
VOLUME = NonnullStorageVol("pool", "disk", "/disk")


class Far:
    """The daemon's end of the stream that was opened last."""

    def __init__(self, daemon: Any, name: str) -> None:
        self.daemon = daemon
        self.serial = daemon.last(name).serial

    def send(self, *pieces: bytes | int | None) -> None:
        """Bytes, the length of a hole, or None for the end."""
        for piece in pieces:
            if isinstance(piece, int):
                self.daemon.session.send_hole(self.serial, piece)
            else:
                self.daemon.session.send_data(self.serial, piece or b"")
        self.daemon.link.flush()

    def finish(self) -> None:
        self.daemon.session.finish(self.serial)
        self.daemon.link.flush()

    def abort(self, error: errors.VirtoryError) -> None:
        self.daemon.session.abort(self.serial, error)
        self.daemon.link.flush()

    async def until(self, kind: type) -> None:
        await self.daemon.until(
            lambda: any(isinstance(value, kind) for value in self.daemon.streamed)
        )


@pytest.fixture
async def download(host: virtory.Host, daemon: Any) -> tuple[streams.Stream, Far]:
    daemon.script["STORAGE_VOL_DOWNLOAD"] = None
    stream = await StorageVolume(host, VOLUME).download(sparse=True)
    return stream, Far(daemon, "STORAGE_VOL_DOWNLOAD")


@pytest.fixture
async def upload(host: virtory.Host, daemon: Any) -> tuple[streams.Stream, Far]:
    daemon.script["STORAGE_VOL_UPLOAD"] = None
    stream = await StorageVolume(host, VOLUME).upload(sparse=True)
    return stream, Far(daemon, "STORAGE_VOL_UPLOAD")


async def test_a_download_ends_where_the_daemon_says(download: Any) -> None:
    stream, far = download
    far.send(b"one", b"two", None)
    assert await stream.read() == b"one"
    assert await stream.read(1) == b"t"
    assert await stream.read_all() == b"wo"
    assert await stream.read() == b""


async def test_holes_are_zeroes_to_who_reads_bytes(download: Any) -> None:
    stream, far = download
    far.send(b"a", 5, b"b", None)
    assert await stream.read_all() == b"a\0\0\0\0\0b"


async def test_a_hole_larger_than_memory_is_read_in_pieces(download: Any) -> None:
    stream, far = download
    far.send(1 << 50, None)
    assert await stream.read(10) == bytes(10)
    assert await stream.read_piece() == Hole((1 << 50) - 10)
    assert await stream.read_piece() is None


async def test_a_hole_that_no_file_can_have_is_refused(
    host: virtory.Host, daemon: Any, tmp_path: Path
) -> None:
    daemon.script["STORAGE_VOL_DOWNLOAD"] = None
    daemon.script["STORAGE_VOL_GET_INFO"] = StorageVolGetInfoRet(0, 1 << 20, 0)
    target = tmp_path / "disk"
    asked = StorageVolume(host, VOLUME).download_file(str(target), sparse=True)
    loading = asyncio.ensure_future(asked)
    await daemon.called("STORAGE_VOL_DOWNLOAD")
    far = Far(daemon, "STORAGE_VOL_DOWNLOAD")
    far.send(2**63 - 1, 1)
    await far.until(StreamAborted)
    with pytest.raises(errors.OperationFailed, match="no file can reach"):
        await loading
    assert not target.exists()


async def test_reading_everything_has_a_limit(download: Any) -> None:
    stream, far = download
    far.send(1 << 50, None)
    with pytest.raises(errors.OperationAborted, match="more than 1000 bytes"):
        await stream.read_all(1000)


async def test_leaving_a_read_download_tells_the_daemon_that_it_is_finished(download: Any) -> None:
    stream, far = download

    async def confirm() -> None:
        await far.until(StreamFinished)
        far.finish()

    far.send(b"data", None)
    confirming = asyncio.create_task(confirm())
    async with stream:
        assert [piece async for piece in stream] == [b"data"]
    await confirming


async def test_leaving_a_download_halfway_aborts_it(download: Any) -> None:
    stream, far = download
    far.send(b"data", b"more")
    with pytest.raises(KeyError):
        async with stream:
            await stream.read()
            raise KeyError
    await far.until(StreamAborted)


async def test_the_daemons_error_reaches_the_reader_after_the_data(download: Any) -> None:
    stream, far = download
    far.send(b"data")
    far.abort(errors.OperationFailed("disk on fire"))
    assert await stream.read() == b"data"
    for _ in range(2):
        with pytest.raises(errors.OperationFailed, match="disk on fire"):
            await stream.read()


async def test_a_lost_connection_reaches_the_reader(download: Any) -> None:
    stream, far = download
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    far.daemon.link.close()
    with pytest.raises(errors.ConnectionLost):
        await reading


async def test_two_readers_of_one_stream_are_refused(download: Any) -> None:
    stream, far = download
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    with pytest.raises(errors.LocalMisuse, match="two tasks"):
        await stream.read()
    far.send(b"x")
    assert await reading == b"x"


async def test_unread_data_stops_the_link_until_it_is_read(
    download: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, far = download
    packet = bytes(streams.PACKET)
    count = 3 * streams.HIGH_WATER // len(packet)
    for _ in range(count):
        far.send(packet)
    far.send(None)
    for _ in range(20):
        await asyncio.sleep(0)
    assert far.daemon.link.queued > streams.HIGH_WATER
    assert len(await stream.read_all()) == count * len(packet)
    assert far.daemon.link.queued == 0


async def test_a_call_is_answered_although_a_stream_is_unread(download: Any) -> None:
    from virtory.wire.remote import connect

    stream, far = download
    far.daemon.script["CONNECT_GET_HOSTNAME"] = connect.ConnectGetHostnameRet("here")
    for _ in range(2 * streams.HIGH_WATER // streams.PACKET):
        far.send(bytes(streams.PACKET))
    for _ in range(20):
        await asyncio.sleep(0)
    assert await asyncio.wait_for(stream._caller.call(connect.CONNECT_GET_HOSTNAME), 60)


async def test_an_upload_is_over_when_the_daemon_has_confirmed_it(upload: Any) -> None:
    stream, far = upload
    await stream.write(b"x" * 600_000)
    await stream.write_hole(4096)
    finishing = asyncio.create_task(stream.finish())
    await far.until(StreamFinished)
    assert not finishing.done()
    far.finish()
    await finishing
    data = [value.data for value in far.daemon.streamed if isinstance(value, StreamData)]
    assert b"".join(data) == b"x" * 600_000
    assert max(len(piece) for piece in data) == streams.PACKET
    assert StreamHole(far.serial, 4096) in far.daemon.streamed


async def test_an_upload_that_fails_at_its_end_is_an_error(upload: Any) -> None:
    stream, far = upload

    async def refuse() -> None:
        await far.until(StreamFinished)
        far.abort(errors.OperationFailed("no space left"))

    refusing = asyncio.create_task(refuse())
    with pytest.raises(errors.OperationFailed, match="no space left"):
        async with stream:
            await stream.write(b"data")
    await refusing


async def test_an_upload_that_fails_halfway_is_an_error_to_the_writer(upload: Any) -> None:
    stream, far = upload
    far.abort(errors.OperationFailed("no space left"))
    with pytest.raises(errors.OperationFailed, match="no space left"):
        async with asyncio.timeout(60):
            while True:
                await stream.write(bytes(1000))
                await asyncio.sleep(0)


async def test_an_exception_while_uploading_aborts_the_upload(upload: Any) -> None:
    stream, far = upload
    with pytest.raises(ZeroDivisionError):
        async with stream:
            await stream.write(b"half")
            raise ZeroDivisionError
    await far.until(StreamAborted)
    assert not any(isinstance(value, StreamFinished) for value in far.daemon.streamed)


async def test_writing_to_a_closed_stream_is_an_error(upload: Any) -> None:
    stream, _far = upload
    await stream.abort()
    with pytest.raises(errors.ConnectionLost, match="stream is closed"):
        await stream.write(b"x")
    await stream.abort()


async def test_a_console_carries_bytes_both_ways(host: virtory.Host, daemon: Any) -> None:
    daemon.script["DOMAIN_OPEN_CONSOLE"] = None
    async with await Domain(host, REF).open_console(force=True) as console:
        assert daemon.last("DOMAIN_OPEN_CONSOLE").args.flags == 1
        far = Far(daemon, "DOMAIN_OPEN_CONSOLE")
        far.send(b"login: ")
        assert await console.read() == b"login: "
        await console.write(b"root\n")
        await far.until(StreamData)
        leaving = asyncio.create_task(far.until(StreamFinished))
        leaving.add_done_callback(lambda task: far.finish())


async def test_a_screenshot_is_an_image_with_its_type(host: virtory.Host, daemon: Any) -> None:
    def answer(call: Any) -> None:
        daemon.session.reply(call, domain_device.DomainScreenshotRet("image/png"))
        far = Far(daemon, "DOMAIN_SCREENSHOT")
        far.send(b"\x89PNG", None)
        finished = asyncio.create_task(far.until(StreamFinished))
        finished.add_done_callback(lambda task: far.finish())

    daemon.script["DOMAIN_SCREENSHOT"] = answer
    assert await Domain(host, REF).screenshot() == ("image/png", b"\x89PNG")


async def test_a_stream_that_is_refused_is_the_calls_error(host: virtory.Host, daemon: Any) -> None:
    daemon.script["DOMAIN_OPEN_CONSOLE"] = errors.OperationFailed("console is in use")
    with pytest.raises(errors.OperationFailed, match="in use"):
        await Domain(host, REF).open_console()
