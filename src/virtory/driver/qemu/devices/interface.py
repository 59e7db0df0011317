"""Network cards: on a tap, or on user-mode networking (QEMU's own, or passt through a socket).

The rule kept here: the card is the same whatever it is plugged into.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.qemu.devices.wiring import Item, Wiring, virtio_options, without_none

if TYPE_CHECKING:
    from virtory.driver.qemu.plan import Tap
    from virtory.model.domain.devices.interface import Interface, PortForward

MODELS = (
    "virtio",
    "virtio-transitional",
    "virtio-non-transitional",
    "e1000",
    "e1000e",
    "rtl8139",
    "ne2k_pci",
    "pcnet",
    "vmxnet3",
    "igb",
    "i82551",
    "i82557b",
    "i82559er",
    "tulip",
)


def describe(interface: Interface, wiring: Wiring, boot_index: int | None = None) -> list[Item]:
    """The host's side, then the card."""
    alias, back_end = interface.alias or "", back_end_name(interface)
    model = interface.model or "rtl8139"
    virtio = model.startswith("virtio")
    value = {
        "driver": wiring.virtio("virtio-net", interface, model) if virtio else model,
        "netdev": back_end,
        "id": alias,
        "mac": str(interface.mac.address) if interface.mac is not None else None,
        "bootindex": boot_index,
        "host_mtu": _mtu(interface, wiring) if virtio else None,
        **_queues(interface),
        **virtio_options(interface.driver),
        **wiring.place(interface),
    }
    return [
        Item("netdev", _back_end(interface, wiring, back_end)),
        Item("device", without_none(value)),
    ]


def back_end_name(interface: Interface) -> str:
    """QEMU's name of the host's side."""
    return f"host{interface.alias}"


def _queues(interface: Interface) -> dict[str, Any]:
    driver = interface.driver
    if driver is None or not (interface.model or "").startswith("virtio"):
        return {}
    options: dict[str, Any] = {
        "tx": {"timer": "timer", "iothread": "bh"}.get(driver.txmode or ""),
        "ioeventfd": driver.ioeventfd,
        "event_idx": driver.event_idx,
        "mq": True if (driver.queues or 1) > 1 else None,
        "vectors": 2 * driver.queues + 2 if driver.queues and driver.queues > 1 else None,
        "rx_queue_size": driver.rx_queue_size,
        "tx_queue_size": driver.tx_queue_size,
    }
    if driver.host is not None:
        for name in ("tso4", "tso6", "ecn", "ufo"):
            options[f"host_{name}"] = getattr(driver.host, name)
        options["csum"], options["gso"] = driver.host.csum, driver.host.gso
        options["mrg_rxbuf"] = driver.host.mrg_rxbuf
    if driver.guest is not None:
        for name in ("csum", "tso4", "tso6", "ecn", "ufo"):
            options[f"guest_{name}"] = getattr(driver.guest, name)
    return options


def _back_end(interface: Interface, wiring: Wiring, name: str) -> dict[str, Any]:
    tap = wiring.plan.tap(interface.alias)
    if tap is not None:
        return _tap(tap, interface, wiring, name)
    slot = wiring.plan.slot(f"net:{interface.alias}")
    if slot is not None:
        address = {"type": "fd", "str": wiring.fd(slot)}
        return {"type": "stream", "id": name, "server": False, "addr": address}
    value: dict[str, Any] = {"type": "user", "id": name}
    for each in interface.ips:
        prefix = each.prefix
        if each.family == "ipv6":
            value["ipv6-prefix"] = each.address
            value["ipv6-prefixlen"] = 64 if prefix is None else prefix
        else:
            value["net"] = each.address if prefix is None else f"{each.address}/{prefix}"
    forwards = [rule for each in interface.port_forwards for rule in _rules(each)]
    if forwards:
        value["hostfwd"] = [{"str": rule} for rule in forwards]
    return value


def _mtu(interface: Interface, wiring: Wiring) -> int | None:
    tap = wiring.plan.tap(interface.alias)
    return interface.mtu if tap is None else tap.mtu


def _tap(tap: Tap, interface: Interface, wiring: Wiring, name: str) -> dict[str, Any]:
    """The daemon made it: QEMU gets its queues' descriptors."""
    value: dict[str, Any] = {"type": "tap", "id": name}
    value["fd" if len(tap.slots) == 1 else "fds"] = ":".join(wiring.fd(s) for s in tap.slots)
    if tap.vhost_slots:
        value["vhost"] = True
        descriptors = ":".join(wiring.fd(slot) for slot in tap.vhost_slots)
        value["vhostfd" if len(tap.slots) == 1 else "vhostfds"] = descriptors
    if interface.tune is not None and interface.tune.sndbuf is not None:
        value["sndbuf"] = interface.tune.sndbuf
    return value


def _rules(forward: PortForward) -> list[str]:
    rules = []
    for span in forward.ranges:
        first = span.to or span.start
        for port in range(span.start, (span.end or span.start) + 1):
            guest = first + port - span.start
            rules.append(f"{forward.proto}:{forward.address or ''}:{port}-:{guest}")
    return rules
