"""What a network card takes on the host: a helper for user-mode networking, or nothing.

The rule kept here: passt is asked for by name, or preferred where it is reliable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.plan import Helper, Pair
from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.planning_draft import Draft
    from virtory.driver.qemu.planning_host import Host
    from virtory.model.domain.devices.interface import Interface


def plan_interface(interface: Interface, draft: Draft) -> None:
    """Add what one card takes."""
    if interface.type == "user" and uses_passt(interface, draft.host):
        _plan_passt(interface, draft)


def _plan_passt(interface: Interface, draft: Draft) -> None:
    alias = interface.alias or ""
    if draft.host.passt is None:
        raise ConfigUnsupported(
            f"interface {alias} asks for backend passt, which is not installed",
            cure="Install it: apt install passt; or leave <backend> away.",
        )
    name = f"passt-{alias}"
    draft.pairs.append(Pair(draft.slot(), name, f"net:{alias}"))
    arguments = [draft.host.passt, "--foreground", "--quiet", "--fd", "{fd}"]
    for forward in interface.port_forwards:
        for each in forward.ranges:
            arguments += ["-t" if forward.proto == "tcp" else "-u", _passt_range(forward, each)]
    draft.helpers.append(Helper(name, tuple(arguments), exits_with_peer=True))


def uses_passt(interface: Interface, host: Host) -> bool:
    """Whether an interface on user-mode networking is served by passt, not by QEMU itself."""
    backend = interface.backend.type if interface.backend is not None else None
    if backend == "passt":
        return True
    return backend is None and host.prefers_passt and host.passt is not None


def _passt_range(forward: Any, ports: Any) -> str:
    """passt's notation: `address/first-last:first-last`, `~` before what is left out."""
    where = forward.address or ""
    if forward.dev:
        where += f"%{forward.dev}"
    span = f"{ports.start}-{ports.end}" if ports.end else str(ports.start)
    if ports.exclude:
        return f"{where}/~{span}" if where else f"~{span}"
    if ports.to:
        width = (ports.end or ports.start) - ports.start
        span += f":{ports.to}-{ports.to + width}" if width else f":{ports.to}"
    return f"{where}/{span}" if where else span
