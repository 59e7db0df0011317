"""Definitions that several change at once, without any machine: each finds what the former left."""

from __future__ import annotations

import asyncio
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
from virtory.driver.store import Store
from virtory.errors import InternalError
from virtory.model.domain import parse_domain

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
    yield Runtime(DomainTable(), Records(store), Bus(), LogKeeper(), mending)
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
