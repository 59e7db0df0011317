"""Help, spelling and completion: what a person needs and a script does not.

The rule kept here: everything is made from the verbs' declarations; click lays it out.
"""

from __future__ import annotations

import sys

from virtory.cli.parse import Usage
from virtory.cli.verb import FLAG, NUMBER, REST, WORDS
from virtory.cli.verbs import GROUPS, INDEX, load
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import click

    from virtory.cli.verb import Option, Verb

USAGE = "[-c URI] [-r] [-q] [--json] VERB [OPTIONS] [ARGUMENTS]"
EPILOG = (
    "Without -c the daemon is found by VIRTORY_URI, then LIBVIRT_DEFAULT_URI, else it is your own "
    "virtoryd, started when it is not running. 'virtory help VERB' explains a verb."
)


def version() -> str:
    """This program's version."""
    from virtory import __version__

    return f"virtory {__version__}"


def explain(problem: Usage) -> int:
    """Say what is wrong with the words; the exit status for it."""
    sys.stderr.write(f"error: {problem}\n")
    if problem.cure:
        sys.stderr.write(f"cure: {problem.cure}\n")
    return 1


def close_to(word: str, words: Iterable[str]) -> list[str]:
    """The likeliest of `words` that somebody meant who wrote `word`."""
    from difflib import SequenceMatcher

    def likeness(other: str) -> float:
        if sorted(word) == sorted(other):
            return 1.0  # letters in another order: the commonest slip
        return SequenceMatcher(None, word, other).ratio()

    ranked = sorted(((likeness(other), other) for other in words), reverse=True)
    best = ranked[0][0] if ranked else 0.0
    return [other for like, other in ranked[:3] if like >= max(0.6, best - 0.05)]


def meant(word: str, names: Iterable[str], listing: str) -> str:
    """The cure for a word that names nothing: what is like it, or the verb that lists them."""
    near = close_to(word, names)
    return f"did you mean {' or '.join(near)}?" if near else f"{listing} shows what there is"


def unknown(name: str) -> Usage:
    """The error about a verb that there is not."""
    return _no_such("command", name, INDEX)


def _no_such(what: str, name: str, words: Iterable[str]) -> Usage:
    near = close_to(name, words)
    cure = f"did you mean {' or '.join(near)}?" if near else "virtory help lists every verb"
    return Usage(f"unknown {what}: '{name}'", cure)


def call_of(verb: Verb) -> str:
    """How the verb is written, in one line."""
    words = ["virtory", verb.name, *(_place(item) for item in verb.options if item.positional)]
    if any(not item.positional for item in verb.options):
        words.append("[OPTIONS]")
    return " ".join(words)


def _place(item: Option) -> str:
    """An argument as it stands in a call: `NAME`, `[NAME]`, `NAME...`."""
    word = f"{item.name.upper()}{'...' if item.kind in (WORDS, REST) else ''}"
    return word if item.required else f"[{word}]"


def show_help(words: Sequence[str]) -> int:
    """Print the help of a verb or a topic (what is both: of both), or of the whole program."""
    import click

    parts = []
    if not words:
        parts.append(_overview())
    else:
        if (verb := load(words[0])) is not None:
            command = _command(verb)
            parts.append(command.get_help(click.Context(command, info_name=f"virtory {verb.name}")))
        if words[0] in GROUPS:
            parts.append(_group(words[0]))
    if not parts:
        raise _no_such("command or topic", words[0], {*INDEX, *GROUPS})
    click.echo("\n\n".join(parts))
    return 0


def first_steps() -> int:
    """What somebody sees who types the program's name alone: where to begin, and what there is."""
    import click

    formatter = _formatter()
    formatter.write_usage("virtory", USAGE)
    with formatter.section(GROUPS["machine"]):
        doctor = next(pair for pair in _summaries("host") if pair[0] == "doctor")
        formatter.write_dl(sorted([*_summaries("machine"), doctor]))
    with formatter.section("Everything else, with virsh's names"):
        formatter.write_dl([(f"help {name}", GROUPS[name]) for name in GROUPS if name != "machine"])
    formatter.write_paragraph()
    formatter.write_text(f"'virtory help' lists every verb. {EPILOG}")
    click.echo(formatter.getvalue().rstrip())
    return 0


def _formatter() -> click.HelpFormatter:
    import shutil

    import click

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
    return click.HelpFormatter(width=min(columns, 100))


def _overview() -> str:
    formatter = _formatter()
    formatter.write_usage("virtory", USAGE)
    for group in GROUPS:
        with formatter.section(f"{GROUPS[group]} ({group})"):
            formatter.write_dl(_summaries(group))
    formatter.write_paragraph()
    formatter.write_text(EPILOG)
    return formatter.getvalue().rstrip()


def _group(group: str) -> str:
    formatter = _formatter()
    with formatter.section(GROUPS[group]):
        formatter.write_dl(_summaries(group))
    return formatter.getvalue().rstrip()


def _summaries(group: str) -> list[tuple[str, str]]:
    verbs = (load(name) for name in sorted(INDEX))
    return [(verb.name, verb.help) for verb in verbs if verb is not None and verb.group == group]


def _command(verb: Verb) -> click.Command:
    """The verb as a click command: only its help and completion are asked of it."""
    import click

    return click.Command(
        verb.name,
        params=[_parameter(item) for item in verb.options],
        help="\n".join([verb.help, *_arguments(verb)]),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


def _arguments(verb: Verb) -> list[str]:
    """What click leaves out: the meaning of each argument, in a block that it does not wrap."""
    items = [item for item in verb.options if item.positional]
    width = max((len(item.name) for item in items), default=0) + 2
    lines = [f"  {item.name.upper():<{width}}{item.help}" for item in items]
    return ["", "\b", "Arguments:", *lines] if lines else []


def _parameter(item: Option) -> click.Parameter:
    import click

    kind: Any = click.Choice(item.choices) if item.choices else str
    if item.kind == NUMBER:
        kind = int
    if item.positional:
        return click.Argument(
            [item.key],
            required=item.required,
            type=kind,
            metavar=_place(item),
            nargs=-1 if item.kind in (WORDS, REST) else 1,
        )
    names = [f"--{item.name}", *([f"-{item.short}"] if item.short else [])]
    return click.Option(
        names, is_flag=item.kind == FLAG, help=item.help, type=None if item.kind == FLAG else kind
    )
