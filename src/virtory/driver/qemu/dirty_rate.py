"""How fast a guest writes its memory, as QEMU last measured it.

The rule kept here: a rate is told only of a measurement that has ended.
"""

from __future__ import annotations

from typing import Any

from virtory.driver.interface import INT, LLONG, STRING, Param

_STATES = {"unstarted": 0, "measuring": 1, "measured": 2}


def params(told: dict[str, Any]) -> list[Param]:
    """The `dirtyrate.*` part of domstats; megabytes a second."""
    status = _STATES.get(str(told.get("status")), 0)
    mode = str(told.get("mode", "page-sampling"))
    shown = [
        Param("dirtyrate.calc_status", INT, status),
        Param("dirtyrate.calc_start_time", LLONG, int(told.get("start-time", 0))),
        Param("dirtyrate.calc_period", INT, int(told.get("calc-time", 0))),
        Param("dirtyrate.calc_mode", STRING, mode),
    ]
    if status == _STATES["measured"]:
        rate = int(told.get("dirty-rate", 0))
        shown.append(Param("dirtyrate.megabytes_per_second", LLONG, rate))
        for one in told.get("vcpu-dirty-rate", ()):
            name = f"dirtyrate.vcpu.{int(one['id'])}.megabytes_per_second"
            shown.append(Param(name, LLONG, int(one["dirty-rate"])))
    return shown
