"""Calls: answers, errors, cancellation, and the end of the connection, whatever ends it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

import virtory
from virtory import errors
from virtory.wire.incoming import StreamAborted
from virtory.wire.remote import connect, domain, domain_device, domain_event
from virtory.wire.remote.types import NonnullDomain

REF = NonnullDomain("web", bytes(range(16)), 3)


async def test_the_connection_is_opened_in_the_order_of_libvirts_clients(daemon: Any) -> None:
    host = await daemon.open()
    assert daemon.names == ["AUTH_LIST", "CONNECT_SUPPORTS_FEATURE", "CONNECT_OPEN"]
    assert daemon.last("CONNECT_OPEN").args == connect.ConnectOpenArgs("qemu:///system", 0)
    await host.close()
    assert daemon.names[-1] == "CONNECT_CLOSE"


async def test_a_read_only_connection_says_so(daemon: Any) -> None:
    host = await virtory.open_host(daemon.client_link, "qemu:///session", readonly=True)
    assert daemon.last("CONNECT_OPEN").args == connect.ConnectOpenArgs("qemu:///session", 1)
    await host.close()


async def test_closing_twice_asks_once(daemon: Any) -> None:
    host = await daemon.open()
    await host.close()
    await host.close()
    assert daemon.names.count("CONNECT_CLOSE") == 1
    assert host.is_closed


async def test_polkit_is_asked_when_the_daemon_wants_it(daemon: Any) -> None:
    from virtory.wire.remote import auth

    daemon.script["AUTH_LIST"] = auth.AuthListRet([2])
    daemon.script["AUTH_POLKIT"] = auth.AuthPolkitRet(1)
    await daemon.open()
    assert daemon.names[:2] == ["AUTH_LIST", "AUTH_POLKIT"]


async def test_sasl_is_refused_with_a_way_out(daemon: Any) -> None:
    from virtory.wire.remote import auth

    daemon.script["AUTH_LIST"] = auth.AuthListRet([1])
    with pytest.raises(errors.AuthenticationFailed, match="connect through ssh"):
        await daemon.open()
    await daemon.until(lambda: daemon.lost)


async def test_a_refused_open_is_the_daemons_error_and_leaves_nothing_open(daemon: Any) -> None:
    daemon.script["CONNECT_OPEN"] = errors.OpenFailed("no connection driver for this URI")
    with pytest.raises(errors.OpenFailed, match="no connection driver"):
        await daemon.open()
    await daemon.until(lambda: daemon.lost)


@pytest.mark.parametrize(
    "error",
    [
        errors.DomainNotFound("no domain with matching name 'web'"),
        errors.OperationInvalid("domain is already running"),
        errors.ResourceBusy("cannot acquire state change lock", cure="wait for the save to end"),
        errors.VirtoryError("something without a class", code=94),
    ],
)
async def test_an_error_arrives_as_its_class_with_its_words(
    host: virtory.Host, daemon: Any, error: errors.VirtoryError
) -> None:
    daemon.script["DOMAIN_LOOKUP_BY_NAME"] = error
    with pytest.raises(errors.VirtoryError) as caught:
        await host.domain("web")
    assert type(caught.value) is type(error)
    assert (str(caught.value), caught.value.code) == (str(error), error.code)


async def test_replies_may_come_in_any_order(host: virtory.Host, daemon: Any, silence: Any) -> None:
    daemon.script["DOMAIN_LOOKUP_BY_NAME"] = silence
    asked = [asyncio.create_task(host.domain(name)) for name in ("a", "b", "c")]
    await daemon.until(lambda: daemon.names.count("DOMAIN_LOOKUP_BY_NAME") == 3)
    for call in reversed(daemon.calls[-3:]):
        ref = NonnullDomain(call.args.name, bytes(16), -1)
        daemon.session.reply(call, domain.DomainLookupByNameRet(ref))
    daemon.link.flush()
    assert [(await task).name for task in asked] == ["a", "b", "c"]


async def test_a_cancelled_call_is_forgotten_and_its_late_answer_dropped(
    host: virtory.Host, daemon: Any, silence: Any
) -> None:
    daemon.script["CONNECT_GET_HOSTNAME"] = silence
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await host.hostname()
    late = await daemon.called("CONNECT_GET_HOSTNAME")
    daemon.session.reply(late, connect.ConnectGetHostnameRet("late"))
    daemon.link.flush()
    daemon.script["CONNECT_GET_HOSTNAME"] = connect.ConnectGetHostnameRet("in time")
    assert await host.hostname() == "in time"


@pytest.mark.parametrize("ending", ["daemon leaves", "we leave"])
async def test_the_end_of_the_connection_ends_every_pending_call(
    host: virtory.Host, daemon: Any, silence: Any, ending: str
) -> None:
    daemon.script["CONNECT_GET_HOSTNAME"] = silence
    asked = [asyncio.create_task(host.hostname()) for _ in range(3)]
    await daemon.until(lambda: daemon.names.count("CONNECT_GET_HOSTNAME") == 3)
    if ending == "daemon leaves":
        daemon.link.close()
    else:
        host.caller.close()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in found] == [errors.ConnectionLost] * 3
    assert len({id(error) for error in found}) == 3
    with pytest.raises(errors.ConnectionLost, match="CONNECT_GET_HOSTNAME was not sent"):
        await host.hostname()


async def test_waiting_for_the_end_tells_why(host: virtory.Host, daemon: Any) -> None:
    waiting = asyncio.create_task(host.closed())
    await asyncio.sleep(0)
    daemon.link.close()
    assert "peer closed" in str(await waiting)
    assert "peer closed" in str(await host.closed())


async def test_a_daemon_that_breaks_the_protocol_ends_everything_with_the_reason(
    host: virtory.Host, daemon: Any, silence: Any
) -> None:
    daemon.script["CONNECT_GET_HOSTNAME"] = silence
    asked = asyncio.create_task(host.hostname())
    call = await daemon.called("CONNECT_GET_HOSTNAME")
    call.serial += 40
    daemon.session.reply(call, connect.ConnectGetHostnameRet("x"))
    daemon.link.flush()
    with pytest.raises(errors.PeerMisbehaved, match="no call waits for"):
        await asked
    assert host.is_closed


async def test_silence_after_pings_is_a_lost_connection(nervous_daemon: Any, silence: Any) -> None:
    host = await nervous_daemon.open()
    nervous_daemon.script["CONNECT_GET_HOSTNAME"] = silence
    asked = asyncio.create_task(host.hostname())
    await nervous_daemon.called("CONNECT_GET_HOSTNAME")
    nervous_daemon.link.pause_reading()
    with pytest.raises(errors.ConnectionLost, match="keepalive timeout"):
        await asyncio.wait_for(asked, 60)


async def test_a_daemon_without_keepalive_is_not_pinged(nervous_daemon: Any) -> None:
    nervous_daemon.script["CONNECT_SUPPORTS_FEATURE"] = connect.ConnectSupportsFeatureRet(0)
    host = await nervous_daemon.open()
    assert host.caller.session.tick(1e9) is None


async def test_a_domain_started_elsewhere_keeps_its_old_id_until_refreshed(
    host: virtory.Host, daemon: Any
) -> None:
    off = NonnullDomain("web", bytes(16), -1)
    daemon.script["DOMAIN_LOOKUP_BY_NAME"] = domain.DomainLookupByNameRet(off)
    daemon.script["DOMAIN_LOOKUP_BY_UUID"] = domain.DomainLookupByUuidRet(off._replace(id=7))
    found = await host.domain("web")
    assert found.id is None
    await found.refresh()
    assert found.id == 7


async def test_objects_are_equal_when_host_and_uuid_are(host: virtory.Host) -> None:
    from virtory.client.domain import Domain

    same = Domain(host, REF._replace(name="renamed", id=-1))
    assert Domain(host, REF) == same
    assert len({Domain(host, REF), same}) == 1
    assert Domain(host, REF) != Domain(host, REF._replace(uuid=bytes(16)))
    assert Domain(host, REF).uuid == "00010203-0405-0607-0809-0a0b0c0d0e0f"


@pytest.mark.parametrize("uuid", ["", "no", "0" * 31, "0" * 33, "g" * 32])
async def test_a_wrong_uuid_is_refused_before_it_is_sent(host: virtory.Host, uuid: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="is not a UUID"):
        await host.domain_by_uuid(uuid)


async def test_descriptors_go_along_and_stay_the_callers(host: virtory.Host, daemon: Any) -> None:
    from virtory.client.domain import Domain

    daemon.script["DOMAIN_OPEN_GRAPHICS"] = None
    read, write = os.pipe()
    await Domain(host, REF).open_graphics(write)
    (passed,) = daemon.last("DOMAIN_OPEN_GRAPHICS").fds
    os.write(passed, b"x")
    assert os.read(read, 1) == b"x"
    for fd in (passed, write, read):
        os.close(fd)


async def test_a_promised_descriptor_that_does_not_come_is_an_error(
    host: virtory.Host, daemon: Any
) -> None:
    from virtory.client.domain import Domain

    daemon.script["DOMAIN_OPEN_GRAPHICS_FD"] = None
    with pytest.raises(errors.PeerMisbehaved, match="without a descriptor"):
        await Domain(host, REF).open_graphics_fd()


async def test_a_received_descriptor_is_the_callers(host: virtory.Host, daemon: Any) -> None:
    from virtory.client.domain import Domain

    read, write = os.pipe()

    def answer(call: Any) -> None:
        daemon.session.reply(call, None, [os.dup(write), os.dup(write)])

    daemon.script["DOMAIN_OPEN_GRAPHICS_FD"] = answer
    fd = await Domain(host, REF).open_graphics_fd()
    os.write(fd, b"x")
    assert os.read(read, 1) == b"x"
    os.close(write)
    os.close(fd)
    assert os.read(read, 1) == b"", "the second descriptor was left open"
    os.close(read)
    assert domain_device.DOMAIN_OPEN_GRAPHICS_FD.ret is None
    assert domain_event.DOMAIN_EVENT_CALLBACK_LIFECYCLE.message is not None


async def cancelled_as_its_answer_comes(host: virtory.Host, call: Any) -> None:
    """The answer has been read, but who asked has not had its turn yet."""
    asked, loop = asyncio.create_task(call), asyncio.get_running_loop()

    def cancel_once_answered() -> None:
        if host.caller.waited_for:
            loop.call_soon(cancel_once_answered)
        else:
            asked.cancel()

    loop.call_soon(cancel_once_answered)
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_descriptors_of_an_answer_that_comes_as_its_call_is_cancelled_are_closed(
    host: virtory.Host, daemon: Any
) -> None:
    from virtory.client.domain import Domain

    read, write = os.pipe2(os.O_NONBLOCK)
    daemon.script["DOMAIN_OPEN_GRAPHICS_FD"] = lambda call: daemon.session.reply(
        call, None, [os.dup(write)]
    )
    await cancelled_as_its_answer_comes(host, Domain(host, REF).open_graphics_fd())
    os.close(write)
    assert os.read(read, 1) == b"", "the descriptor was left open"
    os.close(read)


async def test_a_stream_whose_opening_is_answered_as_it_is_cancelled_is_aborted(
    host: virtory.Host, daemon: Any
) -> None:
    from virtory.client.domain import Domain

    daemon.script["DOMAIN_OPEN_CONSOLE"] = None
    await cancelled_as_its_answer_comes(host, Domain(host, REF).open_console())
    await daemon.until(lambda: daemon.streamed)
    (aborted,) = daemon.streamed
    assert type(aborted) is StreamAborted


@pytest.mark.parametrize(
    "words", ["Cannot find program 542528082 version 1", "unknown procedure: 1"]
)
async def test_what_only_virtoryd_knows_is_a_clear_error_elsewhere(
    host: virtory.Host, daemon: Any, words: str
) -> None:
    daemon.script["DAEMON_INFO"] = errors.RpcError(words)
    with pytest.raises(errors.NotSupported, match="known to virtoryd only"):
        await host.daemon_info()


async def test_another_failure_of_our_own_program_is_told_as_it_is(
    host: virtory.Host, daemon: Any
) -> None:
    daemon.script["DAEMON_INFO"] = errors.RpcError("Unable to decode message payload")
    with pytest.raises(errors.RpcError, match="Unable to decode"):
        await host.daemon_info()
