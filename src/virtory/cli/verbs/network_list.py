"""Networks: which there are, what they are, and who has which address.

The rule kept here: columns and labels are virsh's.
"""

from __future__ import annotations

from virtory.cli.network_words import NETWORK, named
from virtory.cli.output import Field, Fields, Lines, Output, Table, Text
from virtory.cli.verb import argument, flag, verb
from virtory.errors import VirtoryError
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.list_flags import ConnectListNetworks as F

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.network import Network

_FILTERS = {
    "persistent": F.PERSISTENT,
    "transient": F.TRANSIENT,
    "autostart": F.AUTOSTART,
    "no_autostart": F.NO_AUTOSTART,
}


@verb(
    "net-list",
    "network",
    "list networks: the running ones, or all",
    flag("inactive", "only those that do not run"),
    flag("all", "running or not"),
    flag("persistent", "only persistent ones"),
    flag("transient", "only transient ones"),
    flag("autostart", "only those that start with the daemon"),
    flag("no-autostart", "only those that do not"),
    flag("uuid", "UUIDs only"),
    flag("name", "names only"),
    flag("table", "a table (the default)"),
)
async def net_list(terminal: Terminal, **given: Any) -> Output:
    """`virsh net-list`."""
    flags = 0 if given["all_"] else F.INACTIVE if given["inactive"] else F.ACTIVE
    for name, bit in _FILTERS.items():
        flags |= bit if given[name] else 0
    networks = sorted(await terminal.host.list_networks(flags=flags), key=lambda each: each.name)
    if given["uuid"]:
        return Lines([each.uuid for each in networks])
    if given["name"]:
        return Lines([each.name for each in networks])
    rows: list[list[Any]] = []
    for each in networks:
        shown = "active" if await each.is_active() else "inactive"
        rows.append([each.name, shown, await each.autostart(), await each.is_persistent()])
    return Table(["Name", "State", "Autostart", "Persistent"], rows)


@verb("net-info", "network", "what a network is", NETWORK)
async def net_info(terminal: Terminal, network: str) -> Output:
    """`virsh net-info`."""
    found = await named(terminal, network)
    fields = [
        Field("Name", found.name),
        Field("UUID", found.uuid),
        _answer("Active", await found.is_active()),
        _answer("Persistent", await found.is_persistent()),
        _answer("Autostart", await found.autostart()),
    ]
    bridge = await _bridge(found)
    if bridge is not None:
        fields.append(Field("Bridge", bridge))
    return Fields(fields)


def _answer(label: str, value: bool) -> Field:
    return Field(label, "yes" if value else "no", value=value)


async def _bridge(network: Network) -> str | None:
    try:
        return await network.bridge_name()
    except VirtoryError:
        return None  # a network without a bridge


@verb("net-name", "network", "the name of a network", argument("network", "its UUID"))
async def net_name(terminal: Terminal, network: str) -> Output:
    """`virsh net-name`."""
    found = await named(terminal, network)
    return Text(f"{found.name}\n\n", key="name", value=found.name)


@verb("net-uuid", "network", "the UUID of a network", NETWORK)
async def net_uuid(terminal: Terminal, network: str) -> Output:
    """`virsh net-uuid`."""
    found = await named(terminal, network)
    return Text(f"{found.uuid}\n\n", key="uuid", value=found.uuid)


@verb(
    "net-dhcp-leases",
    "network",
    "which addresses a network has given out",
    NETWORK,
    argument("mac", "only to this MAC address", required=False),
)
async def net_dhcp_leases(terminal: Terminal, network: str, mac: str | None) -> Output:
    """`virsh net-dhcp-leases`."""
    import datetime

    leases = await (await named(terminal, network)).dhcp_leases(mac)
    rows: list[list[Any]] = []
    raw: list[dict[str, Any]] = []
    for lease in sorted(leases, key=lambda each: (each.mac or "", each.address)):
        ends = datetime.datetime.fromtimestamp(lease.expires)
        rows.append(
            [
                f"{ends:%Y-%m-%d %H:%M:%S}",
                lease.mac,
                f"ipv{lease.family}",
                f"{lease.address}/{lease.prefix}",
                lease.hostname,
                lease.client_id,
            ]
        )
        raw.append(
            {
                "expires": lease.expires,
                "mac": lease.mac,
                "family": lease.family,
                "address": lease.address,
                "prefix": lease.prefix,
                "hostname": lease.hostname,
                "client_id": lease.client_id,
                "interface": lease.interface,
            }
        )
    columns = ["Expiry Time", "MAC address", "Protocol", "IP address", "Hostname"]
    return Table([*columns, "Client ID or DUID"], rows, raw=raw)
