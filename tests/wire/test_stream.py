"""Streams: downloads, uploads, consoles, holes, and the ways one can end."""

from __future__ import annotations

import pytest

from virtory.errors import (
    ConnectionLost,
    LocalMisuse,
    OperationFailed,
    PeerMisbehaved,
    RpcError,
)
from virtory.wire.frame import CONTINUE, ERROR, HEADER, OK, STREAM, STREAM_HOLE
from virtory.wire.incoming import (
    Call,
    Failure,
    Incoming,
    PeerDead,
    Reply,
    StreamAborted,
    StreamData,
    StreamFinished,
    StreamHole,
)
from virtory.wire.procedure import REMOTE
from virtory.wire.remote.domain_device import DOMAIN_OPEN_CONSOLE, DomainOpenConsoleArgs
from virtory.wire.remote.storage_volume import (
    STORAGE_VOL_DOWNLOAD,
    STORAGE_VOL_UPLOAD,
    StorageVolDownloadArgs,
    StorageVolUploadArgs,
)
from virtory.wire.remote.types import NonnullDomain, NonnullStorageVol
from virtory.wire.session import CLIENT, SERVER, Session
from virtory.wire.stream import PACKET_MAX, NetStreamHole

VOLUME = NonnullStorageVol("pool", "vol", "/pool/vol")
CONSOLE = DomainOpenConsoleArgs(NonnullDomain("vm", bytes(16), 1), None)


def carried(sender: Session, receiver: Session) -> list[Incoming]:
    data = b"".join(chunk.data for chunk in sender.outgoing())
    return receiver.receive(data) if data else []


class Ends:
    """A client and a server with one open stream between them."""

    def __init__(self, procedure: object, args: object, *, reply: bool = True) -> None:
        self.client = Session(CLIENT)
        self.server = Session(SERVER)
        self.serial = self.client.call(procedure, args)  # type: ignore[arg-type]
        (call,) = carried(self.client, self.server)
        assert isinstance(call, Call)
        self.call = call
        if reply:
            self.server.reply(call)
            (answer,) = self.to_client()
            assert isinstance(answer, Reply)

    def to_client(self) -> list[Incoming]:
        return carried(self.server, self.client)

    def to_server(self) -> list[Incoming]:
        return carried(self.client, self.server)


def download(flags: int = 0, *, reply: bool = True) -> Ends:
    return Ends(STORAGE_VOL_DOWNLOAD, StorageVolDownloadArgs(VOLUME, 0, 0, flags), reply=reply)


def upload(flags: int = 0, *, reply: bool = True) -> Ends:
    return Ends(STORAGE_VOL_UPLOAD, StorageVolUploadArgs(VOLUME, 0, 0, flags), reply=reply)


def packet(kind: int, status: int, body: bytes = b"", serial: int = 0, number: int = 209) -> bytes:
    return HEADER.pack(28 + len(body), REMOTE.number, 1, number, kind, serial, status) + body


def test_a_download_is_data_an_end_and_a_confirmation() -> None:
    ends = download()
    ends.server.send_data(ends.serial, b"hello")
    ends.server.send_data(ends.serial, b"")
    assert ends.to_client() == [StreamData(0, b"hello"), StreamData(0, b"")]
    ends.client.finish(ends.serial)
    assert ends.to_server() == [StreamFinished(0)]
    ends.server.finish(ends.serial)
    assert ends.to_client() == [StreamFinished(0)]
    for session in (ends.client, ends.server):
        with pytest.raises(RpcError, match="no open stream with serial 0"):
            session.finish(0)


def test_an_upload_is_confirmed_only_when_the_server_says_so() -> None:
    ends = upload()
    ends.client.send_data(ends.serial, b"hello")
    ends.client.finish(ends.serial)
    assert ends.to_server() == [StreamData(0, b"hello"), StreamFinished(0)]
    assert ends.to_client() == []
    ends.server.finish(ends.serial)
    assert ends.to_client() == [StreamFinished(0)]


def test_a_console_goes_both_ways() -> None:
    ends = Ends(DOMAIN_OPEN_CONSOLE, CONSOLE)
    ends.client.send_data(ends.serial, b"root\n")
    assert ends.to_server() == [StreamData(0, b"root\n")]
    ends.server.send_data(ends.serial, b"Password: ")
    assert ends.to_client() == [StreamData(0, b"Password: ")]


def test_data_is_cut_into_the_packets_libvirt_uses() -> None:
    ends = download()
    data = bytes(range(256)) * 4096
    ends.server.send_data(ends.serial, data)
    assert ends.server.queued == len(data) + 5 * 28
    incoming = ends.to_client()
    pieces = [item.data for item in incoming if isinstance(item, StreamData)]
    assert [len(piece) for piece in pieces] == [PACKET_MAX] * 4 + [len(data) - 4 * PACKET_MAX]
    assert b"".join(pieces) == data
    assert ends.server.queued == 0


def test_holes_travel_on_sparse_streams_both_ways() -> None:
    ends = download(flags=1)
    ends.server.send_hole(ends.serial, 10**12)
    ends.server.send_data(ends.serial, b"x")
    assert ends.to_client() == [StreamHole(0, 10**12), StreamData(0, b"x")]
    ends = upload(flags=1)
    ends.client.send_hole(ends.serial, 4096)
    assert ends.to_server() == [StreamHole(0, 4096)]


def test_a_hole_in_a_stream_that_is_not_sparse_closes_the_connection() -> None:
    ends = download()
    with pytest.raises(LocalMisuse, match="not opened as sparse"):
        ends.server.send_hole(ends.serial, 1)
    with pytest.raises(PeerMisbehaved, match="not opened as sparse"):
        ends.client.receive(packet(STREAM_HOLE, CONTINUE, NetStreamHole(1).encode()))
    assert ends.client.closed


@pytest.mark.parametrize(
    "body", [NetStreamHole(-1).encode(), NetStreamHole(1, 1).encode(), b"", b"\0" * 11]
)
def test_a_hole_that_makes_no_sense_closes_the_connection(body: bytes) -> None:
    ends = download(flags=1)
    with pytest.raises(PeerMisbehaved, match="hole"):
        ends.client.receive(packet(STREAM_HOLE, CONTINUE, body))


def test_a_client_that_gives_up_is_confirmed_at_once() -> None:
    ends = download()
    ends.client.abort(ends.serial)
    ends.server.send_data(ends.serial, b"crossing")
    assert ends.to_server() == [StreamAborted(0, None)]
    assert ends.to_client() == [StreamAborted(0, None)]
    with pytest.raises(RpcError):
        ends.server.send_data(ends.serial, b"more")
    ends.server.abort(ends.serial)
    assert ends.to_client() == []


def test_a_server_that_gives_up_says_why() -> None:
    ends = upload()
    ends.server.abort(ends.serial, OperationFailed("the disk is full"))
    ends.client.send_data(ends.serial, b"crossing")
    (aborted,) = ends.to_client()
    assert isinstance(aborted, StreamAborted)
    assert str(aborted.error) == "operation failed: the disk is full"
    assert ends.to_server() == []
    assert not ends.server.closed


def test_an_abort_and_an_error_that_cross_end_the_stream_once_at_each_side() -> None:
    ends = upload()
    ends.client.abort(ends.serial)
    ends.server.abort(ends.serial, OperationFailed("full"))
    assert ends.to_server() == []
    (aborted,) = ends.to_client()
    assert isinstance(aborted, StreamAborted)
    assert ends.to_client() == []


def test_a_refused_call_opens_no_stream() -> None:
    ends = download(reply=False)
    ends.server.fail(ends.call, OperationFailed("no such volume"))
    (failure,) = ends.to_client()
    assert isinstance(failure, Failure)
    with pytest.raises(RpcError):
        ends.server.send_data(ends.serial, b"x")
    with pytest.raises(RpcError):
        ends.client.finish(ends.serial)


def test_data_that_comes_before_the_reply_is_not_lost() -> None:
    ends = upload(reply=False)
    early = packet(STREAM, CONTINUE, b"early", number=STORAGE_VOL_UPLOAD.number)
    assert ends.server.receive(early) == [StreamData(0, b"early")]


def test_nothing_is_sent_before_the_call_is_answered() -> None:
    ends = upload(reply=False)
    for session in (ends.client, ends.server):
        for verb in (session.finish, session.abort):
            with pytest.raises(LocalMisuse, match="is not open yet"):
                verb(ends.serial)
    with pytest.raises(LocalMisuse, match="is not open yet"):
        ends.client.send_data(ends.serial, b"x")


def test_data_only_goes_where_the_stream_goes() -> None:
    ends = download()
    with pytest.raises(LocalMisuse, match="goes the other way"):
        ends.client.send_data(ends.serial, b"x")
    with pytest.raises(PeerMisbehaved, match="takes no data"):
        ends.server.receive(packet(STREAM, CONTINUE, b"x"))


def test_after_its_finish_a_client_sends_no_more() -> None:
    ends = upload()
    ends.client.finish(ends.serial)
    with pytest.raises(LocalMisuse, match="is finishing"):
        ends.client.send_data(ends.serial, b"x")
    with pytest.raises(LocalMisuse, match="is finishing"):
        ends.client.finish(ends.serial)


def test_what_a_client_sends_after_its_finish_is_dropped() -> None:
    ends = upload()
    ends.client.finish(ends.serial)
    ends.to_server()
    late = packet(STREAM, CONTINUE, b"late", number=STORAGE_VOL_UPLOAD.number)
    again = packet(STREAM, OK, number=STORAGE_VOL_UPLOAD.number)
    assert ends.server.receive(late + again) == []


def test_a_packet_that_names_another_procedure_closes_the_connection() -> None:
    ends = download()
    with pytest.raises(PeerMisbehaved, match="belongs to STORAGE_VOL_DOWNLOAD"):
        ends.client.receive(packet(STREAM, CONTINUE, b"x", number=1))


def test_an_error_packet_that_cannot_be_decoded_closes_the_connection() -> None:
    ends = download()
    with pytest.raises(PeerMisbehaved, match="cannot be decoded"):
        ends.client.receive(packet(STREAM, ERROR, b"\0\0\0"))


def test_two_streams_with_one_serial_close_the_connection() -> None:
    server = Session(SERVER)
    client = Session(CLIENT)
    client.call(STORAGE_VOL_DOWNLOAD, StorageVolDownloadArgs(VOLUME, 0, 0))
    data = client.outgoing()[0].data
    server.receive(data)
    with pytest.raises(PeerMisbehaved, match="serial 0 already names an open stream"):
        server.receive(data)


def test_the_end_of_the_connection_aborts_every_open_stream() -> None:
    ends = download()
    ends.client.call(STORAGE_VOL_DOWNLOAD, StorageVolDownloadArgs(VOLUME, 0, 0))
    error = ConnectionLost("gone")
    assert ends.client.end(error) == [
        Failure(STORAGE_VOL_DOWNLOAD, 1, error),
        StreamAborted(0, error),
        PeerDead(error),
    ]
    assert ends.server.end(error) == [StreamAborted(0, error), PeerDead(error)]


def test_an_abandoned_call_gives_its_stream_up() -> None:
    ends = download(reply=False)
    ends.client.abandon(ends.serial)
    ends.server.reply(ends.call)
    assert ends.to_client() == []
    assert ends.to_server() == [StreamAborted(0, None)]
