"""Changing what a domain has: memory, virtual CPUs.

The rule kept here: sizes take virsh's units: KiB without one, else k, M, G or KiB, MB …
"""

from __future__ import annotations

from virtory.cli.output import Done, Output
from virtory.cli.verb import CONFIG, CURRENT, DOMAIN, LIVE, argument, flag, verb
from virtory.lean import TYPE_CHECKING
from virtory.model.flags import DomainMemory

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_BINARY = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def kib(text: str) -> int:
    """A size as KiB, rounded up; raises `Usage`."""
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = text[len(digits) :].lower()
    if not digits.isdigit():
        from virtory.cli.parse import Usage

        raise Usage(f"'{text}' is not a size", "for example 512M, 2G or 2097152 (KiB)")
    if not unit:
        return int(digits)
    if unit[:1] not in _BINARY or unit[1:] not in ("", "b", "ib", "ytes"):
        from virtory.cli.parse import Usage

        raise Usage(f"'{text}': '{unit}' is not a unit", "k, M, G, T, or KiB, MB and so on")
    factor = _BINARY[unit[0]]
    if unit[1:] == "b":
        factor = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}[unit[0]]
    return -(-int(digits) * factor // 1024)


@verb(
    "setmem",
    "tune",
    "give the guest more or less memory",
    DOMAIN,
    argument("size", "the new size, in KiB without a unit"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def setmem(
    terminal: Terminal, domain: str, size: str, config: bool, live: bool, current: bool
) -> Output:
    """`virsh setmem`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    wanted = kib(size)
    await machine.set_memory_kib(wanted, flags=modification(live, config, current))
    return Done("", name=machine.name, memory_kib=wanted)


@verb(
    "setmaxmem",
    "tune",
    "change the most memory that it can have",
    DOMAIN,
    argument("size", "the new limit, in KiB without a unit"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def setmaxmem(
    terminal: Terminal, domain: str, size: str, config: bool, live: bool, current: bool
) -> Output:
    """`virsh setmaxmem`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    wanted = kib(size)
    flags = modification(live, config, current) | DomainMemory.MAXIMUM
    await machine.set_memory_kib(wanted, flags=flags)
    return Done("", name=machine.name, max_memory_kib=wanted)


@verb(
    "setvcpus",
    "tune",
    "change the number of virtual CPUs",
    DOMAIN,
    argument("count", "how many", kind="number"),
    flag("maximum", "the most it can have, from the next start on"),
    CONFIG,
    LIVE,
    CURRENT,
    flag("guest", "by the guest's agent"),
    flag("hotpluggable", "make them removable too"),
)
async def setvcpus(
    terminal: Terminal,
    domain: str,
    count: int,
    maximum: bool,
    config: bool,
    live: bool,
    current: bool,
    guest: bool,
    hotpluggable: bool,
) -> Output:
    """`virsh setvcpus`."""
    from virtory.cli.terminal import modification

    machine = await terminal.domain(domain)
    flags = modification(live, config, current) | maximum << 2 | guest << 3 | hotpluggable << 4
    await machine.set_vcpus(count, flags=flags)
    return Done("", name=machine.name, vcpus=count)
