"""Works of several steps (a snapshot, a clone, a commit): written down before each step is taken.

The rule kept here: after a crash at any step the next daemon finishes the work or undoes it, so
that what it touched is as before or as after, never between.

    work = await journal.begin("snapshot", domain=…, step="overlays", made=[…])
    …make the overlays…
    await work.step(domain=…, step="switch", …)
    …switch…
    await work.done(ObjectRow(…))        # the last change and the end of the work are one save

Each kind of work has a *mender*, called with the work and its last step when a daemon starts, and
again when what it failed for may be there. It must itself be repeatable, and end with `work.done`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import defaultdict
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver.store import ForgetIntent, Intent
from virtory.errors import OperationInvalid, VirtoryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from virtory.driver.store import Change, Store

    Mender = Callable[["Work", dict[str, Any]], Awaitable[None]]

_log = logging.getLogger(__name__)


class Work:
    """One work under way."""

    def __init__(self, store: Store, kind: str, key: bytes) -> None:
        self._store = store
        self.kind = kind
        self.key = key

    async def step(self, **what: Any) -> None:
        """On disk when this returns: the step may be taken."""
        await self._store.save(Intent(self.key, self.kind, json.dumps(what)))

    async def done(self, *changes: Change) -> None:
        """The work has ended, one way or the other; its last changes are saved with that."""
        await self._store.save(*changes, ForgetIntent(self.key))


class Journal:
    """Where works are written down."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin(self, kind: str, **step: Any) -> Work:
        """A new work; its first step is on disk when this returns."""
        work = Work(self._store, kind, os.urandom(16))
        await work.step(**step)
        return work

    def found(self, intent: Intent) -> Work:
        """A work that an earlier daemon left."""
        return Work(self._store, intent.kind, intent.key)


class Left(NamedTuple):
    """A work that was cut off and can not be ended yet."""

    intent: Intent
    step: dict[str, Any]
    problem: str

    @property
    def owner(self) -> str | None:
        """The domain that it is of, by its UUID's hexadecimal digits."""
        return _owner(self.step)

    @property
    def told(self) -> str:
        """What is wrong, in a sentence."""
        what = self.step.get("step", self.intent.kind)
        return f"work '{what}' was cut off and can not be ended: {self.problem}"


def _owner(step: Mapping[str, Any]) -> str | None:
    owner: str | None = step.get("domain") or step.get("original")
    return owner


class Mending:
    """Works that an earlier daemon left: each is mended, or kept until it can be.

    A work is of the domain that its step names (`domain`, hexadecimal; a clone's `original`); what
    can not be mended keeps that domain from being started or changed, and is tried again then.
    Those of one domain are mended one after another.

    Args:
        awaited: whether it will be tried again by itself, soon, with what is left of this domain.
    """

    def __init__(
        self,
        journal: Journal,
        menders: Mapping[str, Mender],
        awaited: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self.left: list[Left] = []
        self._journal = journal
        self._menders = menders
        self._awaited = awaited
        self._turns: defaultdict[str | None, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def recover(self, intents: Sequence[Intent]) -> None:
        """Let each be mended; what fails is logged, and stays written down and `left`."""
        for intent in intents:
            async with self._turns[_owner(json.loads(intent.step))]:
                left = await self._mended(intent)
            if left is not None:
                known = left.owner is not None and self._awaited(bytes.fromhex(left.owner))
                _log.log(logging.INFO if known else logging.ERROR, "%s", left.told)
                self.left.append(left)

    async def again(self, domain: bytes | None = None) -> None:
        """Try once more with what is left, of one domain or all.

        Raises:
            OperationInvalid: this domain's work still can not be ended.
        """
        if not self.left or _mending.get():
            return
        owner = domain.hex() if domain is not None else None
        for left in [each for each in self.left if owner in (None, each.owner)]:
            async with self._turns[left.owner]:  # no domain waits for another's
                if left not in self.left:
                    continue  # another call has seen to it, or it was given up
                now = await self._mended(left.intent)
                if left not in self.left:
                    continue
                self.left.remove(left)
                if now is None:
                    continue
                self.left.append(now)
                if owner is not None:
                    raise OperationInvalid(
                        now.told,
                        cure="mend that; it is tried again whenever the machine is started or a "
                        "pool is. To give it up: virsh undefine, then define the machine again",
                    )

    def of(self, domain: bytes) -> list[str]:
        """What is left of a domain's, in sentences."""
        return [left.told for left in self.left if left.owner == domain.hex()]

    def give_up(self, domain: bytes, step: str | None = None) -> list[Change]:
        """Forget what is left of a domain's (only such a `step`); what is to be saved for that."""
        gone = [
            left
            for left in self.left
            if left.owner == domain.hex() and step in (None, left.step.get("step"))
        ]
        self.left = [left for left in self.left if left not in gone]
        return [ForgetIntent(left.intent.key) for left in gone]

    async def _mended(self, intent: Intent) -> Left | None:
        step = json.loads(intent.step)
        mender = self._menders.get(intent.kind)
        if mender is None:
            return Left(intent, step, "this version of virtoryd can not")
        token = _mending.set(True)
        try:
            await mender(self._journal.found(intent), step)
        except Exception as error:
            if not isinstance(error, VirtoryError):
                _log.exception("a work of kind '%s' can not be mended", intent.kind)
            return Left(intent, step, str(error))
        finally:
            _mending.reset(token)
        return None


_mending: ContextVar[bool] = ContextVar("mending", default=False)
"""Whether this is done by a mender: it waits for no other."""
