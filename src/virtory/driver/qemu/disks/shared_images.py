"""Images that machines and snapshots need: nobody writes those that are not theirs to write.

The rule kept here: who is about to write or remove an image asks first. A machine is known to use
what its definition and its snapshots name, `<backingStore>` included, and what its QEMU has open.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtory.codec.xml_compile import escape_attribute
from virtory.driver.storage.usage import Use
from virtory.errors import OperationInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virtory.driver.qemu.table import DomainTable, Entry


def refuse_writing(table: DomainTable, entry: Entry, paths: Iterable[str]) -> None:
    """OperationInvalid when another domain than `entry` uses one of these images."""
    for path in paths:
        user = user_of(table, entry, path)
        if user is not None:
            raise OperationInvalid(
                f"'{path}' is also an image of domain '{user.name}', which writing it would damage",
                cure=f"pull it into the overlay instead (blockpull), or remove '{user.name}' first",
            )


def refuse_losing(table: DomainTable, path: str, entry: Entry | None = None) -> None:
    """OperationInvalid when a file that is to be written anew is a machine's, or a snapshot's.

    What is said of the definition of `entry` is passed over: its disk may be going back there.
    """
    for spelt in {path, os.path.realpath(path)}:
        for other in table:
            problem = _needs(other, spelt, definition=other is not entry)
            if problem is not None:
                raise OperationInvalid(
                    f"'{path}' is {problem}, which would be lost", cure="name another file"
                )


def _needs(entry: Entry, path: str, *, definition: bool) -> str | None:
    """What a file is to this machine."""
    kept = entry.snapshots.by_name.values() if entry.snapshots is not None else ()
    for each in kept:
        if _names(each.xml, path):
            return f"needed by snapshot '{each.name}' of domain '{entry.name}'"
    if entry.guest is not None and any(file.path == path for file in entry.guest.plan.files):
        return f"a file of domain '{entry.name}', which runs"
    if definition and entry.row is not None and _names(entry.row.xml, path):
        return f"a file of domain '{entry.name}'"
    return None


def uses(table: DomainTable, path: str) -> list[Use]:
    """How machines use the image at this path, which has no symbolic links.

    A disk of a machine that is off and nothing is done to is no use: it is the user's to change.
    """
    found = []
    for entry in table:
        use = _run_with(entry, path) or _defined_below(entry, path) or _kept(entry, path)
        if use is not None:
            found.append(use)
    return found


def _run_with(entry: Entry, path: str) -> Use | None:
    if entry.guest is None:
        return None
    image = next((i for i in entry.guest.plan.images if i.path == path), None)
    if image is None:
        return None
    target = image.target.rstrip("!")
    disks = entry.guest.domain.devices.disks
    disk = next((disk for disk in disks if disk.target.dev == target), None)
    return Use(
        f"domain '{entry.name}' runs with it, as {target}",
        f"shut it down (virsh shutdown {entry.name}), or take the disk from it "
        f"(virsh detach-disk {entry.name} {target}); to make it larger: "
        f"virsh blockresize {entry.name} {target} SIZE",
        medium=disk is not None and disk.is_removable,
    )


def _defined_below(entry: Entry, path: str) -> Use | None:
    """A definition that names it below a disk; or a disk of a machine that is worked on."""
    row = entry.row
    if row is None or not _names(row.xml, path):
        return None
    if entry.guest is None and entry.busy is not None:
        return Use(f"domain '{entry.name}' is just being {entry.busy}", "wait until that is done")
    for disk in entry.configuration().devices.disks:
        store = disk.backing_store
        while store is not None:
            source = store.source
            if source is not None and path in (source.file, source.dev):
                return Use(
                    f"it is below the disk {disk.target.dev} of domain '{entry.name}'",
                    f"make that independent first: virsh blockpull {entry.name} "
                    f"{disk.target.dev}, while it runs",
                )
            store = store.backing_store
    return None


def _kept(entry: Entry, path: str) -> Use | None:
    """A snapshot that needs it, beside the definition's own disks."""
    if entry.snapshots is None or (entry.row is not None and _is_disk(entry, path)):
        return None
    for kept in entry.snapshots.by_name.values():
        if _names(kept.xml, path):
            return Use(
                f"snapshot '{kept.name}' of domain '{entry.name}' needs it",
                f"delete the snapshot first: virsh snapshot-delete {entry.name} '{kept.name}'",
            )
    return None


def _is_disk(entry: Entry, path: str) -> bool:
    if entry.row is None or not _names(entry.row.xml, path):
        return False
    sources = [disk.source for disk in entry.configuration().devices.disks]
    return any(source is not None and path in (source.file, source.dev) for source in sources)


def _names(xml: str, path: str) -> bool:
    """Whether a description has this path as a value."""
    text = escape_attribute(path)
    return f"'{text}'" in xml or '"{}"'.format(text.replace("&apos;", "'")) in xml


def user_of(table: DomainTable, entry: Entry, path: str) -> Entry | None:
    """Another domain that uses this image."""
    for other in table:
        if other is entry:
            continue
        if other.guest is not None and any(i.path == path for i in other.guest.plan.images):
            return other
        if other.row is not None and _names(other.row.xml, path):
            return other
        kept = other.snapshots.by_name.values() if other.snapshots is not None else ()
        if any(_names(each.xml, path) for each in kept):
            return other
    return None
