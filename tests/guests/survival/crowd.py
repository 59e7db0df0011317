"""A crowd of clients in a process of its own: `crowd.py URI KIND CLIENTS CALLS`.

Prints `begun` when all are connected, goes on after a line on its input, and prints `done` when all
have made their calls. KIND `ask` only asks; `work` defines, starts and ends machines of its own.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys

import virtory

XML = (
    "<domain type='qemu'><name>{}</name><memory unit='MiB'>24</memory><vcpu>1</vcpu>"
    "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
    "<devices><serial type='pty'/></devices></domain>"
)


async def main(uri: str, kind: str, clients: int, calls: int) -> None:
    connected, going = asyncio.Barrier(clients + 1), asyncio.Event()
    tasks = [
        asyncio.create_task(client(uri, kind, number, calls, connected, going))
        for number in range(clients)
    ]
    await connected.wait()
    print("begun", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    going.set()
    await asyncio.gather(*tasks)
    print("done", flush=True)


async def client(
    uri: str,
    kind: str,
    number: int,
    calls: int,
    connected: asyncio.Barrier,
    going: asyncio.Event,
) -> None:
    name = f"{kind}{number}-{os.getpid()}"
    chance = random.Random(name)
    async with virtory.connect(uri) as host:
        await connected.wait()
        await going.wait()
        if kind == "work":
            await work(host, name, calls)
        for _ in range(calls if kind == "ask" else 0):
            asked = chance.choice(
                [host.hostname, host.list_domains, host.capabilities, host.domain_stats]
            )
            await asked()


async def work(host, name: str, calls: int) -> None:
    for number in range(calls):
        domain = await host.define_domain(XML.format(f"{name}-{number}"))
        await domain.start()
        console = await domain.open_console()
        await domain.xml()
        await domain.suspend()
        await domain.destroy()
        await console.abort()
        await domain.undefine()


if __name__ == "__main__":
    uri, kind, clients, calls = sys.argv[1:]
    asyncio.run(main(uri, kind, int(clients), int(calls)))
