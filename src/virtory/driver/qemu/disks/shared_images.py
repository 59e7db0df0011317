"""Images that more than one machine stands on, as linked clones do: nobody may write them.

The rule kept here: who is about to write or remove an image asks first. A machine is known to use
what its definition names, `<backingStore>` included, and what its QEMU has open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

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


def user_of(table: DomainTable, entry: Entry, path: str) -> Entry | None:
    """Another domain that uses this image."""
    text = escape(path, {"'": "&apos;"})
    quoted = (f"'{text}'", f'"{escape(path)}"')
    for other in table:
        if other is entry:
            continue
        if other.guest is not None and any(i.path == path for i in other.guest.plan.images):
            return other
        if other.row is not None and any(each in other.row.xml for each in quoted):
            return other
    return None
