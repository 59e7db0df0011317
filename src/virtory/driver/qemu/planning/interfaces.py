"""What a network card takes on the host: a tap, a helper for user-mode networking, or nothing.

The rule kept here: a tap's name and place are in the plan before it exists; passt is asked for by
name, or preferred where it is reliable.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from virtory.driver.network.attachment import Attachment
from virtory.driver.network.limits import limits
from virtory.driver.qemu.plan import Helper, Pair, Tap
from virtory.errors import ConfigUnsupported
from virtory.model.domain.devices.interface import GENERATED_NAMES
from virtory.model.values import Mac

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain.devices.interface import Interface, PortForward, PortRange


def plan_interface(interface: Interface, draft: Draft) -> None:
    """Add what one card takes."""
    if interface.type == "user":
        if uses_passt(interface, draft.host):
            _plan_passt(interface, draft)
    else:
        _plan_tap(interface, draft)


def _plan_tap(interface: Interface, draft: Draft) -> None:
    host = draft.host
    where = attachment_of(interface, host)
    target = interface.target
    name = None if target is None else target.dev
    made = target is None or target.managed is not False or interface.type != "ethernet"
    mode = None if where is None else where.mode
    if name is None or (made and name.startswith(GENERATED_NAMES)):
        name = host.free_device("macvtap" if mode is not None else "vnet")
    driver = interface.driver
    queues = max(1, (driver.queues or 1) if driver is not None else 1)
    mac = interface.mac.address if interface.mac is not None else Mac.random()
    vhost = host.has_vhost_net and (interface.model or "").startswith("virtio")
    if driver is not None and driver.name == "qemu":
        vhost = False
    on_network = interface.type == "network" and where is not None
    mtu = interface.mtu
    if mtu is None and where is not None:
        mtu = where.mtu
    draft.taps.append(
        Tap(
            name=name,
            purpose=f"net:{interface.alias}",
            slots=tuple(draft.slot() for _ in range(queues)),
            # a bridge takes the lowest address of its ports for its own: ours must not be it
            mac=str(mac) if mode is not None else f"fe{mac[2:]}",
            device=None if where is None else where.device,
            mode=mode,
            mtu=mtu,
            isolated=bool(interface.isolated),
            made=made,
            vhost_slots=tuple(draft.slot() for _ in range(queues)) if vhost else (),
            guest_mac=str(mac),
            **limits(interface.bandwidth or (where.bandwidth if where is not None else None)),
            network=where.uuid.hex() if on_network and where is not None else None,
            port=uuid.uuid4().hex if on_network else None,
        )
    )


def attachment_of(interface: Interface, host: Host) -> Attachment | None:
    """Where it is plugged in; None for a tap that is nobody's business but its owner's."""
    source = interface.source
    if interface.type == "network" and source is not None:
        return host.attachment(source.network or "", source.portgroup)
    if interface.type == "bridge" and source is not None:
        return Attachment(b"", source.bridge or "")
    if interface.type == "direct" and source is not None:
        return Attachment(b"", source.dev or "", source.mode or "vepa")
    return None


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
    if interface.source is not None and interface.source.dev is not None:
        arguments += ["-i", interface.source.dev]
    # Of QEMU's own networking an <ip> is the network, of passt the guest's address in it.
    for each in interface.ips if interface.backend is not None else ():
        arguments += ["-a", each.address]
        if each.family != "ipv6" and each.prefix is not None:
            arguments += ["-n", str(each.prefix)]
    for forward in interface.port_forwards:
        arguments += ["-t" if forward.proto == "tcp" else "-u", _passt_ports(forward)]
    draft.helpers.append(Helper(name, tuple(arguments)))


def uses_passt(interface: Interface, host: Host) -> bool:
    """Whether an interface on user-mode networking is served by passt, not by QEMU itself."""
    backend = interface.backend.type if interface.backend is not None else None
    if backend == "passt":
        return True
    return backend is None and host.prefers_passt and host.passt is not None


def _passt_ports(forward: PortForward) -> str:
    """passt's notation: `address/first-last:first-last`, `~` before what is left out of those."""
    where = forward.address or ""
    if forward.dev:
        where += f"%{forward.dev}"
    spans = ",".join(map(_passt_range, forward.ranges)) or "all"
    return f"{where}/{spans}" if where else spans


def _passt_range(ports: PortRange) -> str:
    span = f"{ports.start}-{ports.end}" if ports.end else str(ports.start)
    if ports.exclude:
        return f"~{span}"
    if ports.to:
        width = (ports.end or ports.start) - ports.start
        span += f":{ports.to}-{ports.to + width}" if width else f":{ports.to}"
    return span
