"""`doctor`: what this host has and lacks, each with its cure.

The rule kept here: the daemon looks, since it is the daemon who needs it; a lack that stops
machines from running makes the exit status 1.
"""

from __future__ import annotations

from virtory.cli.output import Output, Prose, Table, Together
from virtory.cli.verb import verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb("doctor", "host", "what this host has and lacks, and the cures")
async def doctor(terminal: Terminal) -> Output:
    """The daemon's report about its host."""
    data = await terminal.host.report()
    checks = data["checks"]
    rows = [[check["name"], check["status"], check["found"]] for check in checks]
    found: list[Output] = [Table(["Check", "Status", "Found"], rows)]
    cures = [(check["name"], check["cure"]) for check in checks if check.get("cure")]
    if together := _at_once([cure for _, cure in cures]):
        cures.append(("all packages", together))
    if cures:
        text = "".join(f"  {name}: {cure}\n" for name, cure in cures)
        found.append(Prose(f"Cures:\n{text}", cures))
    answer = Together(*found, data=data)
    if any(check["status"] == "missing" for check in checks):
        answer.status = 1
    return answer


def _at_once(cures: list[str]) -> str | None:
    """The one command that installs what several of the cures install; None: there are not two."""
    pairs = [cure.rpartition(" ") for cure in cures if cure.startswith("sudo ")]
    installs = [(do, name) for do, _, name in pairs if do.endswith((" install", " -S"))]
    packages = dict.fromkeys(name for _, name in installs)
    return f"{installs[0][0]} {' '.join(packages)}" if len(packages) > 1 else None
