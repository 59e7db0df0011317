"""`virtory`: words in, an exit status out.

The rule kept here: whatever goes wrong ends as `error: …`, with a `cure: …` where one is known, on
standard error; as with virsh 0 is success and 1 is not, wrong words included; 130 an interruption.
"""

from __future__ import annotations

import io
import os
import sys

from virtory.cli.parse import Settings, Usage, global_words, keywords
from virtory.cli.verbs import load
from virtory.errors import ConnectionLost, VirtoryError
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.cli.output import Output
    from virtory.cli.terminal import Terminal
    from virtory.cli.verb import Verb


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words` and return the exit status.

    Without `words` the process's own are run, and the process ends here: taking an interpreter
    apart that has nothing left to do costs more than half of what a listing does.
    """
    if words is not None:
        return _status(list(words))
    import gc

    gc.disable()  # a process of some milliseconds leaves no garbage worth looking for
    _ready_streams()
    status = _status(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # a full disk; or closed, since who reads us has gone
        status = status or 1
    os._exit(status)


def _ready_streams() -> None:
    """Streams that take whatever is written; one that was closed before leads nowhere.

    Whatever the locale: as with virsh, UTF-8 into files and pipes, whose readers parse it, and what
    is none as it came; a terminal is shown an escape for what it can not.
    """
    if sys.stdout is None or sys.stderr is None:
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the process ends)
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        if out.isatty():
            out.reconfigure(errors="backslashreplace")
        else:
            out.reconfigure(encoding="utf-8", errors="surrogateescape")


def _status(words: list[str]) -> int:
    try:
        return _run(words)
    except Usage as problem:
        from virtory.cli.manual import explain

        return explain(problem)
    except VirtoryError as error:
        return _refused(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who reads us has gone, as `head` does: nothing more to say, not even at exit.
        sys.stderr.close()
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"error: {where}{error.strerror or error}\n")
        return 1


def _refused(error: VirtoryError) -> int:
    from virtory.cli.output import harmless

    sys.stdout.flush()
    sys.stderr.write(f"error: {harmless(error.message)}\n")
    cure = error.cure or _cure(error)
    if cure:
        sys.stderr.write(f"cure: {harmless(cure)}\n")
    return 1


def _cure(error: VirtoryError) -> str | None:
    """What to do where the daemon, which may be libvirt's, does not say it."""
    if isinstance(error, ConnectionLost):
        return "look what was done, and try again: guests go on without their daemon"
    if error.message.endswith("domain is not running"):
        return "'virtory start' starts it, 'virtory list --all' shows what is off"
    return None


def _run(words: list[str]) -> int:
    settings, rest = global_words(words)
    if not rest:
        from virtory.cli.manual import first_steps

        return first_steps()
    if rest[0] == "help":
        from virtory.cli.manual import show_help

        return show_help(rest[1:])
    if rest[0] == "--version":
        from virtory.cli.manual import version

        sys.stdout.write(f"{version()}\n")
        return 0
    verb = load(rest[0])
    if verb is None:
        from virtory.cli.manual import unknown

        raise unknown(rest[0])
    if "--help" in rest[1:] or "-h" in rest[1:]:
        from virtory.cli.manual import show_help

        return show_help([verb.name])
    values, settings = keywords(verb, rest[1:], settings)
    answer = _done(verb, values, settings)
    from virtory.cli.output import show

    show(answer, as_json=settings.json, quiet=settings.quiet)
    sys.stdout.flush()
    return answer.status if answer is not None else 0


def _done(verb: Verb, values: dict[str, Any], settings: Settings) -> Output | None:
    from virtory.cli.terminal import Terminal

    terminal = Terminal(settings)
    loop = bool(values[verb.loop]) if isinstance(verb.loop, str) else verb.loop
    work = _connected(verb, values, terminal, blocking=not loop)
    try:
        if not loop:
            from virtory import run_sync

            return run_sync(work)
        import asyncio
        import gc

        gc.enable()  # this one may run for days
        return asyncio.run(work)
    finally:
        work.close()  # interrupted before it began, it would complain


async def _connected(
    verb: Verb, values: dict[str, Any], terminal: Terminal, *, blocking: bool
) -> Output | None:
    if verb.local:
        return await verb.run(terminal, **values)
    async with terminal.connection(blocking=blocking) as terminal.host:
        return await verb.run(terminal, **values)


if __name__ == "__main__":
    sys.exit(main())
