"""What a read-only client may not do, call by call, to virtoryd and to a real libvirtd.

The rule kept here: what libvirtd refuses to a read-only client is refused by virtoryd, in the same
words, served or not; a difference is named below with its reason.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons

import virtory
from virtory.codec import xdr
from virtory.codec.xdr_compiler import (
    Fields,
    InternedString,
    ListOf,
    OptionalOf,
    UnionOf,
    fields_of,
)
from virtory.daemon.dispatch import route_of
from virtory.errors import ConnectionLost, OperationDenied, VirtoryError
from virtory.wire.procedure import QEMU, REMOTE, AnyProcedure
from virtory.wire.remote.index import MODULES

pytestmark = pytest.mark.interop

ONLY_THEIRS = {"NODE_DEVICE_GET_AUTOSTART": "it only looks"}
ONLY_OURS = {
    "DOMAIN_OPEN_GRAPHICS": "libvirtd misses the descriptor first",
    "DOMAIN_SEND_PROCESS_SIGNAL": "libvirtd misses the process first",
    "CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER": "libvirtd misses the callback first",
}


def dull(kind: Any) -> Any:
    """A value of this type that names nothing that exists."""
    match kind:
        case xdr.Scalar(code):
            return 0.0 if code == "d" else 0
        case xdr.String() | InternedString():
            return "x"
        case xdr.FixedOpaque(size):
            return b"x" * size
        case ListOf(_, item):
            return [dull(item)]
        case OptionalOf(item):
            return dull(item)
        case Fields(cls, fields):
            values = {name: dull(field) for name, field in fields if not isinstance(field, UnionOf)}
            for name, field in fields:
                if isinstance(field, UnionOf):
                    values |= {field.discriminant: next(iter(field.scalars)), name: 0}
            return cls(**values)
    return b"x"


def procedures() -> list[AnyProcedure]:
    for name in [f"remote.{module}" for module in MODULES] + ["qemu"]:
        import_module(f"virtory.wire.{name}")
    declared = [*REMOTE.declared.values(), *QEMU.declared.values()]
    opening = ("CONNECT_OPEN", "CONNECT_CLOSE", "AUTH_")
    return [each for each in declared if not each.event and not each.name.startswith(opening)]


async def answers(daemon: daemons.Daemon) -> dict[str, VirtoryError | None]:
    """How each call of a read-only client fails, None where it does not."""
    found: dict[str, VirtoryError | None] = {}
    waiting = procedures()
    while waiting:
        async with virtory.connect(f"{daemon.uri}-ro", readonly=True) as host:
            while waiting:
                each = waiting.pop()
                args = dull(fields_of(each.args)) if each.args else None
                try:
                    found[each.name] = await host.caller.call(each, args) and None
                except ConnectionLost as error:
                    found[each.name] = error
                    break
                except VirtoryError as error:
                    found[each.name] = error
    return found


def test_a_read_only_client_is_refused_what_libvirtd_refuses() -> None:
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.libvirtd() as libvirtd, daemons.virtoryd() as virtoryd:
        theirs = asyncio.run(answers(libvirtd))
        ours = asyncio.run(answers(virtoryd))
    refused = [
        {name for name, error in told.items() if isinstance(error, OperationDenied)}
        for told in (theirs, ours)
    ]
    assert len(refused[0]) > 190
    assert refused[0] - refused[1] == set(ONLY_THEIRS)
    served = {each.name for each in procedures() if route_of(each) is not None}
    assert (refused[1] - refused[0]) & served == set(ONLY_OURS)
    same = [name for name in refused[0] & refused[1] if str(theirs[name]) != str(ours[name])]
    assert same == []
