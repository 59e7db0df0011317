"""Secrets that the daemon keeps.

The rule kept here: words and columns are virsh's; a value is never shown unasked.
"""

from __future__ import annotations

from virtory.cli.output import Output, Table
from virtory.cli.verb import flag, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_USAGES = ("none", "volume", "ceph", "iscsi", "tls", "vtpm")
_LISTS = {"ephemeral": 1, "no-ephemeral": 2, "private": 4, "no-private": 8}


@verb("secret-list", "host", "the secrets", *(flag(name, f"{name} ones") for name in _LISTS))
async def secret_list(terminal: Terminal, **given: bool) -> Output:
    """`virsh secret-list`."""
    flags = sum(bit for name, bit in _LISTS.items() if given[name.replace("-", "_")])
    found = await terminal.host.list_secrets(flags=flags)
    rows = []
    for one in sorted(found, key=lambda one: one.uuid):
        kind = _USAGES[one.usage_type] if one.usage_type < len(_USAGES) else str(one.usage_type)
        rows.append([one.uuid, f"{kind} {one.usage}" if one.usage_type else "Unused"])
    return Table(["UUID", "Usage"], rows)
