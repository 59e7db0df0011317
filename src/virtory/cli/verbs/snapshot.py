"""Taking snapshots, going back to them, deleting them.

The rule kept here: virsh's verbs say what virsh says; `snapshot` and `revert` are for people.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from virtory.cli.output import Done, Output, Text
from virtory.cli.verb import DOMAIN, argument, flag, option, verb
from virtory.cli.verbs.snapshot_list import CURRENT, NAME, Line, chosen
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain
    from virtory.client.snapshot import Snapshot

_REDEFINE, _MAKE_CURRENT = 1, 2
_TAKING = {
    "no_metadata": (4, "the daemon forgets it at once"),
    "halt": (8, "end the machine once it is taken"),
    "disk_only": (0x10, "of the disks alone, beside them"),
    "reuse_external": (0x20, "use image files that are there"),
    "quiesce": (0x40, "freeze the guest's file systems meanwhile"),
    "atomic": (0x80, "all or nothing (always so)"),
    "live": (0x100, "let the machine run while its memory is saved"),
    "validate": (0x200, "check the description first"),
}
_TAKING_FLAGS = tuple(flag(name.replace("_", "-"), words) for name, (_, words) in _TAKING.items())


def _flags(given: dict[str, Any]) -> int:
    return sum(bit for name, (bit, _) in _TAKING.items() if given[name])


@verb(
    "snapshot-create",
    "snapshot",
    "take a snapshot as a file describes it",
    DOMAIN,
    argument("xmlfile", "a snapshot's XML", required=False, complete="file"),
    flag("redefine", "put a description back; nothing is taken"),
    flag("current", "with --redefine: it is the current one"),
    *_TAKING_FLAGS,
    loop=True,
)
async def snapshot_create(
    terminal: Terminal,
    domain: str,
    xmlfile: str | None,
    redefine: bool,
    current: bool,
    **given: Any,
) -> Output:
    """`virsh snapshot-create`."""
    from virtory.cli.files import text_of

    machine = await terminal.domain(domain)
    xml = "<domainsnapshot/>" if xmlfile is None else text_of(xmlfile)
    flags = _flags(given) | redefine * _REDEFINE | current * _MAKE_CURRENT
    snapshot = await _watched(terminal, machine, xml, flags)
    origin = f" from '{xmlfile}'" if xmlfile is not None else ""
    return Line(f"Domain snapshot {snapshot.name} created{origin}", name=snapshot.name)


@verb(
    "snapshot-create-as",
    "snapshot",
    "take a snapshot",
    DOMAIN,
    argument("name", "its name", required=False),
    argument("description", "what it is for", required=False),
    flag("print-xml", "show the description only"),
    *_TAKING_FLAGS,
    option("memspec", "[file=]path[,snapshot=kind] of the memory"),
    argument(
        "diskspec",
        "disk[,snapshot=kind][,driver=type][,stype=type][,file=path]",
        required=False,
        kind="words",
    ),
    loop=True,
)
async def snapshot_create_as(
    terminal: Terminal,
    domain: str,
    name: str | None,
    description: str | None,
    print_xml: bool,
    memspec: str | None,
    diskspec: list[str],
    **given: Any,
) -> Output:
    """`virsh snapshot-create-as`."""
    machine = await terminal.domain(domain)
    xml = _description(name, description, memspec, diskspec)
    if print_xml:
        return Text(f"{xml}\n\n", key="xml")
    snapshot = await _watched(terminal, machine, xml, _flags(given))
    return Line(f"Domain snapshot {snapshot.name} created", name=snapshot.name)


async def _watched(terminal: Terminal, machine: Domain, xml: str, flags: int) -> Snapshot:
    from virtory.cli.memory_jobs import watched

    return await watched(terminal, machine, "Snapshot", machine.create_snapshot(xml, flags=flags))


def _description(
    name: str | None, description: str | None, memspec: str | None, diskspec: list[str]
) -> str:
    lines = ["<domainsnapshot>"]
    if name is not None:
        lines.append(f"  <name>{escape(name)}</name>")
    if description is not None:
        lines.append(f"  <description>{escape(description)}</description>")
    if memspec is not None:
        lines.append(_memory(memspec))
    if diskspec:
        lines += ["  <disks>", *(_disk(spec) for spec in diskspec), "  </disks>"]
    return "\n".join([*lines, "</domainsnapshot>"])


def _parts(spec: str, allowed: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The first word and the `key=value` pairs after it; a doubled comma is a comma."""
    from virtory.cli.parse import Usage

    first, *others = spec.replace(",,", "\0").split(",")
    pairs: dict[str, str] = {}
    for other in others:
        key, equals, value = other.partition("=")
        if not equals or key not in allowed:
            raise Usage(f"'{other}' is not understood", f"one of {', '.join(allowed)}, with =")
        pairs[key] = value.replace("\0", ",")
    return first.replace("\0", ","), pairs


def _quoted(text: str) -> str:
    return "'" + escape(text, {"'": "&apos;"}) + "'"


def _memory(spec: str) -> str:
    first, pairs = _parts(spec, ("file", "snapshot"))
    file = pairs.get("file") or first.removeprefix("file=")
    kind = f" snapshot={_quoted(pairs['snapshot'])}" if "snapshot" in pairs else ""
    return f"  <memory{kind} file={_quoted(file)}/>"


def _disk(spec: str) -> str:
    name, pairs = _parts(spec, ("snapshot", "driver", "stype", "file"))
    kind = f" snapshot={_quoted(pairs['snapshot'])}" if "snapshot" in pairs else ""
    stype = pairs.get("stype")
    if stype is not None:
        kind += f" type={_quoted(stype)}"
    head = f"    <disk name={_quoted(name)}{kind}"
    inner = []
    if "driver" in pairs:
        inner.append(f"      <driver type={_quoted(pairs['driver'])}/>")
    if "file" in pairs:
        where = "dev" if stype == "block" else "file"
        inner.append(f"      <source {where}={_quoted(pairs['file'])}/>")
    return "\n".join([f"{head}>", *inner, "    </disk>"]) if inner else f"{head}/>"


# -- back and away ---------------------------------------------------------------------------


@verb(
    "snapshot-revert",
    "snapshot",
    "make a domain as a snapshot has it; what came since is lost",
    DOMAIN,
    NAME,
    CURRENT,
    flag("running", "let it run afterwards"),
    flag("paused", "keep it paused afterwards"),
    flag("force", "even where it is risky"),
    flag("reset-nvram", "with fresh UEFI variables"),
)
async def snapshot_revert(
    terminal: Terminal,
    domain: str,
    snapshotname: str | None,
    current: bool,
    running: bool,
    paused: bool,
    force: bool,
    reset_nvram: bool,
) -> Output:
    """`virsh snapshot-revert`."""
    machine = await terminal.domain(domain)
    snapshot = await chosen(terminal, machine, snapshotname, current)
    flags = force << 2 | reset_nvram << 3
    await snapshot.revert(running=running, paused=paused, flags=flags)
    return Done(f"Domain snapshot {snapshot.name} reverted", name=snapshot.name)


@verb(
    "snapshot-delete",
    "snapshot",
    "delete a snapshot; what the machine is now stays",
    DOMAIN,
    NAME,
    CURRENT,
    flag("children", "and all below it"),
    flag("children-only", "only those below it"),
    flag("metadata", "only what the daemon knows; the data stays"),
)
async def snapshot_delete(
    terminal: Terminal,
    domain: str,
    snapshotname: str | None,
    current: bool,
    children: bool,
    children_only: bool,
    metadata: bool,
) -> Output:
    """`virsh snapshot-delete`."""
    machine = await terminal.domain(domain)
    snapshot = await chosen(terminal, machine, snapshotname, current)
    await snapshot.delete(children=children, metadata_only=metadata, flags=children_only << 2)
    what = "children deleted" if children_only else "deleted"
    return Done(f"Domain snapshot {snapshot.name} {what}", name=snapshot.name)


@verb(
    "snapshot-edit",
    "snapshot",
    "change a snapshot's description in an editor",
    DOMAIN,
    NAME,
    CURRENT,
    flag("rename", "it may get another name"),
    flag("clone", "a copy of it may get another name"),
)
async def snapshot_edit(
    terminal: Terminal,
    domain: str,
    snapshotname: str | None,
    current: bool,
    rename: bool,
    clone: bool,
) -> Output:
    """`virsh snapshot-edit`."""
    from virtory.cli.editor import edited
    from virtory.cli.parse import Usage

    machine = await terminal.domain(domain)
    snapshot = await chosen(terminal, machine, snapshotname, current and snapshotname is None)
    before = await snapshot.xml(secure=True)
    after = edited(before, suffix=".xml")
    if after.strip() == before.strip():
        return Line(f"Snapshot {snapshot.name} XML configuration not changed.", name=snapshot.name)
    flags = _REDEFINE | current * _MAKE_CURRENT
    made = await machine.create_snapshot(after, flags=flags)
    if made.name != snapshot.name:
        if not rename and not clone:
            await made.delete(metadata_only=True)
            raise Usage("the name was changed", "say what is meant: --rename or --clone")
        if rename:
            await snapshot.delete(metadata_only=True)
    return Line(f"Snapshot {made.name} edited.", name=made.name)


# -- for people ------------------------------------------------------------------------------


@verb(
    "snapshot",
    "snapshot",
    "take a snapshot, to which 'revert' goes back",
    DOMAIN,
    argument("name", "its name; the time, such as 2026-11-25_17-30-00, by default", required=False),
    option("description", "what it is for"),
    flag("disks", "of the disks alone, in new files; the machine is not stopped"),
    loop=True,
)
async def snapshot(
    terminal: Terminal, domain: str, name: str | None, description: str | None, disks: bool
) -> Output:
    """Take a snapshot, and say how to go back to it."""
    import time

    machine = await terminal.domain(domain)
    if not name:
        name = time.strftime("%Y-%m-%d_%H-%M-%S")
    terminal.say(f"Taking snapshot '{name}' of '{machine.name}' …")
    began = time.monotonic()
    xml = _description(name, description, None, [])
    flags = _TAKING["disk_only"][0] if disks else 0
    made = await _watched(terminal, machine, xml, flags)
    return _taken(machine, made.name, time.monotonic() - began)


def _taken(machine: Domain, name: str, seconds: float) -> Output:
    import shlex

    text = f"Snapshot '{name}' of '{machine.name}' is taken. Back to it: "
    names = shlex.join([machine.name, name])
    back = f"virtory revert {'-- ' if name.startswith('-') else ''}{names}"
    return Line(f"{text}{back}", name=name, seconds=round(seconds, 3), back=back)


@verb(
    "revert",
    "snapshot",
    "make a domain as a snapshot has it; what came since is lost",
    DOMAIN,
    NAME,
    CURRENT,
    flag("running", "let it run afterwards"),
    flag("paused", "keep it paused afterwards"),
)
async def revert(
    terminal: Terminal,
    domain: str,
    snapshotname: str | None,
    current: bool,
    running: bool,
    paused: bool,
) -> Output:
    """Go back, to the current snapshot when none is named, and say what the machine is now."""
    import time

    from virtory.cli import words

    machine = await terminal.domain(domain)
    found = await chosen(terminal, machine, snapshotname, current or snapshotname is None)
    terminal.say(f"Taking '{machine.name}' back to snapshot '{found.name}' …")
    began = time.monotonic()
    with terminal.if_broken_off("the daemon finishes the way back"):
        await found.revert(running=running, paused=paused)
    machine = await terminal.domain(domain)
    now = words.state((await machine.state()).state)
    return Line(
        f"'{machine.name}' is as snapshot '{found.name}' has it: {now}",
        name=machine.name,
        snapshot=found.name,
        state=now,
        seconds=round(time.monotonic() - began, 3),
    )
