"""The daemon is killed in the middle of block jobs and clones: no byte is lost, nothing is left."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from crash_disks import CLONE
from test_block_jobs import DISK, Images, live_chain
from test_restart import leftovers, no_processes, restarted

from virtory.errors import DomainNotFound
from virtory.model.domain import parse_domain
from virtory.model.events import BlockJob2
from virtory.model.flags import DomainBlockJob

JOB_S = 60.0
STEPS = [
    (work, f"{kind} {step}")
    for kind, work, steps in (
        ("block job", "commit", ("started", "forgotten")),
        ("block job", "pull", ("begun", "saved")),
        ("block job", "active", ("end noted", "pending", "saved", "finalized")),
        ("block job", "copy", ("begun", "ready", "saved", "forgotten")),
        ("block job", "give-up", ("pending",)),
        ("clone", "off-clone", ("files made", "copied")),
        ("clone", "off-linked", ("copied",)),
        ("clone", "clone", ("files made", "jobs begun", "copied")),
        ("clone", "linked", ("overlays saved", "switched", "copied")),
    )
    for step in steps
]
__all__ = ["no_processes"]


def crash(state, settings, step, work, seconds=""):
    program = str(Path(__file__).parent / "crash_disks.py")
    return subprocess.run(
        [sys.executable, program, state, settings["cache_directory"], step, work, seconds],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def settled(driver, uuid):
    """Let a job that goes on come to its end; one that waits is switched over."""
    guest = driver.domain._table.get(uuid).guest
    changed = asyncio.Event()
    listener = driver.bus.listen(lambda _: changed.set(), BlockJob2)
    async with asyncio.timeout(JOB_S):
        while guest.block_jobs:
            job = next(iter(guest.block_jobs.values()))
            if job.stage == "ready":
                await driver.domain.block_job_abort(uuid, "vda", DomainBlockJob.ABORT_PIVOT)
                continue
            changed.clear()
            if guest.block_jobs:
                await changed.wait()
    listener.close()
    async with guest.job("test", patient=True):
        pass  # what follows a job's end is done under the lock


async def defined(driver, bare, images):
    ref = await driver.domain.define(bare("m", DISK.format(images.path("top"))), 0)
    return ref.uuid


async def looked_over(driver, state, images, uuid):
    """After everything has ended: contents, chains, files, what the plan holds."""
    if driver.domain.is_active(uuid):
        await settled(driver, uuid)
        guest = driver.domain._table.get(uuid).guest
        assert not [i for i in guest.plan.images if i.target.endswith("!")]
        live = parse_domain(await driver.domain.xml(uuid, 0)).devices.disks[0]
        assert live.mirror is None
        await driver.domain.destroy(uuid, 0)
        stored = parse_domain(await driver.domain.xml(uuid, 2)).devices.disks[0]
        assert stored.source.file == live.source.file
        chain = images.chain(Path(live.source.file))
        assert chain == live_chain(live)
    stored = parse_domain(await driver.domain.xml(uuid, 2)).devices.disks[0]
    assert images.hash(Path(stored.source.file)) == images.content
    allowed = set(images.chain(Path(stored.source.file))) | {"base.qcow2", "mid.qcow2", "top.qcow2"}
    try:
        clone = parse_domain(await driver.domain.xml(bytes.fromhex(CLONE.replace("-", "")), 2))
        path = Path(clone.devices.disks[0].source.file)
        assert images.hash(path) == images.content
        allowed |= set(images.chain(path))
    except DomainNotFound:
        pass
    copies = {"copy.qcow2"}  # the user named it; it may stay
    found = {one for one in os.listdir(state) if one.endswith(".qcow2")}
    assert found <= allowed | copies
    assert not driver._store.load().intents
    assert leftovers(state) == []


STEPS += [
    ("active", "both block job pending"),
    ("active", "both block job saved"),
    ("active", "both block job finalized"),
    ("copy", "both block job saved"),
    ("copy", "both block job finalized"),
    ("commit", "both block job saved"),
    ("commit", "both block job finalized"),
    ("pull", "both block job finalized"),
    ("clone", "both clone jobs begun"),
    ("linked", "both clone overlays saved"),
    ("linked", "both clone switched"),
]


@pytest.mark.parametrize(("work", "step"), STEPS, ids=lambda each: each.replace(" ", "-"))
async def test_a_work_cut_off_at_any_step_leaves_all_or_nothing(
    state, settings, bare, no_processes, work, step, caplog
):
    images = Images(Path(state))
    driver = await restarted(state, settings)
    uuid = await defined(driver, bare, images)
    await driver.stop()
    done = await asyncio.to_thread(crash, state, settings, step, work)
    assert done.returncode == -signal.SIGKILL, (done.stdout, done.stderr)
    driver = await restarted(state, settings)
    try:
        await looked_over(driver, state, images, uuid)
    finally:
        await driver.stop()
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("work", ["active", "commit", "copy", "clone"])
async def test_a_work_cut_off_at_random_leaves_all_or_nothing(
    state, settings, bare, no_processes, work
):
    images = Images(Path(state))
    driver = await restarted(state, settings)
    uuid = await defined(driver, bare, images)
    await driver.domain.create(uuid, 0, None)
    await driver.stop()
    after = str(round(random.uniform(0.25, 0.6), 3))
    await asyncio.to_thread(crash, state, settings, "never", work, after)
    driver = await restarted(state, settings)
    try:
        await looked_over(driver, state, images, uuid)
    finally:
        await driver.stop()
