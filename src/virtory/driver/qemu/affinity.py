"""On which of the host's processors a guest's threads run, and how they are scheduled.

The rule kept here: set before the machine's first instruction; virtual CPUs and I/O threads
that come later are placed when they come, other threads inherit what QEMU's main thread has.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from virtory.driver.qemu.iothreads import numbered
from virtory.errors import ConfigUnsupported, SystemCallFailed
from virtory.model.domain.cpuset import members, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from virtory.model.domain import Domain

_POLICIES: Final = {
    "batch": os.SCHED_BATCH,
    "idle": os.SCHED_IDLE,
    "fifo": os.SCHED_FIFO,
    "rr": os.SCHED_RR,
}


def is_wanted(domain: Domain) -> bool:
    """Whether the description says anything about it."""
    return domain.vcpu.cpuset is not None or domain.cputune is not None


def vcpu_processors(domain: Domain, number: int) -> frozenset[int] | None:
    """Where a vCPU runs; None: anywhere."""
    pins = domain.cputune.vcpupins if domain.cputune is not None else ()
    pin = next((pin.cpuset for pin in pins if pin.vcpu == number), domain.vcpu.cpuset)
    return None if pin is None else members(pin)


def emulator_processors(domain: Domain) -> frozenset[int] | None:
    """Where all other threads run; None: anywhere."""
    pin = domain.cputune.emulatorpin if domain.cputune is not None else None
    pin = pin or domain.vcpu.cpuset
    return None if pin is None else members(pin)


def iothread_processors(domain: Domain, number: int) -> frozenset[int] | None:
    """Where an I/O thread runs; None: anywhere."""
    pins = domain.cputune.iothreadpins if domain.cputune is not None else ()
    pin = next((pin.cpuset for pin in pins if pin.iothread == number), domain.vcpu.cpuset)
    return None if pin is None else members(pin)


def apply(domain: Domain, pid: int, vcpus: Mapping[int, int], iothreads: Mapping[int, int]) -> None:
    """Pin and schedule; `vcpus` are threads by number of vCPU, `iothreads` by their own.

    Raises SystemCallFailed when the host refuses.
    """
    others = set(threads_of(pid)) - {*vcpus.values(), *iothreads.values()}
    for thread in others:
        pin(thread, emulator_processors(domain), "the emulator")
    for number, thread in iothreads.items():
        pin(thread, iothread_processors(domain, number), f"I/O thread {number}")
    for number, thread in vcpus.items():
        pin(thread, vcpu_processors(domain, number), f"vCPU {number}")
        for each in domain.cputune.vcpuscheds if domain.cputune is not None else ():
            if number in members(each.vcpus):
                _schedule(thread, each.scheduler, each.priority, f"vCPU {number}")


def anywhere(count: int | None = None) -> frozenset[int]:
    """All processors: where a thread made later runs that nothing is said of, as one made before.

    Without it, it would inherit where the emulator is pinned. `count`: of their numbers, if not
    those of this host.
    """
    return frozenset(range(host_numbers() if count is None else count))


def host_numbers(present: str = "/sys/devices/system/cpu/present") -> int:
    """How many numbers the host's processors have: those that are offline have theirs too."""
    with contextlib.suppress(OSError, ValueError), open(present) as file:
        return int(file.read().replace("-", ",").rpartition(",")[2]) + 1
    return os.cpu_count() or 1


def bitmap(processors: Iterable[int] | None, count: int | None = None) -> bytes:
    """As the wire has them, lowest bit first; None: anywhere. `count` as in `anywhere`."""
    known = anywhere(count)
    bits = bytearray((len(known) + 7) // 8)
    for number in known if processors is None else known.intersection(processors):
        bits[number // 8] |= 1 << number % 8
    return bytes(bits)


def of_thread(thread: int) -> bytes:
    """Where a thread, or the first of a process, may run."""
    try:
        return bitmap(os.sched_getaffinity(thread))
    except OSError:
        return bitmap(None)  # it has ended


def pin(thread: int, processors: frozenset[int] | None, what: str) -> None:
    """Let a thread run on these processors only; None changes nothing.

    Raises SystemCallFailed when the host refuses.
    """
    if processors is None:
        return
    try:
        os.sched_setaffinity(thread, processors)
    except ProcessLookupError:
        return  # it has ended, which a worker may at any time
    except OSError as error:
        raise SystemCallFailed(
            f"cannot set CPU affinity of {what} to {spelled(processors)}: {error.strerror}",
            errno=error.errno,
            cure="Name processors that are online; `lscpu` shows them.",
        ) from None


def threads_of(pid: int) -> list[int]:
    """A process's threads; none when it has ended."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    return []


def iothreads_in(answer: list[dict[str, Any]]) -> dict[int, int]:
    """query-iothreads: the thread of each I/O thread, by its number."""
    return {number: int(each["thread-id"]) for number, each in numbered(answer)}


def refuse_without_processors(domain: Domain, online: frozenset[int]) -> None:
    """Raise ConfigUnsupported when a pin leaves no processor that is online."""
    for where, cpuset in _cpusets(domain) if online else ():
        if not members(cpuset) & online:
            raise ConfigUnsupported(
                f"{where}: none of the processors {cpuset} is online",
                cure=f"Name some of {spelled(online)}.",
            )


def _cpusets(domain: Domain) -> Iterator[tuple[str, str]]:
    if domain.vcpu.cpuset is not None:
        yield "/domain/vcpu/@cpuset", domain.vcpu.cpuset
    tune = domain.cputune
    if tune is None:
        return
    for vcpu in tune.vcpupins:
        yield f"/domain/cputune/vcpupin[@vcpu='{vcpu.vcpu}']/@cpuset", vcpu.cpuset
    if tune.emulatorpin is not None:
        yield "/domain/cputune/emulatorpin/@cpuset", tune.emulatorpin
    for thread in tune.iothreadpins:
        yield f"/domain/cputune/iothreadpin[@iothread='{thread.iothread}']/@cpuset", thread.cpuset


def _schedule(thread: int, scheduler: str, priority: int | None, what: str) -> None:
    policy = _POLICIES[scheduler]
    realtime = scheduler in ("fifo", "rr")
    try:
        os.sched_setscheduler(thread, policy, os.sched_param((priority or 1) if realtime else 0))
    except OSError as error:
        raise SystemCallFailed(
            f"cannot set scheduler of {what} to {scheduler}: {error.strerror}",
            errno=error.errno,
            cure="Real-time scheduling needs a daemon that runs as root.",
        ) from None
