"""A daemon for crash tests: it finds a running domain and is killed while it changes a device.

    python crash_devices.py STATE CACHE STEP CALL XML

CALL is a method of the driver (`attach_device`, `detach_device`, `update_device`), called for the
only domain, live and in its definition; SIGKILL comes as soon as it has come to STEP.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from again import begun

from virtory.driver.qemu.driver import QemuDriver


async def main(state: str, cache: str, step: str, call: str, xml: str) -> None:
    def checkpoint(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    driver = QemuDriver(state, os.geteuid() == 0, {"cache_directory": cache}, checkpoint)
    await begun(driver)
    (ref,) = driver.domain.list_all(0)
    await getattr(driver.domain, call)(ref.uuid, xml, 3)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
