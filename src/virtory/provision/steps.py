"""Progress of long work as values: what is being done, how far it is, what it cost.

The rule kept here: work reports facts and never prints.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of long work; `seconds` is None while it runs; `done`, `total`: bytes if known."""

    what: str
    seconds: float | None = None
    done: int | None = None
    total: int | None = None


Report = Callable[[Step], None]


def silent(step: Step) -> None:
    """A `Report` for callers that do not watch."""


@contextmanager
def step(what: str, report: Report) -> Iterator[None]:
    """Report the start of a step, and what it cost when it went well."""
    started = time.monotonic()
    report(Step(what))
    yield
    report(Step(what, time.monotonic() - started))
