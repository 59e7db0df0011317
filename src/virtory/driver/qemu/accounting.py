"""What a guest's process uses: CPU time and memory, from the kernel, without asking QEMU.

The rule kept here: one read per fact, nothing kept: the kernel is always right. A process that has
just ended counts as zero.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class CpuTime(NamedTuple):
    """Nanoseconds."""

    total: int
    user: int
    system: int


class ThreadTime(NamedTuple):
    """One virtual CPU's thread: `delay` is time in the queue."""

    running: bool
    cpu: int
    run_ns: int
    delay_ns: int


def host_cpus() -> int:
    """How many processors of the host are online."""
    return os.cpu_count() or 1


def wait_ns(pid: int, thread: int) -> int:
    """How long a thread waited to be run; 0 where the kernel does not count it (SCHED_DEBUG)."""
    try:
        with open(f"/proc/{pid}/task/{thread}/sched") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.rstrip().rpartition(".")[2] == "wait_sum":
                    return int(float(value) * 1_000_000)
    except (OSError, ValueError):
        pass
    return 0


def cpu_time_ns(pid: int) -> int:
    """CPU time of all the process's threads: one system call (see `clock_getcpuclockid`)."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def cpu_time(pid: int) -> CpuTime:
    """With the division into user and system time, which the kernel keeps in ticks."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return CpuTime(0, 0, 0)
    return CpuTime(cpu_time_ns(pid), int(fields[11]) * _TICK_NS, int(fields[12]) * _TICK_NS)


def resident_kib(pid: int) -> int:
    """Memory that is in RAM now."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_KIB
    except OSError:
        return 0


def thread_time(pid: int, thread: int) -> ThreadTime:
    """What one thread used."""
    directory = f"/proc/{pid}/task/{thread}"
    try:
        with open(f"{directory}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open(f"{directory}/schedstat", "rb") as file:
            run, delay, _ = file.read().split()
    except (OSError, ValueError):
        return ThreadTime(False, -1, 0, 0)
    return ThreadTime(fields[0] == b"R", int(fields[36]), int(run), int(delay))
