"""libvirt's typed parameters ⇄ dictionaries, and its CPU maps ⇄ lists of numbers.

The rule kept here: a value travels with the type that libvirt's daemons check for its name; a name
that is not known here travels by its Python type (int as a 64-bit unsigned number, or signed when
negative), and a `(kind, value)` pair says it outright.
"""

from __future__ import annotations

from virtory.errors import InvalidArgument
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from virtory.client.results import Params
    from virtory.wire.remote.types import TypedParam

INT, UINT, LLONG, ULLONG, DOUBLE, BOOLEAN, STRING = range(1, 8)
STRING_OKAY = 4
"""In a call's `flags`: parameters that are strings may be answered."""

_INTS = frozenset(
    [
        "numa_mode",
        "thread_pool_min",
        "thread_pool_max",
        "disks_port",
        "compression.mt.level",
        "compression.mt.threads",
        "compression.mt.dthreads",
        "compression.zlib.level",
        "compression.zstd.level",
        "auto_converge.initial",
        "auto_converge.increment",
        "parallel.connections",
    ]
)
_UINTS = frozenset(
    [
        "weight",
        "shm_pages_to_scan",
        "shm_sleep_millisecs",
        "shm_merge_across_nodes",
        "inbound.average",
        "inbound.peak",
        "inbound.burst",
        "inbound.floor",
        "outbound.average",
        "outbound.peak",
        "outbound.burst",
        "granularity",
        "poll_grow",
        "poll_shrink",
    ]
)
_LLONGS = frozenset(["vcpu_quota", "emulator_quota", "iothread_quota", "global_quota"])


def values_of(params: Iterable[tuple[str, int, Any]]) -> Params:
    """Decoded typed parameters as a dictionary; booleans become `bool`."""
    return {field: bool(value) if kind == BOOLEAN else value for field, kind, value in params}


def typed(params: Mapping[str, Any]) -> list[TypedParam]:
    """A dictionary as typed parameters; a list repeats its parameter.

    Raises `InvalidArgument` for a value of no known type.
    """
    from virtory.wire.remote.types import TypedParam

    return [
        TypedParam(field, *_typed(field, item))
        for field, value in params.items()
        for item in (value if isinstance(value, list) else [value])
    ]


def _typed(field: str, value: Any) -> tuple[int, Any]:
    if isinstance(value, tuple):
        return value
    if isinstance(value, bool):
        return BOOLEAN, int(value)
    if isinstance(value, str):
        return STRING, value
    if isinstance(value, float):
        return DOUBLE, value
    if not isinstance(value, int):
        raise InvalidArgument(f"the parameter '{field}' can not be a {type(value).__name__}")
    if field in _INTS:
        return INT, value
    if field in _UINTS:
        return UINT, value
    if field in _LLONGS or value < 0:
        return LLONG, value
    return ULLONG, value


def cpus_of(bitmap: bytes) -> list[int]:
    """The CPU numbers that a bitmap names."""
    return [
        8 * index + bit for index, byte in enumerate(bitmap) for bit in range(8) if byte >> bit & 1
    ]


def cpu_bitmap(cpus: Iterable[int]) -> bytes:
    """CPU numbers as a bitmap, no longer than the highest of them needs."""
    numbers = set(cpus)
    if not numbers or min(numbers) < 0:
        raise InvalidArgument("a CPU set needs at least one CPU, and no negative number")
    bitmap = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        bitmap[number // 8] |= 1 << number % 8
    return bytes(bitmap)
