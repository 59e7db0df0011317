"""What a verb is: its name, its options, the coroutine that does it.

The rule kept here: a declaration is plain data. The quick parser (`parse.py`), the manual and
completion (`manual.py`) all read it, so they can not disagree.
"""

from __future__ import annotations

from virtory.lean import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from virtory.cli.output import Output

    Run = Callable[..., Awaitable[Output | None]]

FLAG, TEXT, NUMBER, WORDS, REST = "flag", "text", "number", "words", "rest"


class Option(NamedTuple):
    """One option or argument.

    `kind`: FLAG takes no value, TEXT a string, NUMBER an integer, WORDS all words that are no
    options, REST all that is left of the line, options or not.
    A `positional` one may also be given as `--name value`, as in virsh. `complete` names what the
    shell offers: "domain", "active", "inactive", "file", "image".
    """

    name: str
    help: str
    kind: str = TEXT
    short: str = ""
    positional: bool = False
    required: bool = False
    complete: str = ""
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The keyword of the coroutine."""
        key = self.name.replace("-", "_")
        return f"{key}_" if key in _TAKEN else key


_TAKEN = frozenset({"all", "id", "list", "file", "type", "format", "from", "help", "uuid_"})


class Verb(NamedTuple):
    """A verb; `loop` says that it needs an event loop (a text: only when that option is given).

    `local` says that it makes its own connection, or needs none.
    """

    name: str
    group: str
    help: str
    options: tuple[Option, ...]
    run: Run
    loop: bool | str = False
    local: bool = False


VERBS: dict[str, Verb] = {}
"""Every verb whose module has been imported."""


def verb(
    name: str,
    group: str,
    help: str,
    *options: Option,
    loop: bool | str = False,
    local: bool = False,
) -> Callable[[Run], Run]:
    """Declare the decorated coroutine as the verb `name`."""

    def declare(run: Run) -> Run:
        VERBS[name] = Verb(name, group, help, options, run, loop, local)
        return run

    return declare


def flag(name: str, help: str, short: str = "") -> Option:
    """An option without a value."""
    return Option(name, help, FLAG, short)


def option(name: str, help: str, **more: Any) -> Option:
    """An option with a value."""
    return Option(name, help, **more)


def argument(name: str, help: str, *, required: bool = True, **more: Any) -> Option:
    """A positional argument."""
    return Option(name, help, positional=True, required=required, **more)


DOMAIN = argument("domain", "name, id or UUID of the domain", complete="domain")
ACTIVE = argument("domain", "name, id or UUID of a running domain", complete="active")
LIVE = flag("live", "affect the running domain")
CONFIG = flag("config", "affect the next start")
CURRENT = flag("current", "affect its current state")
