"""What KVM counts of a guest: exits, page faults, time spent polling.

The rule kept here: names and units are the kernel's; without KVM there is nothing to count, and
nothing is asked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from virtory.driver.interface import BOOLEAN, ULLONG, Param

if TYPE_CHECKING:
    import asyncio

    from virtory.driver.qemu.guest import Guest
    from virtory.driver.qemu.monitor import Monitor

_DEBUG = "/sys/kernel/debug/kvm"
_ENDINGS = {"cumulative": "sum", "instant": "cur", "peak": "max"}


def halt_polling(pid: int) -> list[Param]:
    """How long its idle processors were polled for work, to some effect and to none; ns."""
    success = failure = 0
    try:
        directories = [name for name in os.listdir(_DEBUG) if name.startswith(f"{pid}-")]
    except OSError:
        directories = []
    for name in directories:
        success += _number(f"{_DEBUG}/{name}/halt_poll_success_ns")
        failure += _number(f"{_DEBUG}/{name}/halt_poll_fail_ns")
    return [
        Param("cpu.haltpoll.success.time", ULLONG, success),
        Param("cpu.haltpoll.fail.time", ULLONG, failure),
    ]


def _number(path: str) -> int:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def counted(guest: Guest) -> bool:
    """Whether KVM runs it, so that there is something to ask."""
    return guest.domain.type == "kvm"


def questions(monitor: Monitor, whole: bool) -> dict[str, asyncio.Future[Any]]:
    """What is asked at the same time as everything else: `vm` too when the `whole` is wanted."""
    asked = {
        "schemas": monitor.execute("query-stats-schemas"),
        "vcpus": monitor.execute("query-stats", {"target": "vcpu"}),
    }
    if whole:
        asked["vm"] = monitor.execute("query-stats", {"target": "vm"})
    return asked


def params(schemas: Any, told: Any, vcpu: int | None) -> list[Param]:
    """The counters as `vcpu.0.exits.sum` and `vm.remote_tlb_flush.sum`; none when not answered."""
    if not schemas or not told:
        return []
    target, prefix = ("vm", "vm") if vcpu is None else ("vcpu", f"vcpu.{vcpu}")
    known = _endings(schemas, target)
    results = told if vcpu is None else told[vcpu : vcpu + 1]
    shown = []
    for stat in (one for result in results for one in result.get("stats", ())):
        name, value = str(stat["name"]), stat["value"]
        if name in known and isinstance(value, int):
            kind = BOOLEAN if isinstance(value, bool) else ULLONG
            shown.append(Param(f"{prefix}.{name}.{known[name]}", kind, int(value)))
    return shown


def _endings(schemas: Any, target: str) -> dict[str, str]:
    """Of each counter that is one number, how its name ends."""
    return {
        str(stat["name"]): _ENDINGS[stat["type"]]
        for provider in schemas
        if provider.get("target") == target
        for stat in provider.get("stats", ())
        if stat.get("type") in _ENDINGS
    }
