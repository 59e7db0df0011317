"""A machine as a whole: made of an image, a seed and a domain; removed with all that is its own.

The rule kept here: a machine is there with all its parts or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from virtory.provision.steps import Report, silent

if TYPE_CHECKING:
    from virtory.client import Connection, Domain
    from virtory.provision.images import ImageStore
    from virtory.provision.manifest import Manifest
    from virtory.provision.order import Order


@dataclass(frozen=True, slots=True)
class Machine:
    """A domain together with what virtory knows about it."""

    name: str
    domain: Domain
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Removal:
    """What `remove` did, as sentences for the user: each names one thing."""

    name: str
    removed: tuple[str, ...]
    kept: tuple[str, ...]


async def create(
    host: Connection,
    order: Order,
    *,
    store: ImageStore | None = None,
    start: bool = True,
    report: Report = silent,
) -> Machine:
    """Make the machine and start it; what was made is taken back when a step fails.

    Raises:
        ImageNotFound, InvalidArgument, AlreadyExists, ResourceBusy (the SSH port is taken).
    """
    ...


async def preview(host: Connection, order: Order, *, store: ImageStore | None = None) -> str:
    """The domain XML that `create` would define; nothing is made."""
    ...


async def find(host: Connection, name: str) -> Machine:
    """The machine with this name; raises `DomainNotFound` or `NotOurMachine`."""
    ...


async def remove(
    host: Connection, name: str, *, force: bool = False, report: Report = silent
) -> Removal:
    """Remove the domain and the files its manifest lists, nothing else.

    A running machine is refused with `OperationInvalid` unless `force`, which destroys it first.
    """
    ...
