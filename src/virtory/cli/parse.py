"""Command-line words → a verb's keywords, quickly.

The rule kept here: only what is right is understood; anything else raises `Usage`, and the manual
(which costs an import) explains it.
"""

from __future__ import annotations

from virtory.cli.verb import FLAG, NUMBER, REST, WORDS
from virtory.lean import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.cli.verb import Option, Verb


_MANY = (WORDS, REST)


class Usage(Exception):
    """The words are not a call of this program; the text says why."""

    def __init__(self, why: str, cure: str | None = None) -> None:
        super().__init__(why)
        self.cure = cure


class Settings(NamedTuple):
    """What stands before the verb."""

    uri: str | None = None
    readonly: bool = False
    quiet: bool = False
    json: bool = False


def global_words(words: Sequence[str]) -> tuple[Settings, list[str]]:
    """The options before the verb, and the rest from the verb on."""
    found: dict[str, Any] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in ("-c", "--connect"):
            if not equals and not rest:
                raise Usage(f"{name} needs a URI", "for example: virtory -c qemu:///system list")
            found["uri"] = value if equals else rest.pop(0)
        elif word in ("-r", "--readonly"):
            found["readonly"] = True
        elif word in ("-q", "--quiet"):
            found["quiet"] = True
        elif word in ("-j", "--json"):
            found["json"] = True
        elif word in ("-h", "--help"):
            return Settings(**found), ["help", *rest]
        elif word in ("-v", "-V", "--version"):
            return Settings(**found), ["--version"]
        else:
            raise Usage(f"unknown option {word} before the verb", "virtory --help lists them")
    return Settings(**found), rest


def keywords(
    verb: Verb, words: Sequence[str], settings: Settings
) -> tuple[dict[str, Any], Settings]:
    """The keywords of `verb.run`. `--json` and `--quiet` may also follow the verb."""
    options = {f"--{item.name}": item for item in verb.options}
    options.update({f"-{item.short}": item for item in verb.options if item.short})
    waiting = [item for item in verb.options if item.positional]
    values: dict[str, Any] = {
        item.key: False if item.kind == FLAG else [] if item.kind in _MANY else None
        for item in verb.options
    }
    left = list(words)
    literal = False
    while left:
        word = left.pop(0)
        if waiting and waiting[0].kind == REST and (literal or not word.startswith("-")):
            values[waiting.pop(0).key] = [word, *left]
            break
        if word == "--" and not literal:
            literal = True
        elif literal or not word.startswith("-") or word == "-" or _negative(word):
            if not waiting:
                raise Usage(f"{verb.name}: unexpected word '{word}'", f"virtory help {verb.name}")
            item = waiting[0] if waiting[0].kind == WORDS else waiting.pop(0)
            _put(verb, values, item, word)
        elif word == "--json" and word not in options:
            settings = settings._replace(json=True)
        elif word in ("-q", "--quiet") and word not in options:
            settings = settings._replace(quiet=True)
        elif word in ("-h", "--help"):
            raise Usage("")
        else:
            _option(verb, values, options, waiting, word, left)
    for item in verb.options:
        if item.required and values[item.key] in (None, []):
            raise _missing(verb, item)
    return values, settings


def _missing(verb: Verb, item: Option) -> Usage:
    from virtory.cli.manual import call_of

    cure = f"{call_of(verb)}; 'virtory help {verb.name}' explains it"
    return Usage(f"{verb.name}: {item.name} is missing", cure)


def _option(
    verb: Verb,
    values: dict[str, Any],
    options: dict[str, Option],
    waiting: list[Option],
    word: str,
    left: list[str],
) -> None:
    name, equals, value = word.partition("=")
    item = options.get(name)
    if item is None:
        raise _unknown_option(verb, name, options)
    if item in waiting:
        waiting.remove(item)
    if item.kind == FLAG:
        if equals:
            raise Usage(f"{verb.name}: {name} takes no value")
        values[item.key] = True
        return
    if not equals:
        if not left:
            raise Usage(f"{verb.name}: {name} needs a value", f"virtory help {verb.name}")
        value = left.pop(0)
    _put(verb, values, item, value)


def _unknown_option(verb: Verb, name: str, options: dict[str, Option]) -> Usage:
    from virtory.cli.manual import close_to

    near = close_to(name, [option for option in options if option.startswith("--")])
    cure = f"did you mean {' or '.join(near)}?" if near else f"virtory help {verb.name}"
    return Usage(f"{verb.name}: unknown option {name}", cure)


def _put(verb: Verb, values: dict[str, Any], item: Option, value: str) -> None:
    if item.kind in _MANY:
        values[item.key] = [*values[item.key], value]
        return
    if item.choices and value not in item.choices:
        article = "an" if item.name[0] in "aeiou" else "a"
        raise Usage(
            f"{verb.name}: '{value}' is not {article} {item.name}",
            f"one of {', '.join(item.choices)}",
        )
    if item.kind == NUMBER:
        try:
            values[item.key] = int(value, 0)
        except ValueError:
            raise Usage(f"{verb.name}: {item.name} must be a number, not '{value}'") from None
    else:
        values[item.key] = value


def _negative(word: str) -> bool:
    """Whether it is a number below zero, a size included: `-5`, `-10M`."""
    return word[1:2].isdigit()
