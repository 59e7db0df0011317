"""What a verb is given: the connection, the settings, and ways to speak.

The rule kept here: a verb reaches the daemon and the user through this object only.
"""

from __future__ import annotations

import sys

from virtory.errors import DomainNotFound
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.parse import Settings
    from virtory.client.connect import Connecting, Host
    from virtory.client.domain import Domain


class Terminal:
    """One run of the program.

    `host` is the daemon that answers; only verbs that are not `local` have one.
    """

    host: Host

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def connection(self, *, blocking: bool) -> Connecting:
        """The connection that the user's settings ask for, to be entered as `host`."""
        from virtory.client.connect import connect

        settings = self.settings
        return connect(settings.uri, readonly=settings.readonly, blocking=blocking)

    def say(self, line: str) -> None:
        """A line of progress, on standard error; nothing when quiet."""
        if not self.settings.quiet:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def warn(self, line: str) -> None:
        """A line about something doubtful, on standard error."""
        sys.stderr.write(f"warning: {line}\n")
        sys.stderr.flush()

    def if_broken_off(self, words: str) -> BrokenOff:
        """For the time of a `with` block: what to say when the user breaks it off by Ctrl-C."""
        return BrokenOff(self, words)

    async def domain(self, word: str) -> Domain:
        """The domain that `word` names: an id, a UUID or a name, tried in virsh's order."""
        if word.isascii() and word.isdigit():
            try:
                return await self.host.domain_by_id(int(word))
            except DomainNotFound:
                pass
        if len(word) == 36 and word.count("-") == 4:
            try:
                return await self.host.domain_by_uuid(word)
            except DomainNotFound:
                pass
        try:
            return await self.host.domain(word)
        except DomainNotFound as error:
            error.cure = error.cure or await self._meant(word)
            raise

    async def _meant(self, word: str) -> str:
        from virtory.cli.manual import meant

        names = [domain.name for domain in await self.host.list_domains()]
        return meant(word, names, "'virtory list --all'")


class BrokenOff:
    """A piece of work that ends badly by Ctrl-C, and what is true then."""

    def __init__(self, terminal: Terminal, words: str) -> None:
        self._terminal, self._words = terminal, words

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # asyncio's cancellation by its name: most verbs run without that import.
        if kind is not None and kind.__name__ in ("KeyboardInterrupt", "CancelledError"):
            self._terminal.say(f"\nbroken off: {self._words}")


def modification(live: bool, config: bool, current: bool) -> int:
    """`--live`, `--config`, `--current` as `flags.DomainAffect`; raises `Usage` when they clash."""
    if current and (live or config):
        from virtory.cli.parse import Usage

        raise Usage("--current goes with neither --live nor --config")
    return int(live) | config << 1
