"""Network filters and where they are in force.

The rule kept here: words and columns are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Output, Table
from virtory.cli.verb import verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb("nwfilter-list", "host", "the network filters")
async def nwfilter_list(terminal: Terminal) -> Output:
    """`virsh nwfilter-list`."""
    found = await terminal.host.list_nwfilters()
    rows = sorted([one.uuid, one.name] for one in found)
    return Table(["UUID", "Name"], rows)


@verb("nwfilter-binding-list", "host", "the network filters in force")
async def nwfilter_binding_list(terminal: Terminal) -> Output:
    """`virsh nwfilter-binding-list`."""
    found = await terminal.host.list_nwfilter_bindings()
    rows = sorted([one.port, one.filter_name] for one in found)
    return Table(["Port Dev", "Filter"], rows)
