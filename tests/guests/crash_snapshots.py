"""A daemon for crash tests: it knows the domain `m` and is killed while it saves or snapshots it.

    python crash_snapshots.py STATE CACHE STEP CALL ARGUMENTS…

CALL is a method of the domain or the snapshot driver; ARGUMENTS are JSON. The daemon dies by
SIGKILL as soon as the work has come to STEP; with `mend` as CALL it is one that an earlier daemon
has left.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from again import begun

from virtory.driver.qemu.driver import QemuDriver


async def main(state: str, cache: str, step: str, call: str, *arguments: str) -> None:
    armed = call == "mend"

    def checkpoint(name: str) -> None:
        if armed and name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    driver = QemuDriver(state, os.geteuid() == 0, {"cache_directory": cache}, checkpoint)
    await begun(driver)
    armed = True
    uuid = driver.domain.by_name("m").uuid
    kind = driver.snapshot if hasattr(driver.snapshot, call) else driver.domain
    await getattr(kind, call)(uuid, *(json.loads(each) for each in arguments))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
