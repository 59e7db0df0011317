"""Ports of networks: who is plugged in.

The rule kept here: a port is named by its network and its UUID.
"""

from __future__ import annotations

from virtory.cli.network_words import NETWORK, named
from virtory.cli.output import Done, Lines, Output, Table
from virtory.cli.verb import argument, flag, verb
from virtory.cli.xml_output import XPATH, described
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_PORT = argument("port", "the port's UUID")


@verb(
    "net-port-list",
    "network",
    "list a network's ports",
    NETWORK,
    flag("uuid", "UUIDs only"),
    flag("table", "a table (the default)"),
)
async def net_port_list(terminal: Terminal, network: str, uuid: bool, table: bool) -> Output:
    """`virsh net-port-list`."""
    ports = sorted(port.uuid for port in await (await named(terminal, network)).ports())
    return Lines(ports) if uuid else Table(["UUID"], [[port] for port in ports])


@verb("net-port-dumpxml", "network", "a port's description, as XML", NETWORK, _PORT, *XPATH)
async def net_port_dumpxml(
    terminal: Terminal, network: str, port: str, xpath: str | None, wrap: bool
) -> Output:
    """`virsh net-port-dumpxml`."""
    found = await (await named(terminal, network)).port(port)
    return described(await found.xml(), xpath, wrap)


@verb(
    "net-port-create",
    "network",
    "plug something into a network",
    NETWORK,
    argument("file", "port XML, - for standard input", complete="file"),
    flag("validate", "against libvirt's schema first"),
)
async def net_port_create(terminal: Terminal, network: str, file_: str, validate: bool) -> Output:
    """`virsh net-port-create`."""
    from virtory.cli.files import text_of

    made = await (await named(terminal, network)).create_port(text_of(file_))
    return Done(f"Network port {made.uuid} created from {file_}", uuid=made.uuid)


@verb("net-port-delete", "network", "unplug what a client plugged in", NETWORK, _PORT)
async def net_port_delete(terminal: Terminal, network: str, port: str) -> Output:
    """`virsh net-port-delete`."""
    found = await (await named(terminal, network)).port(port)
    await found.delete()
    return Done(f"Network port {found.uuid} deleted", uuid=found.uuid)
