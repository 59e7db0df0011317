"""What is known of a domain's snapshots: lists, trees, one in detail.

The rule kept here: what a list shows of each snapshot is read from its description.
"""

from __future__ import annotations

from xml.etree import ElementTree

from virtory.cli.output import Data, Done, Field, Fields, Lines, Output, Table, Text
from virtory.cli.verb import DOMAIN, argument, flag, option, verb
from virtory.cli.xml_output import XPATH, described
from virtory.errors import SnapshotNotFound
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain
    from virtory.client.snapshot import Snapshot

NAME = argument("snapshotname", "name of a snapshot", required=False, complete="snapshot")
CURRENT = flag("current", "the current one")
_ROOTS, _DESCENDANTS, _TOPOLOGICAL = 1, 1, 0x400
_FILTERS = {
    "leaves": (4, "only those without children"),
    "no_leaves": (8, "only those with children"),
    "metadata": (2, "only those that the daemon knows"),
    "no_metadata": (0x10, "only those that it does not know"),
    "inactive": (0x20, "only those of a stopped machine"),
    "active": (0x40, "only those with memory"),
    "disk_only": (0x80, "only those of disks alone"),
    "internal": (0x100, "only those inside images"),
    "external": (0x200, "only those with files of their own"),
}


class Line(Done):
    """A message that virsh does not follow with an empty line."""

    def text(self) -> str:
        return super().text().removesuffix("\n")


async def chosen(terminal: Terminal, machine: Domain, name: str | None, current: bool) -> Snapshot:
    """The snapshot that the user means: by name, or the current one."""
    from virtory.cli.parse import Usage

    if current and name is not None:
        raise Usage("--current and --snapshotname are mutually exclusive", "give one of them")
    if name is not None:
        try:
            return await machine.snapshot(name)
        except SnapshotNotFound as error:
            error.cure = error.cure or await _meant(machine, name)
            raise
    if not current:
        raise Usage("--snapshotname or --current is required", "name a snapshot")
    return await machine.current_snapshot()


async def _meant(machine: Domain, name: str) -> str:
    from virtory.cli.manual import meant

    names = [one.name for one in await machine.snapshots()]
    if not names:
        return f"there is none: take one with 'virtory snapshot {machine.name}'"
    return meant(name, names, f"'virtory snapshots {machine.name}'")


class _Known:
    """A snapshot with what its description says."""

    def __init__(self, snapshot: Snapshot, xml: str) -> None:
        self.snapshot = snapshot
        self.name = snapshot.name
        root = ElementTree.fromstring(xml)
        self.parent = root.findtext("parent/name")
        self.state = root.findtext("state") or "unknown"
        self.time = int(root.findtext("creationTime") or 0)
        memory = root.find("memory")
        kinds = [disk.get("snapshot") for disk in root.iterfind("disks/disk")]
        outside = memory is not None and memory.get("snapshot") == "external"
        self.location = "external" if outside or "external" in kinds else "internal"

    @property
    def when(self) -> str:
        """Local time, as virsh prints it."""
        import time

        return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(self.time))


async def known(snapshot: Snapshot) -> _Known:
    """The snapshot with what its description says."""
    return _Known(snapshot, await snapshot.xml())


@verb(
    "snapshot-list",
    "snapshot",
    "a domain's snapshots",
    DOMAIN,
    flag("parent", "show parents"),
    flag("roots", "only those without parents"),
    *(flag(name.replace("_", "-"), words) for name, (_, words) in _FILTERS.items()),
    flag("tree", "as a tree"),
    option("from", "only those below this one"),
    flag("current", "only those below the current one"),
    flag("descendants", "below it all the way"),
    flag("name", "names only"),
    flag("topological", "parents before children, not by name"),
)
async def snapshot_list(terminal: Terminal, domain: str, **given: Any) -> Output:
    """`virsh snapshot-list`."""
    machine = await terminal.domain(domain)
    flags = _ROOTS if given["roots"] else 0
    for name, (bit, _) in _FILTERS.items():
        flags |= bit * given[name]
    flags |= _TOPOLOGICAL * given["topological"]
    top = await _top(machine, given)
    if top is None:
        found = await machine.snapshots(flags=flags)
    else:
        deep = given["descendants"] or given["tree"]
        found = await top.children(descendants=deep, flags=flags)
    if not given["topological"]:
        found = sorted(found, key=lambda one: one.name)
    if given["name"] and not given["tree"]:
        return Lines([one.name for one in found])
    rows = [await known(one) for one in found]
    if given["tree"]:
        return _tree(rows, None if top is None else await known(top))
    return _table(rows, parents=given["parent"])


async def _top(machine: Domain, given: dict[str, Any]) -> Snapshot | None:
    if given["from_"] is not None:
        return await machine.snapshot(given["from_"])
    return await machine.current_snapshot() if given["current"] else None


def _table(rows: list[_Known], *, parents: bool) -> Output:
    columns = ["Name", "Creation Time", "State", *(["Parent"] if parents else [])]
    cells = [[r.name, r.when, r.state, *([r.parent or ""] if parents else [])] for r in rows]
    raw = [
        {"name": r.name, "creation_time": r.time, "state": r.state, "parent": r.parent}
        for r in rows
    ]
    return Table(columns, cells, raw=raw)


def _tree(rows: list[_Known], top: _Known | None) -> Output:
    known_names = {row.name for row in rows} | ({top.name} if top is not None else set())
    below: dict[str | None, list[str]] = {}
    for row in sorted(rows, key=lambda row: row.name):
        parent = row.parent if row.parent in known_names else None
        below.setdefault(parent, []).append(row.name)
    roots = [top.name] if top is not None else below.get(None, [])
    lines: list[str] = []
    for root in roots:
        lines += [root, *_branch(root, below, "", is_last=True)]
    nested = [_nested(root, below) for root in roots]
    return Data("\n".join([*lines, ""]) + "\n", nested)


@verb("snapshots", "snapshot", "a domain's snapshots, as a tree", DOMAIN)
async def snapshots(terminal: Terminal, domain: str) -> Output:
    """All of a domain's snapshots, each below the one it was taken after."""
    machine = await terminal.domain(domain)
    return _tree([await known(one) for one in await machine.snapshots()], None)


def _branch(
    name: str, below: dict[str | None, list[str]], indent: str, *, is_last: bool
) -> list[str]:
    """The lines below one snapshot, in virsh's drawing."""
    children = below.get(name, [])
    if not children:
        return [indent] if is_last else []
    lines = [f"{indent}  |"]
    for child in children:
        last = child == children[-1]
        lines.append(f"{indent}  +- {child}")
        lines += _branch(child, below, indent + ("    " if last else "  | "), is_last=last)
    return lines


def _nested(name: str, below: dict[str | None, list[str]]) -> dict[str, Any]:
    return {"name": name, "children": [_nested(child, below) for child in below.get(name, [])]}


@verb("snapshot-info", "snapshot", "one snapshot", DOMAIN, NAME, CURRENT)
async def snapshot_info(
    terminal: Terminal, domain: str, snapshotname: str | None, current: bool
) -> Output:
    """`virsh snapshot-info`."""
    machine = await terminal.domain(domain)
    snapshot = await chosen(terminal, machine, snapshotname, current)
    row = await known(snapshot)
    is_current = await snapshot.is_current()
    children = len(await snapshot.children())
    descendants = len(await snapshot.children(descendants=True))
    fields = [
        Field("Name", row.name, "name"),
        Field("Domain", machine.name, "domain"),
        Field("Current", "yes" if is_current else "no", "current", is_current),
        Field("State", row.state, "state"),
        Field("Location", row.location, "location"),
        Field("Parent", row.parent or "-", "parent", row.parent),
        Field("Children", str(children), "children", children),
        Field("Descendants", str(descendants), "descendants", descendants),
        Field("Metadata", "yes", "metadata", True),
    ]
    return Fields(fields)


@verb(
    "snapshot-dumpxml",
    "snapshot",
    "a snapshot's description",
    DOMAIN,
    argument("snapshotname", "name of a snapshot"),
    flag("security-info", "with passwords"),
    *XPATH,
)
async def snapshot_dumpxml(
    terminal: Terminal,
    domain: str,
    snapshotname: str,
    security_info: bool,
    xpath: str | None,
    wrap: bool,
) -> Output:
    """`virsh snapshot-dumpxml`."""
    machine = await terminal.domain(domain)
    snapshot = await machine.snapshot(snapshotname)
    return described(await snapshot.xml(secure=security_info), xpath, wrap)


@verb(
    "snapshot-current",
    "snapshot",
    "the snapshot that a domain stems from",
    DOMAIN,
    NAME,
    flag("name", "its name only"),
    flag("security-info", "with passwords"),
)
async def snapshot_current(
    terminal: Terminal, domain: str, snapshotname: str | None, name: bool, security_info: bool
) -> Output:
    """`virsh snapshot-current`: with a name, that one is made current."""
    machine = await terminal.domain(domain)
    if snapshotname is not None:
        xml = await (await machine.snapshot(snapshotname)).xml(secure=True)
        await machine.create_snapshot(xml, flags=3)
        return Line(f"Snapshot {snapshotname} set as current", name=snapshotname)
    try:
        snapshot = await machine.current_snapshot()
    except SnapshotNotFound:
        raise SnapshotNotFound(
            f"domain '{machine.name}' has no current snapshot", cure="take one"
        ) from None
    if name:
        return Text(snapshot.name, key="name")
    return described(await snapshot.xml(secure=security_info), None, False)


@verb("snapshot-parent", "snapshot", "what a snapshot was taken after", DOMAIN, NAME, CURRENT)
async def snapshot_parent(
    terminal: Terminal, domain: str, snapshotname: str | None, current: bool
) -> Output:
    """`virsh snapshot-parent`."""
    machine = await terminal.domain(domain)
    snapshot = await chosen(terminal, machine, snapshotname, current)
    return Text((await snapshot.parent()).name, key="name")
