"""Tells how long after a guest's DHCP request its address is in `domifaddr`.

    python watch_lease.py URI MAC BRIDGE PID

Runs in the network namespace of the daemon, whose process is PID. Says `ready`, waits for a request
on the bridge, then asks for the address again and again; prints `{"address": …, "after_ms": …}`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

from stopwatch import Stopwatch

import virtory

PORT_67 = b"\x00\x43"
COOKIE, REQUEST = b"\x63\x82\x53\x63", b"\x35\x01\x03"


def request_on(bridge: str) -> None:
    """Until a request for an address is on the bridge (RFC 2131 §2)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
        wire.bind((bridge, 0))
        print("ready", flush=True)
        while True:
            frame = wire.recv(2048)
            udp = frame[12:14] == b"\x08\x00" and frame[23] == 17
            if udp and frame[36:38] == PORT_67 and COOKIE in frame and REQUEST in frame:
                return


async def main(uri: str, mac: str, bridge: str, pid: str) -> None:
    async with virtory.connect(uri) as host:
        domain = await host.domain("guest")
        await asyncio.to_thread(request_on, bridge)
        watch = Stopwatch(int(pid))
        while True:
            found = [
                address.address
                for interface in await domain.interface_addresses()
                if interface.mac == mac
                for address in interface.addresses
            ]
            if found:
                took_ms = round(watch.took_s() * 1000, 1)
                print(json.dumps({"address": found[0], "after_ms": took_ms}), flush=True)
                return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
