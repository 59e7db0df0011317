"""The snapshots of one domain: which was taken after which, which one the machine stems from.

The rule kept here: pure. Descriptions stay text until somebody wants to see inside; what lists and
filters need stands beside them, in the row's JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from virtory.driver.store import ForgetObject, ObjectRow
from virtory.errors import SnapshotNotFound
from virtory.model.snapshot_flags import SnapshotList as List

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.driver.store import Change

KIND, CURRENT = "snapshot", "current snapshot"


class Kept(NamedTuple):
    """One snapshot; `xml` says neither its parent nor whether it is current.

    `files` is what the driver keeps beside the description: file names, by what they are for.
    """

    name: str
    parent: str | None
    state: str
    time: int
    external: bool
    xml: str
    files: dict[str, Any]

    def row(self, uuid: bytes) -> ObjectRow:
        """What the store keeps of it."""
        extra = {
            "parent": self.parent,
            "state": self.state,
            "time": self.time,
            "external": self.external,
            "files": self.files,
        }
        return ObjectRow(KIND, _key(uuid, self.name), self.name, self.xml, json.dumps(extra))

    @classmethod
    def of_row(cls, row: ObjectRow) -> Kept:
        """What the store kept; ValueError when it can not be understood."""
        try:
            extra = dict(json.loads(row.extra))
            return cls(
                row.name,
                extra.get("parent"),
                str(extra["state"]),
                int(extra["time"]),
                bool(extra["external"]),
                row.xml,
                dict(extra.get("files", {})),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


def _key(uuid: bytes, name: str) -> bytes:
    return uuid + name.encode()


class Family:
    """All snapshots of one domain, in the order in which they were taken."""

    def __init__(self, uuid: bytes) -> None:
        self.uuid = uuid
        self.by_name: dict[str, Kept] = {}
        self.current: str | None = None

    def __len__(self) -> int:
        return len(self.by_name)

    def get(self, name: str) -> Kept:
        """Raises SnapshotNotFound."""
        kept = self.by_name.get(name)
        if kept is None:
            raise SnapshotNotFound(f"no domain snapshot with matching name '{name}'")
        return kept

    def parent(self, name: str) -> str:
        """Raises SnapshotNotFound for a root."""
        parent = self.get(name).parent
        if parent is None:
            raise SnapshotNotFound(f"snapshot '{name}' does not have a parent")
        return parent

    def children(self, name: str | None) -> list[Kept]:
        """Those taken right after it; None: the roots."""
        return [kept for kept in self.by_name.values() if kept.parent == name]

    def descendants(self, name: str | None) -> list[Kept]:
        """All that were taken after it, parents before children."""
        children: dict[str | None, list[Kept]] = {}
        for kept in self.by_name.values():
            children.setdefault(kept.parent, []).append(kept)
        found: list[Kept] = []
        waiting = children.get(name, [])[::-1]
        while waiting:
            found.append(waiting.pop())
            waiting += children.get(found[-1].name, [])[::-1]
        return found

    def select(self, flags: int, below: str | None = None) -> list[Kept]:
        """What the list flags let through: of one snapshot's children, or of all."""
        if below is not None:
            self.get(below)
            deep = bool(flags & List.DESCENDANTS)
            found = self.descendants(below) if deep else self.children(below)
        elif flags & List.ROOTS:
            found = self.children(None)
        elif flags & List.TOPOLOGICAL:
            found = self.descendants(None)
        else:
            found = list(self.by_name.values())
        if not flags & ~(List.ROOTS | List.METADATA | List.TOPOLOGICAL):
            return found
        parents = {kept.parent for kept in self.by_name.values()}
        return [kept for kept in found if _passes(kept, flags, kept.name in parents)]

    # -- changes -------------------------------------------------------------------------------
    def put(self, kept: Kept, *, current: bool) -> list[Change]:
        """Take it in, in place of one of the same name; what the store must then save."""
        self.by_name[kept.name] = kept
        changes: list[Change] = [kept.row(self.uuid)]
        return changes + (self.mark(kept.name) if current else [])

    def mark(self, name: str | None) -> list[Change]:
        """Which one the machine stems from."""
        self.current = name
        if name is None:
            return [ForgetObject(CURRENT, self.uuid)]
        return [ObjectRow(CURRENT, self.uuid, name, "")]

    def remove(self, names: Iterable[str]) -> list[Change]:
        """Let them go; their children become those of the nearest ancestor that stays.

        One that is not there any more went with its domain while its images were worked on.
        """
        gone = {name: self.by_name[name].parent for name in names if name in self.by_name}

        def heir(name: str | None) -> str | None:
            while name in gone:
                name = gone[name]
            return name

        changes: list[Change] = [ForgetObject(KIND, _key(self.uuid, name)) for name in gone]
        if self.current in gone:
            changes += self.mark(heir(self.current))
        for name in gone:
            del self.by_name[name]
        for kept in list(self.by_name.values()):
            if kept.parent in gone:
                changes += self.put(kept._replace(parent=heir(kept.parent)), current=False)
        return changes

    def forget(self) -> list[Change]:
        """What makes the store forget them all."""
        gone: list[Change] = [ForgetObject(KIND, _key(self.uuid, n)) for n in self.by_name]
        return [*gone, ForgetObject(CURRENT, self.uuid)] if gone else []


def _passes(kept: Kept, flags: int, has_children: bool) -> bool:
    """Within a group any bit lets through; every group that has a bit set must."""
    groups = (
        ((List.METADATA, True), (List.NO_METADATA, False)),
        ((List.LEAVES, not has_children), (List.NO_LEAVES, has_children)),
        (
            (List.INACTIVE, kept.state == "shutoff"),
            (List.ACTIVE, kept.state not in ("shutoff", "disk-snapshot")),
            (List.DISK_ONLY, kept.state == "disk-snapshot"),
        ),
        ((List.INTERNAL, not kept.external), (List.EXTERNAL, kept.external)),
    )
    for group in groups:
        wanted = [is_so for bit, is_so in group if flags & bit]
        if wanted and not any(wanted):
            return False
    return True


def families(rows: Iterable[ObjectRow]) -> tuple[dict[bytes, Family], list[str]]:
    """The snapshots in the store by domain, and what could not be understood."""
    found: dict[bytes, Family] = {}
    marks: dict[bytes, str] = {}
    kept: list[tuple[bytes, Kept]] = []
    problems: list[str] = []
    for row in rows:
        if row.kind == CURRENT:
            marks[row.key] = row.name
        elif row.kind == KIND:
            try:
                kept.append((row.key[:16], Kept.of_row(row)))
            except ValueError as error:
                problems.append(f"snapshot '{row.name}' is damaged: {error}")
    for uuid, each in sorted(kept, key=lambda pair: pair[1].time):
        found.setdefault(uuid, Family(uuid)).by_name[each.name] = each
    for uuid, family in found.items():
        for each in family.by_name.values():
            if each.parent not in family.by_name:  # it is a root, or its parent was damaged
                family.by_name[each.name] = each._replace(parent=None)
        mark = marks.get(uuid)
        family.current = mark if mark in family.by_name else None
    return found, problems


def shown(kept: Kept, *, secure: bool) -> str:
    """The description as clients get it; with passwords only if `secure`."""
    from dataclasses import replace

    from virtory.model.domain import without_secrets
    from virtory.model.snapshot import Parent, format_snapshot, parse_snapshot

    snapshot = parse_snapshot(kept.xml, lenient=True)
    parent = Parent(name=kept.parent) if kept.parent is not None else None
    snapshot = replace(snapshot, parent=parent)
    domain, inactive = snapshot.domain, snapshot.inactive_domain
    if not secure:
        domain = without_secrets(domain) if domain is not None else None
        inactive = without_secrets(inactive) if inactive is not None else None
        snapshot = replace(snapshot, domain=domain, inactive_domain=inactive)
    return format_snapshot(snapshot)
