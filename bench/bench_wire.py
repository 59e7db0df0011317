"""How long the wire takes: microseconds to encode, decode and carry a call, without any socket.

    PYTHONPATH=src python bench/bench_wire.py [seconds per case]

Prints the best of five rounds for each case. What counts is the sum: a call costs a daemon one
`receive`, one `reply` and one `outgoing`.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from virtory.wire.remote.domain import (
    CONNECT_LIST_ALL_DOMAINS,
    ConnectListAllDomainsRet,
    DomainGetXmlDescRet,
)
from virtory.wire.remote.domain_state import DOMAIN_GET_INFO, DomainGetInfoArgs, DomainGetInfoRet
from virtory.wire.remote.domain_stats import ConnectGetAllDomainStatsRet, DomainStatsRecord
from virtory.wire.remote.types import ULLONG, NonnullDomain, TypedParam
from virtory.wire.session import CLIENT, SERVER, Call, Session

if TYPE_CHECKING:
    from collections.abc import Callable

DOMAIN = NonnullDomain("web-server-17", bytes(range(16)), 17)
INFO = DomainGetInfoRet(state=1, max_mem=4194304, memory=4194304, nr_virt_cpu=4, cpu_time=10**12)
ARGS = DomainGetInfoArgs(DOMAIN)
XML = DomainGetXmlDescRet("<domain type='kvm'>" + "x" * 6000 + "</domain>")
LIST = ConnectListAllDomainsRet([DOMAIN] * 1000, 1000)
STATS = ConnectGetAllDomainStatsRet(
    [
        DomainStatsRecord(DOMAIN, [TypedParam(f"block.{n}.rd.bytes", ULLONG, n) for n in range(60)])
        for _ in range(200)
    ]
)


def server_turn() -> Callable[[], object]:
    """What a daemon does for each `info` call, apart from looking the domain up."""
    session = Session(SERVER)
    client = Session(CLIENT)
    client.call(DOMAIN_GET_INFO, ARGS)
    data = client.outgoing()[0].data

    def turn() -> object:
        call = session.receive(data)[0]
        assert type(call) is Call
        session.reply(
            call,
            DomainGetInfoRet(
                state=1, max_mem=4194304, memory=4194304, nr_virt_cpu=4, cpu_time=10**12
            ),
        )
        return session.outgoing()

    return turn


def round_trip() -> Callable[[], object]:
    """Both ends of an `info` call."""
    client, server = Session(CLIENT), Session(SERVER)

    def turn() -> object:
        client.call(DOMAIN_GET_INFO, ARGS)
        for incoming in server.receive(client.outgoing()[0].data):
            assert type(incoming) is Call
            server.reply(incoming, INFO)
        return client.receive(server.outgoing()[0].data)

    return turn


def cases() -> dict[str, Callable[[], object]]:
    args, info, listed, stats = ARGS.encode(), INFO.encode(), LIST.encode(), STATS.encode()
    xml = XML.encode()
    assert CONNECT_LIST_ALL_DOMAINS.ret is ConnectListAllDomainsRet
    return {
        "info arguments: encode": ARGS.encode,
        "info arguments: decode": lambda: DomainGetInfoArgs.decode(args),
        "info reply: encode": INFO.encode,
        "info reply: decode": lambda: DomainGetInfoRet.decode(info),
        "XML of 6 kB: encode": XML.encode,
        "XML of 6 kB: decode": lambda: DomainGetXmlDescRet.decode(xml),
        "list of 1000 domains: encode": LIST.encode,
        "list of 1000 domains: decode": lambda: ConnectListAllDomainsRet.decode(listed),
        "domstats 200 x 60: encode": STATS.encode,
        "domstats 200 x 60: decode": lambda: ConnectGetAllDomainStatsRet.decode(stats),
        "server's turn of an info call": server_turn(),
        "both ends of an info call": round_trip(),
    }


def best(action: Callable[[], object], budget: float) -> float:
    """The quickest of five rounds, in seconds for one run."""
    action()
    start = time.perf_counter()
    action()
    count = max(1, int(budget / 5 / max(time.perf_counter() - start, 1e-7)))
    quickest = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            action()
        quickest = min(quickest, (time.perf_counter() - start) / count)
    return quickest


def main() -> None:
    budget = float(sys.argv[1]) if len(sys.argv) > 1 else 0.5
    for name, action in cases().items():
        print(f"{name:36}{best(action, budget) * 1e6:12.2f} µs")


if __name__ == "__main__":
    main()
