"""A daemon for crash tests: a driver that is killed at a named step of a start.

    python crash_daemon.py STATE CACHE STEP XML

Starts the domain that XML describes (defined first, when STEP begins with `defined:`) and dies by
SIGKILL as soon as the start has come to STEP. Step `never` prints the uuid and waits for the end of
its input instead.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from virtory.driver.qemu.driver import QemuDriver


async def main(state: str, cache: str, step: str, xml: str) -> None:
    wanted = step.removeprefix("defined:")

    def checkpoint(name: str) -> None:
        if name == wanted:
            os.kill(os.getpid(), signal.SIGKILL)

    driver = QemuDriver(state, os.geteuid() == 0, {"cache_directory": cache}, checkpoint)
    await driver.start()
    if step.startswith("defined:"):
        ref = await driver.domain.define(xml, 0)
        await driver.domain.create(ref.uuid, 0, None)
    else:
        ref = await driver.domain.create_xml(xml, 0, None)
    print(ref.uuid.hex(), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
