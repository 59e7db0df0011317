"""A daemon for crash tests of networks: a driver that is killed at a named step.

    python crash_network.py STATE WORK STEP

WORK is `start`, `destroy` or `look`. The first two start the network `default`, or stop it after it
was started, and die by SIGKILL as soon as they have come to STEP. `look` prints what the driver
finds: whether `default` is active, and its description; then stops the network. `mark` lets it
start by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from virtory.driver.qemu.driver import QemuDriver


async def main(state: str, work: str, step: str) -> None:
    armed = work == "start"

    def checkpoint(name: str) -> None:
        if armed and name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    driver = QemuDriver(state, True, {"run_directory": f"{state}/run"}, checkpoint)
    await driver.start()
    networks = driver.network
    assert networks is not None
    uuid = networks.by_name("default").uuid
    if work == "look":
        active = networks.is_active(uuid)
        print(json.dumps({"active": active, "xml": networks.xml(uuid, 0)}))
        if active:
            await networks.destroy(uuid)
        await driver.stop()
        return
    if work == "mark":
        await networks.set_autostart(uuid, True)
        await driver.stop()
        return
    await networks.create(uuid)
    armed = True
    await networks.destroy(uuid)
    raise SystemExit(f"nobody came to {step}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
