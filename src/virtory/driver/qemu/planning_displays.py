"""What displays take: sockets, or ports of an address.

The rule kept here: a port that the definition fixes is taken as it is; another is the first free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.planning_draft import Draft

FIRST_VNC_PORT, LAST_VNC_PORT = 5900, 65535


def plan_displays(draft: Draft) -> tuple[int, ...]:
    """Add the sockets; the port of each display, 0 for one without."""
    ports: list[int] = []
    for number, graphics in enumerate(draft.domain.devices.graphics):
        listen = graphics.listens[0] if graphics.listens else None
        port = 0
        if graphics.type == "vnc" and listen is not None:
            if listen.type == "socket":
                given = draft.own(listen.socket)
                draft.listen(f"vnc:{number}", given or f"vnc{number}.sock")
            elif listen.type in ("address", "network"):
                port = _port(graphics.port, listen.address or "127.0.0.1", ports, draft)
        ports.append(port)
    return tuple(ports)


def _port(wanted: int | None, address: str, taken: list[int], draft: Draft) -> int:
    if wanted is not None and wanted > 0:
        return wanted
    for port in range(FIRST_VNC_PORT, LAST_VNC_PORT + 1):
        if port not in taken and draft.host.port_is_free(address, port):
            return port
    raise ConfigUnsupported(f"no port of {address} is free for VNC", cure="Name a socket.")
