"""Consoles, channels, screens and keys of real guests."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from virtory.driver.qemu.logs import LOG_LIMIT
from virtory.errors import InternalError, OperationFailed, OperationInvalid

VNC = "<graphics type='vnc'><listen type='socket'/></graphics><video><model type='vga'/></video>"
CHANNEL = "<channel type='unix'><target type='virtio' name='org.example.0'/></channel>"


async def test_what_is_typed_is_run_and_answered(driver, linux, boot):
    _, console = await boot(linux.xml("m"))
    await console.type("echo $((6*7))-answer\n")
    await console.until(b"42-answer")


async def test_the_history_goes_back_to_power_on_and_is_no_longer_than_asked(driver, linux, boot):
    uuid, console = await boot(linux.xml("m", arguments="console=ttyS0 panic=-1"))
    # QEMU writes to the terminal first: what the terminal said before this is in the history.
    await console.type("echo so-$((6*7))\n")
    await console.until(b"so-42")
    history = await driver.domain.console_history(uuid, None, 1 << 20)
    assert b"Linux version" in history
    assert b"GUEST-UP" in history
    last = await driver.domain.console_history(uuid, "serial0", 10)
    assert len(last) == 10  # the guest may have said more since
    assert last in await driver.domain.console_history(uuid, None, 1 << 20)
    console.close()


async def test_a_console_has_one_owner_until_another_forces_it(driver, bare):
    ref = await driver.domain.create_xml(bare("m", "<serial type='pty'/>"), 0, None)
    first = await driver.domain.open_console(ref.uuid, None, 0, "me")
    with pytest.raises(OperationFailed, match="Active console session exists for this domain"):
        await driver.domain.open_console(ref.uuid, "serial0", 2, "you")
    reading = asyncio.create_task(first.read())
    await asyncio.sleep(0)
    second = await driver.domain.open_console(ref.uuid, None, 1, "you")
    assert await reading == b""
    driver.domain.owner_gone("you")
    assert await second.read() == b""
    third = await driver.domain.open_console(ref.uuid, None, 0, "me")
    third.close()
    third.close()


async def test_consoles_end_with_their_machine(driver, bare):
    ref = await driver.domain.create_xml(bare("m", "<serial type='pty'/>"), 0, None)
    stream = await driver.domain.open_console(ref.uuid, None, 0, "me")
    reading = asyncio.create_task(stream.read())
    await driver.domain.destroy(ref.uuid, 0)
    async with asyncio.timeout(60):
        assert await reading == b""
    with pytest.raises(OperationFailed):
        await stream.write(b"x")


async def test_what_does_not_exist_is_named(driver, bare):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    with pytest.raises(InternalError, match="cannot find character device <null>"):
        await driver.domain.open_console(ref.uuid, None, 0, "me")
    with pytest.raises(InternalError, match="cannot find channel foo"):
        await driver.domain.open_channel(ref.uuid, "foo", 0, "me")
    with pytest.raises(InternalError, match="No graphics backend with index 3"):
        await driver.domain.open_graphics_fd(ref.uuid, 3, 0)
    with pytest.raises(OperationInvalid, match="no screens to take screenshot from"):
        await driver.domain.screenshot(ref.uuid, 0, 0)


async def test_a_channel_carries_bytes_both_ways(driver, linux, boot):
    uuid, console = await boot(linux.xml("m", devices=CHANNEL))
    stream = await driver.domain.open_channel(uuid, "org.example.0", 0, "me")
    port = "/dev/$(ls /sys/class/virtio-ports)"
    await console.type(f"exec 3<>{port}; echo to-host >&3; read word <&3; echo got-$word\n")
    assert await stream.read() == b"to-host\n"
    await stream.write(b"to-guest\n")
    await console.until(b"got-to-guest")
    stream.close()


async def test_a_console_that_floods_does_not_fill_the_disk(driver, linux, boot, state):
    uuid, console = await boot(linux.xml("m"))
    console.close()
    log = Path(driver.domain._table.get(uuid).guest.plan.path("log:serial0"))
    stream = await driver.domain.open_console(uuid, None, 0, "me")
    await stream.write(b"cat /dev/zero | tr '\\0' 'x' | head -c 1000 ; echo; echo DO''NE\n")
    seen = b""
    while b"DONE" not in seen:
        seen += await stream.read()
    # What a guest prints in hours, written here at once in its stead.
    with log.open("ab") as file:
        for _ in range(20):
            file.write(bytes(LOG_LIMIT // 8))
            file.flush()
            await asyncio.sleep(0)
    # inotify told the driver with the last write; what it then does is done before its next call.
    await driver.domain.console_history(uuid, None, 1)
    kept = sum(path.stat().st_size for path in log.parent.glob("serial0.log*"))
    assert kept <= 2 * LOG_LIMIT
    await stream.write(b"echo af''ter\n")
    while b"after\r" not in seen:  # each byte comes to the terminal first, then to the history
        seen += await stream.read()
    assert b"after" in await driver.domain.console_history(uuid, None, 1000)
    stream.close()


async def read_all(stream):
    parts = []
    while data := await stream.read():
        parts.append(data)
    stream.close()
    return b"".join(parts)


async def test_a_screenshot_is_a_picture_of_the_screen(driver, bare):
    ref = await driver.domain.create_xml(bare("m", VNC), 0, None)
    shot = await driver.domain.screenshot(ref.uuid, 0, 0)
    assert shot.mime == "image/png"
    picture = await read_all(shot.stream)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n") and picture.endswith(b"IEND\xaeB`\x82")
    with pytest.raises(Exception, match="no such screen ID 7"):
        await driver.domain.screenshot(ref.uuid, 7, 0)


async def greeting(descriptor):
    loop = asyncio.get_running_loop()
    with socket.socket(fileno=descriptor) as viewer:
        viewer.setblocking(False)
        async with asyncio.timeout(60):
            return await loop.sock_recv(viewer, 12)


async def test_a_viewer_gets_a_connected_descriptor(driver, bare):
    ref = await driver.domain.create_xml(bare("m", VNC), 0, None)
    assert await greeting(await driver.domain.open_graphics_fd(ref.uuid, 0, 1)) == b"RFB 003.008\n"
    ours, theirs = socket.socketpair()
    await driver.domain.open_graphics(ref.uuid, 0, theirs.fileno(), 0)
    theirs.close()
    assert await greeting(ours.detach()) == b"RFB 003.008\n"


async def test_the_vnc_socket_of_the_live_description_answers(driver, bare):
    ref = await driver.domain.create_xml(bare("m", VNC), 0, None)
    graphics = driver.domain._table.get(ref.uuid).guest.domain.devices.graphics[0]
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as viewer:
        viewer.setblocking(False)
        await loop.sock_connect(viewer, graphics.socket)
        assert await loop.sock_recv(viewer, 12) == b"RFB 003.008\n"


@pytest.mark.parametrize(("codeset", "code"), [(0, 30), (2, 0x1E), (7, 4), (8, 0x41), (9, 30)])
async def test_keys_of_any_code_set_reach_the_machine(driver, bare, codeset, code):
    ref = await driver.domain.create_xml(bare("m", VNC), 0, None)
    await driver.domain.send_key(ref.uuid, codeset, 10, [code], 0)


async def test_a_key_that_there_is_not_is_refused_by_name(driver, bare):
    ref = await driver.domain.create_xml(bare("m"), 0, None)
    with pytest.raises(Exception, match="cannot translate keycode 999 of linux codeset"):
        await driver.domain.send_key(ref.uuid, 0, 0, [999], 0)
    with pytest.raises(Exception, match="17 keys"):
        await driver.domain.send_key(ref.uuid, 0, 0, [30] * 17, 0)


async def test_no_descriptor_is_left_behind(driver, bare):
    before = set(os.listdir("/proc/self/fd"))
    ref = await driver.domain.create_xml(bare("m", VNC + "<serial type='pty'/>"), 0, None)
    await read_all((await driver.domain.screenshot(ref.uuid, 0, 0)).stream)
    os.close(await driver.domain.open_graphics_fd(ref.uuid, 0, 0))
    (await driver.domain.open_console(ref.uuid, None, 0, "me")).close()
    await driver.domain.destroy(ref.uuid, 0)
    assert len(os.listdir("/proc/self/fd")) == len(before)
