"""Works of several steps (a snapshot, a clone, a commit): written down before each step is taken.

The rule kept here: after a crash at any step the next daemon finishes the work or undoes it, so
that what it touched is as before or as after, never between.

    work = await journal.begin("snapshot", domain=…, step="overlays", made=[…])
    …make the overlays…
    await work.step(domain=…, step="switch", …)
    …switch…
    await work.done(ObjectRow(…))        # the last change and the end of the work are one save

Each kind of work has a *mender*, called with the work and its last step when a daemon starts. It
must itself be repeatable, and end with `work.done`.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

from virtory.driver.store import ForgetIntent, Intent

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


async def recover(
    journal: Journal, intents: Sequence[Intent], menders: Mapping[str, Mender]
) -> None:
    """Let every work that was cut off be mended; what fails is logged and stays written down."""
    for intent in intents:
        mender = menders.get(intent.kind)
        if mender is None:
            _log.error("a work of kind '%s' was cut off, and nobody can mend it", intent.kind)
            continue
        try:
            await mender(journal.found(intent), json.loads(intent.step))
        except Exception:
            _log.exception("a work of kind '%s' was cut off and can not be mended", intent.kind)
