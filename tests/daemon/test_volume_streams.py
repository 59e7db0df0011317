"""The contents of volumes over a connection: whole, in part, with holes, given up."""

from __future__ import annotations

import os
from typing import Any

import pytest

from virtory.errors import OperationInvalid, SystemCallFailed
from virtory.wire.remote import storage_pool as p
from virtory.wire.remote import storage_volume as v

XML = "<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation></volume>"


async def volume(client: Any, name: str = "v", size: int = 4 << 20) -> Any:
    pool = await client.call(
        p.STORAGE_POOL_LOOKUP_BY_NAME, p.StoragePoolLookupByNameArgs("default-pool")
    )
    args = v.StorageVolCreateXmlArgs(pool.pool, XML.format(name=name, size=size), 0)
    return (await client.call(v.STORAGE_VOL_CREATE_XML, args)).vol


async def open_upload(client: Any, vol: Any, offset: int, length: int, flags: int = 0) -> int:
    args = v.StorageVolUploadArgs(vol, offset, length, flags)
    serial = client.send(v.STORAGE_VOL_UPLOAD, args)
    await client.reply(serial)
    return int(serial)


async def upload(client: Any, vol: Any, *pieces: bytes | int, offset: int = 0) -> Any:
    """Send data and (numbers) holes; how the stream ended."""
    sparse = any(isinstance(piece, int) for piece in pieces)
    serial = await open_upload(client, vol, offset, 0, int(sparse))
    for piece in pieces:
        if isinstance(piece, int):
            client.session.send_hole(serial, piece)
        else:
            client.session.send_data(serial, piece)
    client.session.finish(serial)
    client.link.flush()
    await client.until(lambda: serial in client.ended)
    return client.ended[serial]


async def download(
    client: Any, vol: Any, offset: int = 0, length: int = 0, flags: int = 0
) -> tuple[bytes, Any]:
    """What came, holes as zeroes, and how the stream ended."""
    args = v.StorageVolDownloadArgs(vol, offset, length, flags)
    serial = client.send(v.STORAGE_VOL_DOWNLOAD, args)
    await client.reply(serial)
    client.streamed.setdefault(serial, bytearray())
    await client.until(lambda: serial in client.ended)
    if client.ended[serial] == "end of data":
        client.session.finish(serial)
        client.link.flush()
        await client.until(lambda: client.ended[serial] != "end of data")
    return bytes(client.streamed[serial]), client.ended[serial]


async def test_what_goes_up_comes_down(daemon: Any) -> None:
    client = await daemon.open()
    vol = await volume(client)
    data = os.urandom(3 << 20)
    assert await upload(client, vol, data) == "finished"
    got, ended = await download(client, vol)
    assert got == data + bytes(1 << 20) and ended == "finished"
    assert (await download(client, vol, 5, 7))[0] == data[5:12]
    assert (await download(client, vol, 1 << 40))[0] == b""


async def test_a_part_is_replaced_and_the_rest_stays(daemon: Any) -> None:
    client = await daemon.open()
    vol = await volume(client, size=8)
    await upload(client, vol, b"ab", b"cd", offset=3)
    assert (await download(client, vol))[0] == b"\0\0\0abcd\0"


async def test_many_tiny_packets_are_written_in_order(daemon: Any) -> None:
    client = await daemon.open()
    data = os.urandom(5000)
    vol = await volume(client, size=len(data))
    assert await upload(client, vol, *(data[at : at + 1] for at in range(5000))) == "finished"
    assert (await download(client, vol))[0] == data


async def test_holes_go_up_and_come_down_as_holes(daemon: Any) -> None:
    client = await daemon.open()
    vol = await volume(client, size=12 << 20)
    await upload(client, vol, b"x" * 4096, 8 << 20, b"y" * 4096)
    got, _ = await download(client, vol, flags=1)
    expected = b"x" * 4096 + bytes(8 << 20) + b"y" * 4096
    assert got == expected + bytes((12 << 20) - len(expected))
    assert client.holes >= (12 << 20) - (1 << 16)


async def test_a_hole_over_data_makes_it_zeroes(daemon: Any) -> None:
    client = await daemon.open()
    vol = await volume(client, size=1 << 16)
    await upload(client, vol, b"x" * (1 << 16))
    await upload(client, vol, b"a", 1 << 15)
    got, _ = await download(client, vol)
    assert got == b"a" + bytes(1 << 15) + b"x" * ((1 << 15) - 1)


async def test_more_than_was_said_ends_the_upload_with_an_error(daemon: Any) -> None:
    client = await daemon.open()
    vol = await volume(client)
    serial = await open_upload(client, vol, 0, 4)
    client.session.send_data(serial, b"12345")
    client.link.flush()
    await client.until(lambda: serial in client.ended)
    assert isinstance(client.ended[serial], SystemCallFailed)


async def test_a_volume_in_use_is_not_deleted_and_a_client_that_leaves_lets_go(
    daemon: Any,
) -> None:
    client, other = await daemon.open(), await daemon.open()
    vol = await volume(client)
    await open_upload(client, vol, 0, 0)
    with pytest.raises(OperationInvalid, match="still in use"):
        await other.call(v.STORAGE_VOL_DELETE, v.StorageVolDeleteArgs(vol, 0))
    client.link.close()
    await client.gone.wait()
    await other.call(v.STORAGE_VOL_GET_INFO, v.StorageVolGetInfoArgs(vol))
    await other.call(v.STORAGE_VOL_DELETE, v.StorageVolDeleteArgs(vol, 0))


async def test_a_client_that_reads_slowly_holds_only_its_own_stream(daemon: Any) -> None:
    slow, other = await daemon.open(), await daemon.open()
    vol = await volume(slow, size=64 << 20)
    await upload(slow, vol, b"x" * (1 << 20))
    slow.link.pause_reading()
    slow.send(v.STORAGE_VOL_DOWNLOAD, v.StorageVolDownloadArgs(vol, 0, 0, 0))
    assert (await download(other, vol, 0, 1 << 20))[0] == b"x" * (1 << 20)
