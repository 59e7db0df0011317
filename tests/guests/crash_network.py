"""A daemon for crash tests of networks: a driver that is killed at a named step.

    python crash_network.py STATE WORK STEP

WORK is `start`, `destroy` or `look`. The first two start the network `default`, or stop it after it
was started, and die by SIGKILL as soon as they have come to STEP. `look` prints what the driver
finds: whether `default` is active, its description and ports; then stops the network. `guest`
starts the machine that STEP describes, paused, and dies. `mark` lets it
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
    if work == "guest":
        await driver.domain.create_xml(step, 1, None)
        os.kill(os.getpid(), signal.SIGKILL)
    if work == "look":
        guests = driver.domain.list_all(1)
        active = networks.is_active(uuid)
        ports = networks.list_ports(uuid, 0) if active else []  # refused of one that is off
        print(json.dumps({"active": active, "xml": networks.xml(uuid, 0), "ports": len(ports)}))
        for guest in guests:
            await driver.domain.destroy(guest.uuid, 0)
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
