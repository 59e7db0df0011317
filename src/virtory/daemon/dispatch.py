"""From a procedure to the handler that serves it; a kind's handlers load with its first call.

The rule kept here: everything known about a call before its arguments are looked at (who handles
it, may a read-only connection make it, is it legal before `connect_open`) is worked out once and
kept in one `Route`. A procedure without a route is one that this daemon does not serve.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from virtory.daemon import access
from virtory.wire.procedure import QEMU, REMOTE, VIRTORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.wire.procedure import AnyProcedure

    Run = Callable[..., Any]

_F = TypeVar("_F", bound="Callable[..., Any]")
_COROUTINE: Final = 0x80  # CO_COROUTINE of a code object's flags


class Route:
    """How one procedure is answered.

    Attributes:
        run: the handler, called with the peer and the arguments.
        waits: it is a coroutine function and gets a task.
        whole: it wants the `Call` too, for its serial or its descriptors.
        early: legal before `connect_open`.
        writes: refused on a read-only connection.
        guarded: something must be checked on a read-only connection.
    """

    __slots__ = ("early", "guarded", "procedure", "run", "waits", "whole", "writes")

    def __init__(self, procedure: AnyProcedure, run: Run, *, whole: bool, early: bool) -> None:
        self.procedure = procedure
        self.run = run
        self.whole = whole
        self.early = early
        self.waits = bool(run.__code__.co_flags & _COROUTINE)
        self.writes = access.writes(procedure)
        self.guarded = self.writes or access.writes_sometimes(procedure)


ROUTES: dict[AnyProcedure, Route | None] = {}
"""Every procedure looked up so far; None for those that nobody serves."""


def serves(
    *procedures: AnyProcedure, whole: bool = False, early: bool = False
) -> Callable[[_F], _F]:
    """Make the decorated function the handler of these procedures."""

    def register(run: _F) -> _F:
        for procedure in procedures:
            if ROUTES.get(procedure) is not None:
                raise TypeError(f"{procedure.name} has two handlers")
            ROUTES[procedure] = Route(procedure, run, whole=whole, early=early)
        return run

    return register


def route_of(procedure: AnyProcedure) -> Route | None:
    """The route of a procedure, importing the handlers of its kind when they are not there yet."""
    if procedure in ROUTES:
        return ROUTES[procedure]
    for module in _modules(procedure):
        import_module(f"virtory.daemon.handlers.{module}")
    return ROUTES.setdefault(procedure, None)


_DOMAIN: Final = (
    "domain",
    "domain_lifecycle",
    "domain_statistics",
    "domain_guest",
    "domain_streams",
    "domain_devices",
    "domain_tuning",
    "domain_blocks",
    "domain_saves",
    "domain_resources",
)
# The first match wins: a part of the name → the files that may serve it.
_PLACES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("DOMAIN_EVENT", ("domain_events",)),
    ("SNAPSHOT", ("snapshot",)),
    ("CHECKPOINT", ("snapshot",)),
    ("NETWORK", ("network", "network_port")),
    ("STORAGE_POOL", ("storage_pool",)),
    ("STORAGE_VOL", ("storage_volume",)),
    ("NODE_DEVICE", ("node_device",)),
    ("NODE_LIST_DEVICES", ("node_device",)),
    ("NODE_NUM_OF_DEVICES", ("node_device",)),
    ("SECRET", ("secret",)),
    ("NWFILTER", ("nwfilter",)),
    ("DOMAIN_INTERFACE", _DOMAIN),
    ("DOMAIN_GET_INTERFACE", _DOMAIN),
    ("DOMAIN_SET_INTERFACE", _DOMAIN),
    ("INTERFACE", ("interface",)),
    ("CONNECT_GET_ALL_DOMAIN_STATS", _DOMAIN),
    ("DOMAIN_", _DOMAIN),
    ("", ("connect", "node")),
)
_CONNECT_DOMAIN: Final = {
    "CONNECT_GET_DOMAIN_CAPABILITIES",
    "CONNECT_DOMAIN_XML_TO_NATIVE",
    "CONNECT_DOMAIN_XML_FROM_NATIVE",
}


def _modules(procedure: AnyProcedure) -> tuple[str, ...]:
    if procedure.program == QEMU.number:
        return ("qemu",)
    if procedure.program == VIRTORY.number:
        return ("virtory",)
    if procedure.program != REMOTE.number:
        return ()
    if procedure.name in _CONNECT_DOMAIN:
        return ("connect", "node")
    return next(modules for part, modules in _PLACES if part in procedure.name)
