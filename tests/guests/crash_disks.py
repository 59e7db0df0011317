"""A daemon for crash tests of disks: killed at a named step of a job or a clone.

    python crash_disks.py STATE CACHE STEP WORK [SECONDS]

Finds domain `m` defined, starts it unless WORK begins with `off-`, does WORK and dies by SIGKILL as
soon as it has come to STEP (`both STEP`: the machine's QEMU too); or after SECONDS, whatever it
does then. It says so when WORK ended before that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from again import begun

from virtory.driver.qemu.driver import QemuDriver
from virtory.model.domain import format_domain, parse_domain
from virtory.model.events import BlockJob2
from virtory.model.flags import DomainBlockJob
from virtory.provision.clone_description import described

CLONE = "99999999-2222-3333-4444-555555555555"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def work(driver: QemuDriver, what: str, directory: Path) -> None:
    ref = driver.domain.by_name("m")
    off = what.startswith("off-")
    if not off and not driver.domain.is_active(ref.uuid):
        await driver.domain.create(ref.uuid, 0, None)
    what = what.removeprefix("off-")
    ready, ended = asyncio.Event(), asyncio.Event()

    def told(event: Any) -> None:
        (ready if event.status == DomainBlockJob.READY else ended).set()

    driver.bus.listen(told, BlockJob2)
    blocks = driver.domain
    if what in ("active", "give-up"):
        await blocks.block_commit(ref.uuid, "vda", None, None, 0, 4)
    elif what == "commit":
        middle = parse_domain(await blocks.xml(ref.uuid, 0)).devices.disks[0].backing_store
        await blocks.block_commit(ref.uuid, "vda", None, f"vda[{middle.index}]", 0, 2)
    elif what == "pull":
        await blocks.block_pull(ref.uuid, "vda", None, 0, 0)
    elif what == "copy":
        path = directory / "copy.qcow2"
        xml = f"<disk type='file'><driver type='qcow2'/><source file='{path}'/></disk>"
        await blocks.block_copy(ref.uuid, "vda", xml, {}, 4)
    else:
        original = parse_domain(await blocks.xml(ref.uuid, 3))
        files = {"vda": str(directory / "clone.qcow2")}
        xml = format_domain(described(original, "n", CLONE, files))
        await blocks.clone(ref.uuid, xml, int(what == "linked"))
        return
    if what in ("active", "copy", "give-up"):
        await ready.wait()
        await blocks.block_job_abort(ref.uuid, "vda", 0 if what == "give-up" else 2)
    else:
        await ended.wait()


async def main(state: str, cache: str, step: str, what: str, seconds: str = "") -> None:
    if seconds:
        threading.Timer(float(seconds), die).start()

    def checkpoint(name: str) -> None:
        if name == step.removeprefix("both "):
            if step != name:
                for ref in driver.domain.list_all(1):
                    os.kill(driver.domain._table.get(ref.uuid).guest.pid, signal.SIGKILL)
            die()

    driver = QemuDriver(state, os.geteuid() == 0, {"cache_directory": cache}, checkpoint)
    await begun(driver)
    await work(driver, what, Path(state))
    print("done", flush=True)
    if seconds:
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
