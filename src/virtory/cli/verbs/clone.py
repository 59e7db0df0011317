"""`clone`: another machine with the disks of one, whole or linked.

The rule kept here: the new machine's name comes first among what is said, and what it still shares
with the original is said too.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.flags import DomainClone

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb(
    "clone",
    "machine",
    "make another machine with the disks of one, running or not",
    argument("original", "the machine to clone", required=True, complete="domain"),
    argument("name", "the new machine's name", required=True),
    flag("linked", "share the disks as they are now; each writes to an overlay of its own"),
    option("file", "TARGET=PATH of a disk, several with commas; beside the original by default"),
    option("mac", "MAC addresses of its network cards in order, with commas; new by default"),
    option("hostname", "its name for itself (default: its name); of machines made by create"),
    option("reflink", "share blocks of the file system", choices=("auto", "always", "never")),
    option("nonsparse", "holes: kept, or filled with zeros", choices=("no", "yes")),
    flag("start", "start it at once"),
    loop=True,
)
async def clone(terminal: Terminal, original: str, name: str, **given: Any) -> Output:
    """Clone, and say where its disks are."""
    from virtory.cli.machines import said
    from virtory.provision.clone import Wanted
    from virtory.provision.clone import clone as make

    origin = (await terminal.domain(original)).name
    wanted = Wanted(
        name=name,
        hostname=given["hostname"],
        files=_files(given["file_"]),
        macs=[word for word in (given["mac"] or "").split(",") if word],
        flags=_flags(given),
    )
    with terminal.if_broken_off(f"'{name}' was not made, and nothing of it is left"):
        done = await make(terminal.host, origin, wanted, report=lambda one: said(terminal, one))
    for target, path in done.files.items():
        terminal.say(f"  {target} is {path}")
    for sentence in done.kept:
        terminal.say(f"  it keeps {sentence}")
    if wanted.linked:
        terminal.say(
            f"  '{origin}' and '{name}' stand on the same images now: remove neither's by hand"
        )
    if given["start"]:
        await done.domain.start()
    return Done(
        f"Machine '{name}' cloned from '{origin}'",
        name=name,
        uuid=str(done.domain.uuid),
        original=origin,
        disks=done.files,
        linked=wanted.linked,
    )


def _flags(given: dict[str, Any]) -> int:
    flags = DomainClone.LINKED if given["linked"] else 0
    flags |= {"always": DomainClone.REFLINK, "never": DomainClone.NO_REFLINK}.get(
        given["reflink"] or "", 0
    )
    return flags | (DomainClone.NO_HOLES if given["nonsparse"] == "yes" else 0)


def _files(text: str | None) -> dict[str, str]:
    files: dict[str, str] = {}
    for word in (text or "").split(","):
        target, equals, path = word.partition("=")
        if not word:
            continue
        if not equals:
            target, path = "vda", word
        if not path or not target or not (equals or "/" in path or "." in path):
            from virtory.cli.parse import Usage

            raise Usage(f"clone: '{word}' names no file for a disk", "write vda=/path/of/a.qcow2")
        files[target] = path
    return files
