"""Calls, replies, events and the end of a session: two sessions talk, or one is told bytes."""

from __future__ import annotations

import pytest

from virtory.codec.xdr import XdrError
from virtory.errors import (
    ConnectionLost,
    DomainNotFound,
    LocalMisuse,
    PeerMisbehaved,
    RpcError,
)
from virtory.wire.frame import (
    CALL,
    ERROR,
    HEADER,
    MESSAGE,
    OK,
    REPLY,
    REPLY_WITH_FDS,
    STREAM,
    STREAM_HOLE,
)
from virtory.wire.incoming import Call, Event, Failure, Incoming, PeerDead, Reply, UnknownCall
from virtory.wire.procedure import KEEPALIVE, REMOTE
from virtory.wire.remote.connect import CONNECT_GET_HOSTNAME, ConnectGetHostnameRet
from virtory.wire.remote.domain import (
    DOMAIN_LOOKUP_BY_NAME,
    DomainLookupByNameArgs,
    DomainLookupByNameRet,
)
from virtory.wire.remote.domain_event import (
    DOMAIN_EVENT_CALLBACK_LIFECYCLE,
    DomainEventCallbackLifecycleMsg,
)
from virtory.wire.remote.domain_event_legacy import DomainEventLifecycleMsg
from virtory.wire.remote.domain_state import (
    DOMAIN_CREATE_XML_WITH_FILES,
    DOMAIN_SHUTDOWN,
    DomainCreateXmlWithFilesArgs,
    DomainCreateXmlWithFilesRet,
    DomainShutdownArgs,
)
from virtory.wire.remote.types import Error, NonnullDomain
from virtory.wire.session import CLIENT, SERVER, Session

DOMAIN = NonnullDomain("vm", bytes(range(16)), 3)
LOOKUP = DomainLookupByNameArgs("vm")
FOUND = DomainLookupByNameRet(DOMAIN)
SHUTDOWN = DomainShutdownArgs(DOMAIN)


def sent(session: Session) -> bytes:
    chunks = session.outgoing()
    assert all(chunk.fds == () for chunk in chunks)
    return b"".join(chunk.data for chunk in chunks)


def carried(sender: Session, receiver: Session) -> list[Incoming]:
    """Everything queued at one end, given to the other as a link would."""
    incoming: list[Incoming] = []
    for data, fds in sender.outgoing():
        incoming += receiver.receive(data)
        for fd in fds:
            incoming += receiver.receive(b"\0", (fd,))
    return incoming


def pair() -> tuple[Session, Session]:
    return Session(CLIENT), Session(SERVER)


def one_call(client: Session, server: Session) -> Call:
    client.call(DOMAIN_LOOKUP_BY_NAME, LOOKUP)
    (call,) = carried(client, server)
    assert isinstance(call, Call)
    return call


def raw(
    kind: int,
    body: bytes = b"",
    *,
    program: int = REMOTE.number,
    version: int = 1,
    number: int = DOMAIN_LOOKUP_BY_NAME.number,
    serial: int = 0,
    status: int = OK,
) -> bytes:
    return HEADER.pack(28 + len(body), program, version, number, kind, serial, status) + body


def test_a_call_arrives_decoded_and_its_reply_too() -> None:
    client, server = pair()
    serial = client.call(DOMAIN_LOOKUP_BY_NAME, LOOKUP)
    call = Call(DOMAIN_LOOKUP_BY_NAME, serial, LOOKUP, size=len(LOOKUP.encode()))
    assert carried(client, server) == [call]
    assert (client.open_calls, server.open_calls) == (1, 1)
    server.reply(call, FOUND)  # an equal Call is as good as the one that arrived
    assert carried(server, client) == [Reply(DOMAIN_LOOKUP_BY_NAME, serial, FOUND)]
    assert (client.open_calls, server.open_calls) == (0, 0)


def test_procedures_without_arguments_or_results_have_none() -> None:
    client, server = pair()
    client.call(CONNECT_GET_HOSTNAME)
    client.call(DOMAIN_SHUTDOWN, SHUTDOWN)
    hostname, shutdown = carried(client, server)
    assert isinstance(hostname, Call)
    assert isinstance(shutdown, Call)
    assert hostname.args is None
    server.reply(hostname, ConnectGetHostnameRet("host"))
    server.reply(shutdown)
    first, second = carried(server, client)
    assert first == Reply(CONNECT_GET_HOSTNAME, 0, ConnectGetHostnameRet("host"))
    assert second == Reply(DOMAIN_SHUTDOWN, 1, None)


def test_serials_start_at_zero_and_go_up() -> None:
    client = Session(CLIENT)
    assert [client.call(CONNECT_GET_HOSTNAME) for _ in range(3)] == [0, 1, 2]


def test_replies_may_come_in_any_order() -> None:
    client, server = pair()
    for _ in range(5):
        client.call(DOMAIN_LOOKUP_BY_NAME, LOOKUP)
    calls = carried(client, server)
    for call in reversed(calls):
        assert isinstance(call, Call)
        server.reply(call, FOUND)
    replies = carried(server, client)
    assert [reply.serial for reply in replies if isinstance(reply, Reply)] == [4, 3, 2, 1, 0]


def test_an_error_is_raised_as_the_same_class_at_the_other_end() -> None:
    client, server = pair()
    call = one_call(client, server)
    server.fail(call, DomainNotFound("no domain 'vm'", cure="virtory list shows all"))
    (failure,) = carried(server, client)
    assert isinstance(failure, Failure)
    assert type(failure.error) is DomainNotFound
    assert failure.error.cure == "virtory list shows all"
    assert client.open_calls == 0


def test_an_event_has_serial_one_and_arrives_decoded() -> None:
    client, server = pair()
    message = DomainEventCallbackLifecycleMsg(4, DomainEventLifecycleMsg(DOMAIN, 2, 0))
    server.emit(DOMAIN_EVENT_CALLBACK_LIFECYCLE, message)
    data = sent(server)
    assert int.from_bytes(data[20:24], "big") == 1
    assert client.receive(data) == [Event(DOMAIN_EVENT_CALLBACK_LIFECYCLE, message)]


def test_an_event_of_a_newer_server_is_left_aside() -> None:
    client = Session(CLIENT)
    assert client.receive(raw(MESSAGE, b"whatever", number=900)) == []
    assert client.receive(raw(MESSAGE, b"whatever", program=77)) == []
    assert not client.closed


def test_an_event_that_cannot_be_decoded_closes_the_connection() -> None:
    client = Session(CLIENT)
    with pytest.raises(PeerMisbehaved, match="DOMAIN_EVENT_CALLBACK_LIFECYCLE"):
        client.receive(raw(MESSAGE, b"\0", number=DOMAIN_EVENT_CALLBACK_LIFECYCLE.number))
    assert client.closed


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (raw(CALL, number=444, serial=9), "unknown procedure: 444"),
        (raw(CALL, number=-1, serial=9), "unknown procedure: -1"),
        (raw(CALL, number=318, serial=9), "unknown procedure: 318"),
        (raw(CALL, program=99, version=3, serial=9), "Cannot find program 99 version 3"),
        (raw(CALL, version=2, serial=9), "Cannot find program 536903814 version 2"),
        (
            raw(CALL, program=KEEPALIVE.number, number=1, serial=9),
            "Cannot find program 1801807216 version 1",
        ),
    ],
    ids=["newer", "negative", "event", "program", "version", "keepalive"],
)
def test_an_unknown_call_is_answered_in_libvirtds_words(frame: bytes, text: str) -> None:
    server = Session(SERVER)
    (unknown,) = server.receive(frame)
    assert isinstance(unknown, UnknownCall)
    assert unknown.serial == 9
    data = sent(server)
    assert data[4:16] == frame[4:16]  # program, version and procedure are echoed
    assert HEADER.unpack_from(data)[4:] == (REPLY, 9, ERROR)
    assert Error.decode(data, 28) == Error(
        code=39,
        domain=7,
        message=text,
        level=2,
        dom=None,
        str1="%s",
        str2=text,
        str3=None,
        int1=-1,
        int2=-1,
        net=None,
    )
    assert server.open_calls == 0


def test_arguments_that_cannot_be_decoded_are_answered_and_the_connection_lives() -> None:
    client, server = pair()
    serial = client.call(DOMAIN_LOOKUP_BY_NAME, LOOKUP)
    sent(client)
    assert server.receive(raw(CALL, b"\0\0", serial=serial)) == []
    (failure,) = carried(server, client)
    assert isinstance(failure, Failure)
    assert str(failure.error) == "Unable to decode message payload"
    assert server.open_calls == 0
    assert one_call(client, server).args == LOOKUP


def test_bytes_after_the_arguments_are_ignored() -> None:
    server = Session(SERVER)
    payload = LOOKUP.encode() + b"more!"
    (call,) = server.receive(raw(CALL, payload))
    assert call == Call(DOMAIN_LOOKUP_BY_NAME, 0, LOOKUP, size=len(payload))


def test_a_reply_that_cannot_be_decoded_fails_only_its_call() -> None:
    client = Session(CLIENT)
    client.call(DOMAIN_LOOKUP_BY_NAME, LOOKUP)
    client.call(DOMAIN_LOOKUP_BY_NAME, LOOKUP)
    (failure,) = client.receive(raw(REPLY, b"\0\0\0\xff", serial=0))
    assert isinstance(failure, Failure)
    assert "Unable to decode message payload of DOMAIN_LOOKUP_BY_NAME" in str(failure.error)
    assert client.receive(raw(REPLY, FOUND.encode(), serial=1)) == [
        Reply(DOMAIN_LOOKUP_BY_NAME, 1, FOUND)
    ]


def test_a_reply_to_an_unknown_serial_closes_the_connection() -> None:
    client = Session(CLIENT)
    client.call(CONNECT_GET_HOSTNAME)
    with pytest.raises(PeerMisbehaved, match="serial 7, which no call waits for"):
        client.receive(raw(REPLY, serial=7))
    assert client.closed


def test_a_second_reply_to_one_call_closes_the_connection() -> None:
    client, server = pair()
    server.reply(one_call(client, server), FOUND)
    data = sent(server)
    client.receive(data)
    with pytest.raises(PeerMisbehaved):
        client.receive(data)


def test_a_reply_that_names_another_procedure_closes_the_connection() -> None:
    client = Session(CLIENT)
    client.call(CONNECT_GET_HOSTNAME)
    with pytest.raises(PeerMisbehaved, match="CONNECT_GET_HOSTNAME"):
        client.receive(raw(REPLY, FOUND.encode(), serial=0))


@pytest.mark.parametrize(
    "frame",
    [raw(MESSAGE), raw(STREAM, status=2), raw(STREAM), raw(STREAM_HOLE, bytes(12), status=2)],
    ids=["message", "data", "finish", "hole"],
)
def test_a_server_drops_stray_messages_and_stream_packets(frame: bytes) -> None:
    server = Session(SERVER)
    assert server.receive(frame) == []
    assert sent(server) == b""
    assert not server.closed


@pytest.mark.parametrize(
    ("session", "frame"),
    [
        (Session(SERVER), raw(REPLY)),
        (Session(SERVER), raw(REPLY_WITH_FDS, b"\0\0\0\0")),
        (Session(SERVER), raw(CALL, status=ERROR)),
        (Session(SERVER), raw(9)),
        (Session(SERVER), raw(-1)),
        (Session(SERVER), raw(STREAM, status=7)),
        (Session(SERVER), raw(STREAM_HOLE)),
        (Session(SERVER), raw(MESSAGE, status=ERROR)),
        (Session(CLIENT), raw(CALL)),
        (Session(CLIENT), raw(REPLY, status=2)),
    ],
)
def test_what_the_table_lacks_closes_the_connection(session: Session, frame: bytes) -> None:
    with pytest.raises(PeerMisbehaved, match="never receives"):
        session.receive(frame)
    assert session.closed
    with pytest.raises(LocalMisuse):
        session.receive(frame)


def test_a_call_is_answered_once() -> None:
    client, server = pair()
    call = one_call(client, server)
    server.reply(call, FOUND)
    for again in (lambda: server.reply(call, FOUND), lambda: server.fail(call, RpcError("no"))):
        with pytest.raises(LocalMisuse, match="twice"):
            again()


def test_verbs_used_wrongly_are_our_own_mistakes() -> None:
    client, server = pair()
    call = one_call(client, server)
    with pytest.raises(LocalMisuse, match="the session is a server"):
        server.call(CONNECT_GET_HOSTNAME)
    with pytest.raises(LocalMisuse, match="not called with nothing"):
        client.call(DOMAIN_LOOKUP_BY_NAME)
    with pytest.raises(LocalMisuse, match="not called with DomainShutdownArgs"):
        client.call(DOMAIN_LOOKUP_BY_NAME, SHUTDOWN)  # type: ignore[arg-type]
    with pytest.raises(LocalMisuse, match="not called with"):
        client.call(DOMAIN_EVENT_CALLBACK_LIFECYCLE)
    with pytest.raises(LocalMisuse, match="must return DomainLookupByNameRet"):
        server.reply(call)
    with pytest.raises(LocalMisuse, match="does not return"):
        server.reply(call, LOOKUP)
    with pytest.raises(LocalMisuse, match="not emitted with"):
        server.emit(DOMAIN_EVENT_CALLBACK_LIFECYCLE, FOUND)
    assert server.open_calls == 1


def test_a_reply_over_a_limit_leaves_the_call_to_be_failed() -> None:
    client, server = pair()
    client.call(CONNECT_GET_HOSTNAME)
    (call,) = carried(client, server)
    assert isinstance(call, Call)
    with pytest.raises(XdrError) as caught:
        server.reply(call, ConnectGetHostnameRet("x" * 4194305))
    assert not call.answered
    server.fail(call, caught.value)
    (failure,) = carried(server, client)
    assert isinstance(failure, Failure)
    assert type(failure.error) is RpcError


def test_descriptors_travel_with_a_call_and_with_its_reply() -> None:
    client, server = pair()
    client.call(CONNECT_GET_HOSTNAME)
    client.call(DOMAIN_CREATE_XML_WITH_FILES, DomainCreateXmlWithFilesArgs("<domain/>"), (11, 12))
    client.call(CONNECT_GET_HOSTNAME)
    _, call, _ = carried(client, server)
    assert isinstance(call, Call)
    assert (call.fds, call.args) == ((11, 12), DomainCreateXmlWithFilesArgs("<domain/>"))
    server.reply(call, DomainCreateXmlWithFilesRet(DOMAIN), (13,))
    (reply,) = carried(server, client)
    assert reply == Reply(
        DOMAIN_CREATE_XML_WITH_FILES, 1, DomainCreateXmlWithFilesRet(DOMAIN), (13,)
    )
    assert client.take_strays() == server.take_strays() == []


def test_descriptors_that_nobody_will_handle_are_strays() -> None:
    server = Session(SERVER)
    count = (1).to_bytes(4, "big")
    server.receive(raw(4, count, number=999) + b"\0", (5,))
    server.receive(raw(4, count + b"\0") + b"\0", (6,))
    assert server.take_strays() == [5, 6]
    with pytest.raises(PeerMisbehaved):
        server.receive(raw(4, count + LOOKUP.encode()) + b"\0" + raw(9), (7,))
    server.end(ConnectionLost("x"))
    assert server.take_strays() == [7]
    assert server.take_strays() == []


def test_descriptors_of_an_announced_message_that_never_completes_are_strays() -> None:
    server = Session(SERVER)
    server.receive(raw(4, (2).to_bytes(4, "big")) + b"\0", (5,))
    assert server.take_strays() == []
    server.end(ConnectionLost("x"))
    assert server.take_strays() == [5]


def test_descriptors_of_a_reply_after_the_end_are_strays() -> None:
    client, server = pair()
    client.call(DOMAIN_CREATE_XML_WITH_FILES, DomainCreateXmlWithFilesArgs("<domain/>"))
    (call,) = carried(client, server)
    assert isinstance(call, Call)
    server.end(ConnectionLost("x"))
    server.reply(call, DomainCreateXmlWithFilesRet(DOMAIN), (13,))
    assert server.outgoing() == []
    assert server.take_strays() == [13]


def test_an_abandoned_calls_answer_is_dropped_and_its_descriptors_are_strays() -> None:
    client, server = pair()
    args = DomainCreateXmlWithFilesArgs("<domain/>")
    serial = client.call(DOMAIN_CREATE_XML_WITH_FILES, args)
    client.abandon(serial)
    (call,) = carried(client, server)
    assert isinstance(call, Call)
    server.reply(call, DomainCreateXmlWithFilesRet(DOMAIN), (13,))
    assert carried(server, client) == []
    assert client.take_strays() == [13]
    assert client.open_calls == 0


def test_the_end_fails_every_call_that_still_waits() -> None:
    client, server = pair()
    one_call(client, server)
    abandoned = client.call(CONNECT_GET_HOSTNAME)
    client.abandon(abandoned)
    error = ConnectionLost("the daemon has closed the connection")
    assert client.end(error) == [
        Failure(DOMAIN_LOOKUP_BY_NAME, 0, error),
        PeerDead(error),
    ]
    assert client.open_calls == 0
    with pytest.raises(LocalMisuse, match="closed"):
        client.call(CONNECT_GET_HOSTNAME)


def test_a_handler_that_answers_after_the_end_does_no_harm() -> None:
    client, server = pair()
    call = one_call(client, server)
    error = ConnectionLost("x")
    assert server.end(error) == [PeerDead(error)]
    server.reply(call, FOUND)
    server.emit(
        DOMAIN_EVENT_CALLBACK_LIFECYCLE,
        DomainEventCallbackLifecycleMsg(4, DomainEventLifecycleMsg(DOMAIN, 2, 0)),
    )
    assert server.outgoing() == []


def test_what_is_queued_can_be_seen_and_is_taken_once() -> None:
    client = Session(CLIENT)
    client.call(CONNECT_GET_HOSTNAME)
    assert client.queued == 28
    assert len(sent(client)) == 28
    assert client.queued == 0
    assert client.outgoing() == []


def test_a_conversation_split_at_every_byte_is_the_same_conversation() -> None:
    client, server = pair()
    client.call(DOMAIN_LOOKUP_BY_NAME, LOOKUP)
    client.call(CONNECT_GET_HOSTNAME)
    data = sent(client)
    whole = Session(SERVER).receive(data)
    assert len(whole) == 2
    for split in range(len(data) + 1):
        server = Session(SERVER)
        assert server.receive(data[:split]) + server.receive(data[split:]) == whole


def test_values_that_arrive_say_what_they_are() -> None:
    assert repr(UnknownCall(1, 2, 3, 4)) == "UnknownCall(number=3, program=1, serial=4, version=2)"
    assert Call(CONNECT_GET_HOSTNAME, 1) != Reply(CONNECT_GET_HOSTNAME, 1)
    match Call(DOMAIN_LOOKUP_BY_NAME, 1, LOOKUP):
        case Call(procedure, args):
            assert (procedure, args) == (DOMAIN_LOOKUP_BY_NAME, LOOKUP)
