"""A domain's virtual CPUs and I/O threads: single ones, and where they run.

The rule kept here: sets of CPUs are written as virsh's: `0-3,^2`, `r` for all.
"""

from __future__ import annotations

from virtory.cli import words
from virtory.cli.output import Data, Done, Output
from virtory.cli.verb import ACTIVE, CONFIG, CURRENT, DOMAIN, LIVE, argument, flag, option, verb
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

_CPUS = argument("cpulist", "host CPUs such as 0-3,^2; r for all", required=False)
_THREAD = argument("id", "number of the I/O thread", kind="number")


async def _cpus(machine: Domain, text: str) -> list[int]:
    from virtory.cli.parse import Usage
    from virtory.model.domain.cpuset import members

    if text == "r":
        return list(range((await machine.host.cpu_map()).total))
    try:
        return sorted(members(text))
    except ValueError as error:
        raise Usage(str(error), "for example 0-3,^2") from None


def _affect(live: bool, config: bool, current: bool) -> int:
    from virtory.cli.terminal import modification

    return modification(live, config, current)


@verb(
    "vcpupin",
    "tune",
    "which host CPUs its virtual CPUs may use",
    DOMAIN,
    argument("vcpu", "of one virtual CPU", required=False, kind="number"),
    _CPUS,
    CONFIG,
    LIVE,
    CURRENT,
)
async def vcpupin(
    terminal: Terminal,
    domain: str,
    vcpu: int | None,
    cpulist: str | None,
    config: bool,
    live: bool,
    current: bool,
) -> Output:
    """`virsh vcpupin`."""
    machine = await terminal.domain(domain)
    flags = _affect(live, config, current)
    if cpulist is not None and vcpu is not None:
        await machine.pin_vcpu(vcpu, await _cpus(machine, cpulist), flags=flags)
        return Done("", name=machine.name, vcpu=vcpu)
    pins = await machine.vcpu_pins(flags=flags)
    rows = "".join(
        f" {i:<6} {words.ranges(cpus)}\n" for i, cpus in enumerate(pins) if vcpu in (None, i)
    )
    return Data(f" VCPU   CPU Affinity\n{'-' * 22}\n{rows}\n", pins)


@verb(
    "emulatorpin",
    "tune",
    "which host CPUs its other threads may use",
    DOMAIN,
    _CPUS,
    CONFIG,
    LIVE,
    CURRENT,
)
async def emulatorpin(
    terminal: Terminal,
    domain: str,
    cpulist: str | None,
    config: bool,
    live: bool,
    current: bool,
) -> Output:
    """`virsh emulatorpin`."""
    machine = await terminal.domain(domain)
    flags = _affect(live, config, current)
    if cpulist is not None:
        await machine.pin_emulator(await _cpus(machine, cpulist), flags=flags)
        return Done("", name=machine.name)
    cpus = await machine.emulator_pin(flags=flags)
    head = "emulator: CPU Affinity"
    return Data(f"{head}\n{'-' * 34}\n       *: {words.ranges(cpus)}\n\n", cpus)


@verb(
    "setvcpu",
    "tune",
    "plug or unplug single virtual CPUs",
    DOMAIN,
    argument("vcpulist", "such as 1-3"),
    flag("enable", "plug them in"),
    flag("disable", "unplug them"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def setvcpu(
    terminal: Terminal,
    domain: str,
    vcpulist: str,
    enable: bool,
    disable: bool,
    config: bool,
    live: bool,
    current: bool,
) -> Output:
    """`virsh setvcpu`."""
    if enable == disable:
        from virtory.cli.parse import Usage

        raise Usage("setvcpu: one of --enable, --disable is mandatory")
    machine = await terminal.domain(domain)
    await machine.set_vcpu(vcpulist, enable, flags=_affect(live, config, current))
    return Done("", name=machine.name, vcpus=vcpulist, enabled=enable)


@verb(
    "guestvcpus",
    "guest",
    "which virtual CPUs the guest's system uses, by its agent",
    ACTIVE,
    option("cpulist", "these"),
    flag("enable", "use them"),
    flag("disable", "do not"),
)
async def guestvcpus(
    terminal: Terminal, domain: str, cpulist: str | None, enable: bool, disable: bool
) -> Output:
    """`virsh guestvcpus`."""
    machine = await terminal.domain(domain)
    if cpulist is not None:
        if enable == disable:
            from virtory.cli.parse import Usage

            raise Usage("guestvcpus: one of --enable, --disable is needed with --cpulist")
        await machine.set_guest_vcpus(cpulist, enable)
        return Done("", name=machine.name)
    told = dict(await machine.guest_vcpus())
    text = "".join(f"{name:<15}: {value}\n" for name, value in told.items())
    return Data(f"{text}\n", told)


# -- I/O threads -------------------------------------------------------------------------------


@verb("iothreadinfo", "monitor", "its I/O threads", DOMAIN, CONFIG, LIVE, CURRENT)
async def iothreadinfo(
    terminal: Terminal, domain: str, config: bool, live: bool, current: bool
) -> Output:
    """`virsh iothreadinfo`."""
    machine = await terminal.domain(domain)
    found = await machine.iothreads(flags=_affect(live, config, current))
    if not found:
        return Data("No IOThreads found for the domain\n\n", [])
    rows = "".join(f" {one[0]:<13} {words.ranges(one[1])}\n" for one in found)
    raw: list[Any] = [{"id": one[0], "cpus": one[1]} for one in found]
    return Data(f" IOThread ID   CPU Affinity\n{'-' * 29}\n{rows}\n", raw)


@verb("iothreadadd", "tune", "add an I/O thread", DOMAIN, _THREAD, CONFIG, LIVE, CURRENT)
async def iothreadadd(
    terminal: Terminal, domain: str, id_: int, config: bool, live: bool, current: bool
) -> Output:
    """`virsh iothreadadd`."""
    machine = await terminal.domain(domain)
    await machine.add_iothread(id_, flags=_affect(live, config, current))
    return Done("", name=machine.name, iothread=id_)


@verb("iothreaddel", "tune", "remove an I/O thread", DOMAIN, _THREAD, CONFIG, LIVE, CURRENT)
async def iothreaddel(
    terminal: Terminal, domain: str, id_: int, config: bool, live: bool, current: bool
) -> Output:
    """`virsh iothreaddel`."""
    machine = await terminal.domain(domain)
    await machine.delete_iothread(id_, flags=_affect(live, config, current))
    return Done("", name=machine.name, iothread=id_)


@verb(
    "iothreadpin",
    "tune",
    "which host CPUs an I/O thread may use",
    DOMAIN,
    argument("iothread", "number of the I/O thread", kind="number"),
    argument("cpulist", "host CPUs such as 0-3,^2"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def iothreadpin(
    terminal: Terminal,
    domain: str,
    iothread: int,
    cpulist: str,
    config: bool,
    live: bool,
    current: bool,
) -> Output:
    """`virsh iothreadpin`."""
    machine = await terminal.domain(domain)
    cpus = await _cpus(machine, cpulist)
    await machine.pin_iothread(iothread, cpus, flags=_affect(live, config, current))
    return Done("", name=machine.name, iothread=iothread)


@verb(
    "iothreadset",
    "tune",
    "how an I/O thread polls",
    DOMAIN,
    _THREAD,
    option("poll-max-ns", "the longest poll in nanoseconds", kind="number"),
    option("poll-grow", "by what it grows", kind="number"),
    option("poll-shrink", "by what it shrinks", kind="number"),
    option("thread-pool-min", "fewest workers", kind="number"),
    option("thread-pool-max", "most workers", kind="number"),
    CONFIG,
    LIVE,
    CURRENT,
)
async def iothreadset(
    terminal: Terminal,
    domain: str,
    id_: int,
    poll_max_ns: int | None,
    poll_grow: int | None,
    poll_shrink: int | None,
    thread_pool_min: int | None,
    thread_pool_max: int | None,
    config: bool,
    live: bool,
    current: bool,
) -> Output:
    """`virsh iothreadset`."""
    given = {
        "poll_max_ns": poll_max_ns,
        "poll_grow": poll_grow,
        "poll_shrink": poll_shrink,
        "thread_pool_min": thread_pool_min,
        "thread_pool_max": thread_pool_max,
    }
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        from virtory.cli.parse import Usage

        raise Usage("iothreadset: give at least one value, such as --poll-max-ns")
    machine = await terminal.domain(domain)
    flags = _affect(live, config, current)
    await machine.set_iothread_parameters(id_, values, flags=flags)
    return Done("", name=machine.name, iothread=id_, **values)
