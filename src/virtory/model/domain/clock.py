"""`<clock>`: which time the guest's clock starts with, and how its timers tick.

The rule kept here: offsets are in seconds, frequencies in Hz.
"""

from __future__ import annotations

from typing import Literal

from virtory.codec.xml import Attr, Element, YesNo


class Catchup(Element):
    """`<catchup>`: how fast missed ticks are delivered late."""

    threshold: Attr[int | None] = None
    slew: Attr[int | None] = None
    limit: Attr[int | None] = None


class Timer(Element, tag="timer"):
    """`<timer>`: one of the machine's clocks."""

    name: Attr[
        Literal["platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock", "armvtimer"]
    ]
    present: Attr[YesNo | None] = None
    tickpolicy: Attr[Literal["delay", "catchup", "merge", "discard"] | None] = None
    track: Attr[Literal["boot", "guest", "wall", "realtime"] | None] = None
    frequency: Attr[int | None] = None
    mode: Attr[Literal["auto", "native", "emulate", "paravirt", "smpsafe"] | None] = None
    catchup: Catchup | None = None


class Clock(Element):
    """`<clock>`."""

    offset: Attr[Literal["utc", "localtime", "variable", "timezone", "absolute"]] = "utc"
    adjustment: Attr[str | None] = None
    basis: Attr[Literal["utc", "localtime"] | None] = None
    timezone: Attr[str | None] = None
    start: Attr[int | None] = None
    timers: tuple[Timer, ...] = ()
