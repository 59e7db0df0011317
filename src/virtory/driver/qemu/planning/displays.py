"""What displays take: sockets, or ports of an address.

The rule kept here: a port that the definition fixes is taken as it is; another is the first free.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from virtory.driver.qemu.plan import Directory, Link
from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain
    from virtory.model.domain.devices.graphics import Graphics, Listen

FIRST_PORT, LAST_PORT = 5900, 65535


def plan_displays(draft: Draft) -> tuple[int, ...]:
    """Add the sockets; the port of each display, 0 for one without."""
    ports: list[int] = []
    for number, graphics in enumerate(draft.domain.devices.graphics):
        listen = graphics.listens[0] if graphics.listens else None
        port = 0
        if graphics.type in ("vnc", "spice") and listen is not None:
            if listen.type == "socket":
                _plan_socket(number, graphics, listen, draft)
            elif listen.type in ("address", "network"):
                port = _port(graphics, listen.address or "127.0.0.1", ports, draft)
        ports.append(port)
    return tuple(ports)


def with_listen_addresses(domain: Domain, host: Host) -> Domain:
    """The same with the host's address on each network that a display listens on.

    Raises ConfigUnsupported when it has none there.
    """
    screens = []
    for number, graphics in enumerate(domain.devices.graphics, 1):
        listen = graphics.listens[0] if graphics.listens else None
        if listen is not None and listen.type == "network":
            address = host.attachment(listen.network or "", None).address
            if address is None:
                raise ConfigUnsupported(
                    f"/domain/devices/graphics[{number}]/listen/@network: the host has no address "
                    f"on network '{listen.network}'",
                    cure="Name an address: <listen type='address' address='…'/>.",
                )
            shown = replace(listen, address=str(address))
            graphics = replace(graphics, listens=(shown, *graphics.listens[1:]))
        screens.append(graphics)
    return replace(domain, devices=replace(domain.devices, graphics=tuple(screens)))


def spice_socket(directory: str, number: int) -> str:
    """Where QEMU binds a SPICE socket: it takes no descriptor of one, so the place is its own."""
    return f"{directory}/spice/{number}.sock"


def _plan_socket(number: int, graphics: Graphics, listen: Listen, draft: Draft) -> None:
    given = draft.own(listen.socket)
    if graphics.type == "vnc":
        draft.listen(f"vnc:{number}", given or f"vnc{number}.sock")
        return
    place = Directory(f"{draft.directory}/spice")
    if place not in draft.directories:
        draft.directories.append(place)
    if given is not None:
        draft.links.append(Link(given, spice_socket(draft.directory, number), f"spice:{number}"))


def _port(graphics: Graphics, address: str, taken: list[int], draft: Draft) -> int:
    if graphics.port is not None and graphics.port > 0:
        return graphics.port
    for port in range(FIRST_PORT, LAST_PORT + 1):
        if port in taken or port in draft.host.given_ports:
            continue
        if draft.host.port_is_free(address, port):
            return port
    kind = graphics.type.upper()
    raise ConfigUnsupported(f"no port of {address} is free for {kind}", cure="Name a socket.")
