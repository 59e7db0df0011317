"""`completion`: what a shell needs to complete verbs, options and names.

The rule kept here: the script holds the words; names of machines are asked of the daemon when Tab
is pressed.
"""

from __future__ import annotations

from virtory.cli.output import Output, Text
from virtory.cli.verb import argument, verb
from virtory.cli.verbs import INDEX, load
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_LISTS = {
    "domain": 'virtory "${host[@]}" list --all --name',
    "active": 'virtory "${host[@]}" list --name',
    "inactive": 'virtory "${host[@]}" list --inactive --name',
    "network": 'virtory "${host[@]}" net-list --all --name',
    "pool": 'virtory "${host[@]}" pool-list --all --name',
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


def _words() -> dict[str, tuple[list[str], str]]:
    """Verb → its options, and the command that lists what its first argument may be."""
    words = {}
    for name in sorted(INDEX):
        found = load(name)
        if found is None:
            continue
        options = [f"--{item.name}" for item in found.options if not item.positional]
        first = next((item for item in found.options if item.positional), None)
        words[name] = (options, "" if first is None else _source(first.complete, first.choices))
    return words


def _source(complete: str, choices: tuple[str, ...]) -> str:
    if choices:
        return f"echo {' '.join(choices)}"
    if complete == "file":
        return 'compgen -f -- "$word"'
    return _LISTS.get(complete, "")


def _bash() -> str:
    cases = "".join(
        f"    {name}) options='{' '.join(options)}'; names() {{ {names or ':'}; }} ;;\n"
        for name, (options, names) in _words().items()
    )
    return f"""_virtory() {{
  local line="${{COMP_LINE:0:COMP_POINT}}" words host=() word='' verb='' i options=''
  read -ra words <<< "$line"  # COMP_WORDS is no use: it takes URIs apart at their colons
  if [[ $line != *[[:space:]] ]]; then word=${{words[-1]}}; unset 'words[-1]'; fi
  for ((i = 1; i < ${{#words[@]}}; i++)); do
    case ${{words[i]}} in
      -c|--connect) host=(-c "${{words[i + 1]}}"); ((i++)) ;;
      -*) ;;
      *) verb=${{words[i]}}; break ;;
    esac
  done
  names() {{ :; }}
  case $verb in
    '') COMPREPLY=($(compgen -W '{" ".join(sorted(INDEX))} help' -- "$word")); return ;;
{cases}  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$(names 2>/dev/null)" -- "$word")) ;;
  esac
}}
complete -F _virtory virtory
"""


def _zsh() -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{_bash()}"


def _fish() -> str:
    lines = ["complete -c virtory -f"]
    for name, (options, names) in _words().items():
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
