"""The phases from power-on to ready as a pure state machine: signals in, reports out.

The rule kept here: a phase is over when a signal from the guest says so, never by a clock; the
clock only says that nothing at all has happened for too long, and any sign of life takes that
back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum



class Phase(StrEnum):
    """What a machine passes through, in this order."""

    PROCESS = "process"
    FIRMWARE = "firmware"
    KERNEL = "kernel"
    ADDRESS = "address"
    SSH = "ssh"
    CLOUD_INIT = "cloud-init"


class State(StrEnum):
    """RUNNING: the phase has begun. STALLED is advice, not an end: the machine may still go on."""

    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    STALLED = "stalled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """One report: `elapsed_s` since power-on; `took_s` of this phase, where it is over.

    `console` holds the last lines and `cure` the likely remedy, for STALLED and FAILED only.
    """

    phase: Phase
    state: State
    elapsed_s: float
    evidence: str
    took_s: float | None = None
    console: tuple[str, ...] = ()
    cure: str | None = None
