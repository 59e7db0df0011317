"""Full disks, missing programs, damaged state: clear errors with a cure, and nobody else hurt."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, Refused
from small_disk import NoNamespaces, SmallDisk
from tests import shared

import virtory
from virtory.errors import (
    DomainNotFound,
    OperationFailed,
    OperationInvalid,
    SystemCallFailed,
    VirtoryError,
)
from virtory.model.flags import DomainEventLifecycle, DomainState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# -- a full disk -----------------------------------------------------------------------------------


@pytest.fixture
def small_disk(places: Callable[[], Path]) -> Iterator[tuple[DaemonProcess, SmallDisk]]:
    daemon = DaemonProcess(places(), config=shared.configuration())
    try:
        disk = SmallDisk(daemon.state)
    except (NoNamespaces, FileNotFoundError) as error:
        pytest.skip(f"no mount namespace of our own: {error}")
    daemon.wrapper, daemon.kept = disk.wrapper, disk.path
    yield daemon.start(), disk
    daemon.clear()
    disk.close()


async def test_a_full_disk_refuses_what_it_can_not_keep_and_harms_nothing_else(
    small_disk: tuple[DaemonProcess, SmallDisk], bare: Callable[..., str]
):
    daemon, disk = small_disk
    async with virtory.connect(daemon.uri) as host:
        kept = await host.define_domain(bare("kept"))
        running = await host.create_domain(bare("running"))
        ended = await host.create_domain(bare("ended"))
        former = await kept.xml()
        guests = daemon.guests()
        disk.fill()
        refused = [
            host.define_domain(bare("new")),
            host.define_domain(former.replace("<vcpu", "<title>other</title><vcpu")),
            host.create_domain(bare("new")),
            kept.start(),
            kept.undefine(),
            kept.set_autostart(True),
        ]
        for attempt in refused:
            with pytest.raises(SystemCallFailed, match=r"full|No space") as caught:
                await attempt
            assert str(daemon.state) in caught.value.detail
            assert "Free some space" in caught.value.cure
        # What was asked for is not half done ...
        assert await kept.xml() == former
        assert not await kept.autostart()
        assert {domain.name for domain in await host.list_domains()} == {"kept", "running", "ended"}
        with pytest.raises(DomainNotFound):
            await host.domain("new")
        assert daemon.guests() == guests
        assert daemon.run_directories() == set(guests)
        # ... guests go on, and end when they are told to.
        assert (await running.state()).state == DomainState.RUNNING
        async with host.events("lifecycle", domain=ended) as events:
            await ended.destroy()
            while (await events.next(60)).event != DomainEventLifecycle.STOPPED:
                pass
        assert len(daemon.guests()) == 1
    # Even a new daemon finds them on the full disk.
    daemon.kill()
    daemon.start()
    async with virtory.connect(daemon.uri) as host:
        assert {domain.name for domain in await host.list_domains()} == {"kept", "running"}
        transient = await host.domain("running")
        await transient.destroy()
        disk.free()
        # With space again all is as if nothing had been, in the same daemon.
        for name in ("running", "ended", "new"):
            again = await host.create_domain(bare(name))
            await again.destroy()
        await (await host.domain("kept")).start()
        assert daemon.rows() == ({"kept"}, {"kept"}, [])
    assert "Traceback" not in daemon.said()
    assert "cannot save the state of domain 'ended'" in daemon.said()


@pytest.fixture
def full_place(places: Callable[[], Path]) -> Iterator[SmallDisk]:
    try:
        disk = SmallDisk(places())
    except (NoNamespaces, FileNotFoundError) as error:
        pytest.skip(f"no mount namespace of our own: {error}")
    disk.fill()
    filler = disk.path / "filler"
    os.truncate(filler, filler.stat().st_size - (400 << 10))  # the beginning of a file fits
    yield disk
    disk.close()


async def test_memory_that_finds_no_room_is_told_and_the_machine_goes_on(
    full_place: SmallDisk, daemon: DaemonProcess, bare: Callable[..., str]
):
    disk = full_place
    async with virtory.connect(daemon.uri) as host:
        domain = await host.create_domain(bare("m"))
        before = sorted(os.listdir(disk.path))
        for attempt in (domain.save, domain.core_dump):
            with pytest.raises(OperationFailed, match="domain 'm': No space left") as caught:
                await attempt(str(disk.path / "memory"))
            assert "make room" in caught.value.cure
            assert (await domain.state()).state == DomainState.RUNNING
        assert sorted(os.listdir(disk.path)) == before
        await domain.destroy()


async def test_a_name_is_free_after_its_end_could_not_be_written(
    small_disk: tuple[DaemonProcess, SmallDisk], bare: Callable[..., str]
):
    daemon, disk = small_disk
    async with virtory.connect(daemon.uri) as host:
        first = await host.create_domain(bare("m"))
        disk.fill()
        await first.destroy()
        disk.free()
        second = await host.create_domain(bare("m"))
        assert second.uuid != first.uuid
        assert daemon.rows() == (set(), {"m"}, [])
        await second.destroy()
        assert daemon.rows() == (set(), set(), [])


# -- a state directory that is not to be had -------------------------------------------------------


def refusal(daemon: DaemonProcess) -> str:
    """Why it does not start: one line, and an orderly end."""
    with pytest.raises(Refused) as caught:
        daemon.start()
    assert caught.value.status == 1
    assert not daemon.socket.exists()
    (line,) = caught.value.said.splitlines()
    return line


@pytest.mark.parametrize("part", [".", "state.sqlite"])
async def test_state_that_can_not_be_written_is_refused_by_name(
    make: Callable[..., DaemonProcess], request: pytest.FixtureRequest, part: str
):
    user = request.getfixturevalue("ordinary_user") if os.geteuid() == 0 else None
    daemon = make(user=user)
    daemon.start().end()
    path = daemon.state / part
    if user is not None:
        os.chown(path, 0, 0)
    path.chmod(0o555 if part == "." else 0o444)
    (daemon.state / "state.sqlite-wal").unlink(missing_ok=True)
    try:
        line = refusal(daemon)
    finally:
        daemon.state.chmod(0o755)
    assert str(daemon.state) in line
    assert f"ritable for uid {user if user is not None else os.geteuid()}" in line


async def test_a_second_daemon_leaves_the_firsts_state_alone(
    daemon: DaemonProcess, make: Callable[..., DaemonProcess], bare: Callable[..., str]
):
    async with virtory.connect(daemon.uri) as host:
        machine = await host.create_domain(bare("m"))
        second = make()
        second.state = daemon.state
        line = refusal(second)
        assert str(daemon.state) in line
        assert f"process {daemon.pid}" in line
        assert "--state" in line
        assert (await machine.state()).state == DomainState.RUNNING
        assert len(daemon.guests()) == 1


async def test_a_file_that_is_no_socket_is_not_taken_for_a_stale_one(
    make: Callable[..., DaemonProcess],
):
    daemon = make()
    daemon.socket.write_text("precious")
    with pytest.raises(Refused) as caught:
        daemon.start()
    assert caught.value.status == 1
    assert str(daemon.socket) in caught.value.said
    assert daemon.socket.read_text() == "precious"


@pytest.mark.parametrize("content", [b"not a database at all" * 1000, b"SQLite format 3\0" * 500])
async def test_a_store_that_is_none_is_refused_and_guests_run_on(
    daemon: DaemonProcess, bare: Callable[..., str], content: bytes
):
    async with virtory.connect(daemon.uri) as host:
        await host.create_domain(bare("m"))
    guests = daemon.guests()
    daemon.kill()
    store = daemon.state / "state.sqlite"
    log = Path(f"{store}-wal")
    saved = store.read_bytes(), log.read_bytes()
    log.unlink()
    store.write_bytes(content)
    daemon.socket.unlink()
    line = refusal(daemon)
    assert str(store) in line
    assert "Move" in line and ".recover" in line
    assert daemon.guests() == guests
    store.write_bytes(saved[0])
    log.write_bytes(saved[1])
    daemon.log.write_text("")
    daemon.start()
    async with virtory.connect(daemon.uri) as host:
        await (await host.domain("m")).destroy()


# -- damaged rows ----------------------------------------------------------------------------------


def change(daemon: DaemonProcess, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(daemon.state / "state.sqlite")) as db, db:
        assert db.execute(statement, values).rowcount == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [("plan", "{"), ("plan", "{}"), ("extra", "?"), ("xml", "<domain></domain>"), ("pid", "x")],
)
async def test_a_damaged_row_of_a_running_domain_is_told_and_costs_no_other(
    daemon: DaemonProcess, bare: Callable[..., str], column: str, value: str
):
    async with virtory.connect(daemon.uri) as host:
        await host.create_domain(bare("good"))
        await host.create_domain(bare("bad"))
        stranger = daemon.guests()[next(name for name in daemon.guests() if name.startswith("2-"))]
    daemon.kill()
    change(daemon, f"UPDATE running SET {column} = ? WHERE name = 'bad'", value)
    daemon.start()
    complaint = daemon.said()
    assert "'bad'" in complaint
    assert "Traceback" not in complaint
    async with virtory.connect(daemon.uri) as host:
        assert [domain.name for domain in await host.list_domains(active=True)] == ["good"]
        good = await host.domain("good")
        assert (await good.state()).state == DomainState.RUNNING
        assert stranger.alive, "a process that could not be identified was ended"
        await good.destroy()
        third = await host.create_domain(bare("third"))
        assert third.id == 3
        await third.destroy()


async def test_a_domain_whose_process_was_lost_is_not_started_twice(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    async with virtory.connect(daemon.uri) as host:
        machine = await host.define_domain(bare("m"))
        await machine.start()
    (process,) = daemon.guests().values()
    daemon.kill()
    change(daemon, "UPDATE running SET plan = '{' WHERE name = 'm'")
    daemon.start()
    assert f"kill {process.pid}" in daemon.said()
    async with virtory.connect(daemon.uri) as host:
        machine = await host.domain("m")
        with pytest.raises(OperationInvalid, match=f"process {process.pid}"):
            await machine.start()
        process.kill()
        assert process.ended()
        await machine.start()
        assert len(daemon.guests()) == 1
        await machine.destroy()
    daemon.kill()
    daemon.log.write_text("")
    daemon.start()
    assert daemon.said() == ""
    assert daemon.rows() == ({"m"}, set(), [("running", "m")])


async def test_a_damaged_row_of_a_process_that_is_gone_is_cleared_away(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    async with virtory.connect(daemon.uri) as host:
        await host.create_domain(bare("m"))
    (process,) = daemon.guests().values()
    daemon.kill()
    process.kill()
    assert process.ended()
    change(daemon, "UPDATE running SET plan = '{' WHERE name = 'm'")
    daemon.start()
    assert daemon.rows()[1] == set()
    assert daemon.run_directories() == set()
    async with virtory.connect(daemon.uri) as host:
        await (await host.create_domain(bare("m"))).destroy()


async def test_a_damaged_definition_is_told_by_name_and_costs_no_other(
    daemon: DaemonProcess, bare: Callable[..., str]
):
    async with virtory.connect(daemon.uri) as host:
        for name in ("good", "broken", "nonsense"):
            await host.define_domain(bare(name))
    daemon.kill()
    change(daemon, "UPDATE domain SET xml = '<domain><os></domain>' WHERE name = 'broken'")
    change(daemon, "UPDATE domain SET xml = x'00ff' WHERE name = 'nonsense'")
    daemon.start()
    assert "'nonsense'" in daemon.said()
    async with virtory.connect(daemon.uri) as host:
        assert {domain.name for domain in await host.list_domains()} == {"good", "broken"}
        good = await host.domain("good")
        await good.start()
        broken = await host.domain("broken")
        with pytest.raises(VirtoryError, match=r"broken|line 1") as caught:
            await broken.start()
        assert "daemon's log" not in str(caught.value)
        assert (await broken.state()).state == DomainState.SHUTOFF
        await broken.undefine()
        await host.define_domain(bare("broken"))
        await host.define_domain(bare("nonsense"))
        await good.destroy()
    assert "Traceback" not in daemon.said()


# -- programs that are not there -------------------------------------------------------------------

NOT_QEMU = {
    "absent": None,
    "not executable": (0o644, ""),
    "another program": (0o755, "#!/bin/sh\necho hello\n"),
    "refusing": (0o755, "#!/bin/sh\necho 'no such machine' >&2\nexit 1\n"),
}


@pytest.mark.parametrize("kind", NOT_QEMU)
async def test_a_missing_or_wrong_emulator_is_named(
    daemon: DaemonProcess, bare: Callable[..., str], kind: str
):
    program = daemon.directory / "qemu-system-x86_64"
    _place(program, NOT_QEMU[kind])
    async with virtory.connect(daemon.uri) as host:
        good = await host.create_domain(bare("good"))
        with pytest.raises(VirtoryError) as caught:
            await host.define_domain(bare("m", f"<emulator>{program}</emulator>"))
        assert str(program) in str(caught.value)
        assert caught.value.cure
        assert [domain.name for domain in await host.list_domains()] == ["good"]
        await good.destroy()
    assert daemon.said() == ""


@pytest.mark.parametrize("kind", NOT_QEMU)
async def test_an_emulator_that_vanishes_after_the_definition_is_named_at_the_start(
    daemon: DaemonProcess, bare: Callable[..., str], kind: str
):
    from virtory.driver.qemu.preparation import find_emulator

    program = daemon.directory / "qemu-system-x86_64"
    program.symlink_to(find_emulator("x86_64"))
    async with virtory.connect(daemon.uri) as host:
        machine = await host.define_domain(bare("m", f"<emulator>{program}</emulator>"))
        await machine.start()
        program.unlink()
        _place(program, NOT_QEMU[kind])
        assert (await machine.state()).state == DomainState.RUNNING
        await machine.destroy()
        with pytest.raises(VirtoryError) as caught:
            await machine.start()
        assert str(program) in str(caught.value)
        assert daemon.guests() == {}
        assert daemon.run_directories() == set()
        assert daemon.rows() == ({"m"}, set(), [])
        await machine.undefine()
    assert daemon.said() == ""


def _place(path: Path, what: tuple[int, str] | None) -> None:
    if what is not None:
        path.write_text(what[1])
        path.chmod(what[0])
