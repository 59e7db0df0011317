"""The host's network interfaces.

The rule kept here: words and columns are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Output, Table, Text
from virtory.cli.verb import argument, flag, verb
from virtory.cli.xml_output import XPATH, described
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.interface import Interface

INTERFACE = argument("interface", "name or MAC address of an interface of the host")


async def _interface(terminal: Terminal, word: str) -> Interface:
    """By name, then by MAC address."""
    from virtory.errors import InterfaceNotFound

    try:
        return await terminal.host.interface(word)
    except InterfaceNotFound as error:
        if word.count(":") != 5:
            from virtory.cli.manual import meant

            names = [each.name for each in await terminal.host.list_interfaces()]
            error.cure = error.cure or meant(word, names, "'virtory iface-list --all'")
            raise
        return await terminal.host.interface_by_mac(word)


@verb(
    "iface-list",
    "host",
    "the host's network interfaces",
    flag("inactive", "those that are down"),
    flag("all", "whether up or down"),
)
async def iface_list(terminal: Terminal, inactive: bool, all_: bool) -> Output:
    """`virsh iface-list`."""
    wanted = None if all_ else not inactive
    found = await terminal.host.list_interfaces(active=wanted)
    rows = []
    for one in sorted(found, key=lambda one: one.name):
        rows.append([one.name, "active" if await one.is_active() else "inactive", one.mac])
    return Table(["Name", "State", "MAC Address"], rows)


@verb(
    "iface-dumpxml",
    "host",
    "the XML of one of the host's interfaces",
    INTERFACE,
    flag("inactive", "of its definition"),
    *XPATH,
)
async def iface_dumpxml(
    terminal: Terminal, interface: str, inactive: bool, xpath: str | None, wrap: bool
) -> Output:
    """`virsh iface-dumpxml`."""
    found = await _interface(terminal, interface)
    return described(await found.xml(inactive=inactive), xpath, wrap)


@verb(
    "iface-mac",
    "host",
    "the MAC address of one of the host's interfaces",
    argument("interface", "its name"),
)
async def iface_mac(terminal: Terminal, interface: str) -> Output:
    """`virsh iface-mac`."""
    return Text((await _interface(terminal, interface)).mac + "\n\n", key="mac")


@verb(
    "iface-name",
    "host",
    "the name of the host's interface with a MAC address",
    argument("interface", "its MAC address"),
)
async def iface_name(terminal: Terminal, interface: str) -> Output:
    """`virsh iface-name`."""
    return Text((await terminal.host.interface_by_mac(interface)).name + "\n\n", key="name")
