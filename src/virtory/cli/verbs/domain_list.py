"""`list`: the domains there are.

The rule kept here: one call for the list; further calls only for columns that need them.
"""

from __future__ import annotations

from virtory.cli.output import Data, Lines, Output, Table
from virtory.cli.verb import flag, verb
from virtory.cli.words import state
from virtory.errors import MetadataNotFound
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.flags import ConnectListDomains as F

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

_FILTERS = {
    "persistent": (F.PERSISTENT, "only persistent ones"),
    "transient": (F.TRANSIENT, "only transient ones"),
    "state_running": (F.RUNNING, "only running ones"),
    "state_paused": (F.PAUSED, "only paused ones"),
    "state_shutoff": (F.SHUTOFF, "only those shut off"),
    "state_other": (F.OTHER, "only those in another state"),
    "autostart": (F.AUTOSTART, "only those that start with the daemon"),
    "no_autostart": (F.NO_AUTOSTART, "only those that do not"),
    "with_snapshot": (F.HAS_SNAPSHOT, "only those with snapshots"),
    "without_snapshot": (F.NO_SNAPSHOT, "only those without"),
    "with_checkpoint": (F.HAS_CHECKPOINT, "only those with checkpoints"),
    "without_checkpoint": (F.NO_CHECKPOINT, "only those without"),
    "with_managed_save": (F.MANAGEDSAVE, "only those with a managed save"),
    "without_managed_save": (F.NO_MANAGEDSAVE, "only those without"),
}


@verb(
    "list",
    "domain",
    "list domains: the running ones, or all",
    flag("inactive", "only those that are off"),
    flag("all", "running or not"),
    *(flag(name.replace("_", "-"), words) for name, (_, words) in _FILTERS.items()),
    flag("uuid", "UUIDs only"),
    flag("name", "names only"),
    flag("id", "ids only"),
    flag("table", "a table (the default)"),
    flag("managed-save", "mark those with a managed save"),
    flag("title", "show titles"),
)
async def list_(terminal: Terminal, **given: Any) -> Output:
    """`virsh list`."""
    flags = 0 if given["all_"] else F.INACTIVE if given["inactive"] else F.ACTIVE
    chosen = [bit for name, (bit, _) in _FILTERS.items() if given[name]]
    by_state = F.RUNNING | F.PAUSED | F.SHUTOFF | F.OTHER
    if any(bit & by_state for bit in chosen) and not given["inactive"]:
        flags = 0
    for bit in chosen:
        flags |= bit
    domains = sorted(await terminal.host.list_domains(flags=flags), key=_order)
    if given["name"] or given["uuid"] or given["id_"]:
        return _plain(domains, given)
    rows: list[list[Any]] = []
    raw: list[dict[str, Any]] = []
    for domain in domains:
        number = (await domain.state()).state
        shown = state(number)
        if given["managed_save"] and domain.id is None and await domain.has_managed_save():
            shown = "saved"
        row = [domain.id, domain.name, shown]
        data = {"id": domain.id, "name": domain.name, "state": shown, "uuid": domain.uuid}
        if given["title"]:
            row.append(await _title(domain))
            data["title"] = row[-1]
        rows.append(row)
        raw.append(data)
    return Table(["Id", "Name", "State", *(["Title"] if given["title"] else [])], rows, raw=raw)


def _order(domain: Domain) -> tuple[bool, int, str]:
    return domain.id is None, domain.id or 0, domain.name


def _plain(domains: list[Domain], given: dict[str, Any]) -> Output:
    columns = [
        *(["id"] if given["id_"] else []),
        *(["uuid"] if given["uuid"] else []),
        *(["name"] if given["name"] else []),
    ]
    values = [[getattr(domain, column) for column in columns] for domain in domains]
    if len(columns) == 1:  # a domain that is off has no id to list
        return Lines([str(row[0]) for row in values if row[0] is not None])
    text = "".join(_joined(row) for row in values) + "\n"
    return Data(text, [dict(zip(columns, row, strict=True)) for row in values])


def _joined(row: list[Any]) -> str:
    return " ".join("-" if cell is None else str(cell) for cell in row) + "\n"


async def _title(domain: Domain) -> str:
    try:
        return await domain.title()
    except MetadataNotFound:
        return ""
