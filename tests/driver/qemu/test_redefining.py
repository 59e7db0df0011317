"""Definitions that several change at once, without any machine: each finds what the former left."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
import pytest_asyncio

from virtory.driver.bus import Bus
from virtory.driver.journal import Journal, Mending
from virtory.driver.qemu.logs import LogKeeper
from virtory.driver.qemu.part import Edit, changed, found_edit, redefining
from virtory.driver.qemu.records import Records
from virtory.driver.qemu.runtime import Runtime
from virtory.driver.qemu.table import DomainTable, Entry, row_of
from virtory.driver.store import Intent, Store
from virtory.errors import InternalError
from virtory.model.domain import parse_domain
from virtory.model.events import Lifecycle

XML = (
    "<domain type='qemu'><name>m</name><memory unit='KiB'>1024</memory><vcpu>1</vcpu>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
)
UNWRITABLE = "\ud800"  # no Unicode text: the store refuses it


@pytest_asyncio.fixture
async def runtime(tmp_path):
    store = Store(str(tmp_path))
    store.load()
    mending = Mending(Journal(store), {})
    made = Runtime(DomainTable(), Records(store), Bus(), LogKeeper(), mending)
    yield made
    made.logs.close()
    store.close()


@pytest.fixture
def entry(runtime):
    entry = Entry("m", b"u" * 16, row_of(parse_domain(XML), b"u" * 16, XML))
    runtime.table.add(entry)
    return entry


def described(text):
    return lambda domain: replace(domain, description=(domain.description or "") + text)


async def change(runtime, entry, how):
    async with redefining(runtime, entry):
        entry.row = await changed(entry, how)


async def test_each_change_is_made_in_what_the_former_has_left(runtime, entry):
    async def slowly(domain):
        await asyncio.sleep(0)
        return described("b")(domain)

    works = [change(runtime, entry, how) for how in (described("a"), slowly, described("c"))]
    await asyncio.gather(*works)
    assert entry.configuration().description == "abc"
    assert entry.saved_row == entry.row


async def test_what_can_not_be_saved_has_not_happened_and_nobody_else_notices(runtime, entry):
    async def unwritable():
        async with redefining(runtime, entry):
            entry.row = entry.row._replace(title=UNWRITABLE)

    works = [change(runtime, entry, described("a")), unwritable()]
    works.append(change(runtime, entry, described("b")))
    came = await asyncio.gather(*works, return_exceptions=True)
    assert [type(each) for each in came] == [type(None), InternalError, type(None)]
    assert entry.configuration().description == "ab" and entry.row.title is None
    await runtime.idle()
    assert entry.saved_row == entry.row


async def test_a_failed_save_is_told_to_whom_it_concerns_alone(runtime, entry):
    good, entry.row = entry.row, entry.row._replace(title=UNWRITABLE)
    failing = asyncio.ensure_future(runtime.commit(entry))
    for _ in range(2):  # until its save is on its way
        await asyncio.sleep(0)
    entry.row = good._replace(title="whole")
    await runtime.commit(entry)
    with pytest.raises(InternalError):
        await failing
    assert entry.saved_row.title == "whole"


async def test_a_mark_that_changes_meanwhile_stays_when_a_change_fails(runtime, entry):
    with pytest.raises(InternalError):
        async with redefining(runtime, entry):
            entry.row = entry.row._replace(title=UNWRITABLE)
            entry.row = entry.row._replace(managed_save=True)
    assert entry.row.managed_save and entry.row.title is None


async def test_what_a_daemon_noted_before_it_ended_does_not_undo_a_newer_definition(runtime, entry):
    edit = await Edit.of(entry, described("a"))
    noted = edit.noted()
    found = found_edit(entry, noted)
    assert found is not None and (await found.now(entry)).xml == noted["configuration"]
    await change(runtime, entry, described("b"))
    assert found_edit(entry, noted) is None
    assert (await edit.now(entry)).xml == (await changed(entry, described("a"))).xml
    await runtime.idle()


async def test_a_definition_is_with_the_writer_as_soon_as_it_is_committed(runtime, entry):
    work = runtime.commit(entry)
    work.send(None)  # no turn of the loop is needed
    runtime.records.store.save_now(Intent(b"w" * 16, "after", "{}"))  # written after it
    with closing(sqlite3.connect(runtime.records.store.path)) as db:
        assert db.execute("SELECT name FROM domain").fetchall() == [("m",)]
    work.close()
    assert await runtime.idle(10)


async def test_a_commit_that_nobody_waits_for_any_more_is_saved_and_told(runtime, entry):
    with runtime.bus.subscribe(Lifecycle) as events:
        runtime.announce(entry, Lifecycle(entry.ref, 0, 0))
        giving_up = asyncio.ensure_future(runtime.commit(entry))
        staying = asyncio.ensure_future(runtime.settled(entry))
        await asyncio.sleep(0)
        giving_up.cancel()
        await staying
        assert len(events) == 1 and entry.saved_row == entry.row and giving_up.cancelled()


async def test_what_changes_while_a_save_is_under_way_is_saved_with_the_next(runtime, entry):
    first = asyncio.ensure_future(runtime.commit(entry))
    await asyncio.sleep(0)
    entry.row = later = entry.row._replace(title="later")
    runtime.announce(entry)
    await first
    assert entry.saved_row != later
    await runtime.settled(entry)
    assert entry.saved_row == later and await runtime.idle(10)


def test_a_definition_is_parsed_once_for_those_who_ask_again(entry):
    first = entry.configuration()
    assert entry.configuration() is first
    entry.row = entry.row._replace(xml=entry.row.xml.replace("1024", "2048"))
    assert entry.configuration().memory.kib == 2048
