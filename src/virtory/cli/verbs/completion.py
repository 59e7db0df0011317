"""`completion`: what a shell needs to complete verbs, options and names.

The rule kept here: the script holds the words; names of machines are asked of the daemon when Tab
is pressed.
"""

from __future__ import annotations

from virtory.cli.output import Output, Text
from virtory.cli.verb import argument, verb
from virtory.cli.verbs import INDEX, load
from virtory.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_LISTS = {
    "domain": 'virtory "${host[@]}" list --all --name',
    "active": 'virtory "${host[@]}" list --name',
    "inactive": 'virtory "${host[@]}" list --inactive --name',
    "network": 'virtory "${host[@]}" net-list --all --name',
    "pool": 'virtory "${host[@]}" pool-list --all --name',
    "snapshot": 'virtory "${host[@]}" snapshot-list "$first" --name',
    "image": 'virtory image list --json | sed -n \'s/^ *"name": "\\(.*\\)",$/\\1/p\'',
}


@verb(
    "completion",
    "virtory",
    "a completion script: source <(virtory completion bash)",
    argument("shell", "whose", choices=("bash", "zsh", "fish")),
    local=True,
)
async def completion(terminal: Terminal, shell: str) -> Output:
    """The script for the shell."""
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return Text(makers[shell]())


class _Words(NamedTuple):
    """A verb's options; the commands that list what each argument may be, and options' values."""

    options: list[str]
    arguments: list[str]
    values: dict[str, str]


def _words() -> dict[str, _Words]:
    words = {}
    for name in sorted(INDEX):
        found = load(name)
        if found is None:
            continue
        given = [item for item in found.options if not item.positional]
        arguments = [_source(one.complete, one.choices) for one in found.options if one.positional]
        while arguments and not arguments[-1]:
            arguments.pop()
        sources = {f"--{one.name}": _source(one.complete, one.choices) for one in given}
        values = {option: source for option, source in sources.items() if source}
        words[name] = _Words([f"--{one.name}" for one in given], arguments, values)
    return words


def _source(complete: str, choices: tuple[str, ...]) -> str:
    if choices:
        return f"printf '%s\\n' {' '.join(choices)}"
    if complete == "file":
        return 'compgen -f -- "$word"'
    return _LISTS.get(complete, "")


def _names(found: _Words) -> str:
    """bash: what may stand here, by the word before it and by how many arguments stand before."""
    places = [f"{number}) {source} ;;" for number, source in enumerate(found.arguments) if source]
    here = f"case $at in {' '.join(places)} esac" if places else ":"
    values = " ".join(f"{option}) {source} ;;" for option, source in found.values.items())
    return f"case $before in {values} *) {here} ;; esac;" if values else f"{here};"


def _bash() -> str:
    cases = "".join(
        f"    {name}) options='{' '.join(found.options)}'; names() {{ {_names(found)} }} ;;\n"
        for name, found in _words().items()
    )
    return f"""_virtory() {{
  local line="${{COMP_LINE:0:COMP_POINT}}" words host=() word='' verb='' i options=''
  local before='' first='' at=0 name=''
  COMPREPLY=()
  read -ra words <<< "$line"  # COMP_WORDS is no use: it takes URIs apart at their colons
  if [[ $line != *[[:space:]] ]]; then word=${{words[-1]}}; unset 'words[-1]'; fi
  for ((i = 1; i < ${{#words[@]}}; i++)); do
    case ${{words[i]}} in
      -c|--connect) host=(-c "${{words[i + 1]}}"); ((i++)) ;;
      -*) ;;
      *) verb=${{words[i]}}; break ;;
    esac
  done
  for ((i++; i < ${{#words[@]}}; i++)); do
    before=${{words[i]}}
    if [[ $before != -* ]]; then first=${{first:-$before}}; ((at++)); fi
  done
  names() {{ :; }}
  case $verb in
    ''|help) COMPREPLY=($(compgen -W '{" ".join(sorted(INDEX))} help' -- "$word")); return ;;
{cases}  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) while IFS= read -r name; do  # never by `compgen -W`: it runs what is in a name
         if [[ -n $name && $name == "$word"* ]]; then
           printf -v name %q "$name"; COMPREPLY+=("$name")
         fi
       done < <(names 2>/dev/null) ;;
  esac
}}
complete -F _virtory virtory
"""


def _zsh() -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{_bash()}"


def _fish() -> str:
    lines = ["complete -c virtory -f"]
    for name, (options, arguments, _) in _words().items():
        names = arguments[0] if arguments else ""
        found = load(name)
        summary = "" if found is None else found.help.replace("'", "")
        lines.append(f"complete -c virtory -n __fish_use_subcommand -a {name} -d '{summary}'")
        seen = f"-n '__fish_seen_subcommand_from {name}'"
        lines += [f"complete -c virtory {seen} -l {option[2:]}" for option in options]
        if names and "compgen" not in names:
            escaped = names.replace('"${host[@]}" ', "")
            escaped = escaped.replace("\\", "\\\\").replace("'", "\\'")
            lines.append(f"complete -c virtory {seen} -a '({escaped})'")
    return "\n".join(lines) + "\n"
