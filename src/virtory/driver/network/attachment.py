"""Where a domain's interface is plugged in, as its network says.

The rule kept here: values only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from virtory.errors import FROM_NETWORK, ConfigUnsupported, InvalidArgument, OperationInvalid

if TYPE_CHECKING:
    from virtory.driver.network.table import Entry
    from virtory.model.domain.devices.interface import Bandwidth


class Attachment(NamedTuple):
    """What an interface of type `network` becomes.

    `device` is the bridge, or with a `mode` (macvtap's) the host's device that is shared;
    `address` is the host's own on the network.
    """

    uuid: bytes
    device: str
    mode: str | None = None
    mtu: int | None = None
    address: str | None = None
    bandwidth: Bandwidth | None = None


def no_networks(name: str, portgroup: str | None) -> Attachment:
    """What an ordinary user's daemon answers."""
    raise ConfigUnsupported(
        f"network '{name}' is not to be had: this daemon is not root's, and has no networks",
        cure="use an interface of type 'user', or connect to qemu:///system",
        domain=FROM_NETWORK,
    )


def attachment(entry: Entry, portgroup: str | None) -> Attachment:
    """Where an interface on the network is plugged in.

    Raises:
        OperationInvalid: the network does not run.
        InvalidArgument: it has no such port group.
    """
    if not entry.active:
        raise OperationInvalid(
            f"network '{entry.name}' is not active",
            cure=f"start it: virtory net-start {entry.name}",
            domain=FROM_NETWORK,
        )
    network = entry.network()
    group = next((each for each in network.portgroups if each.name == portgroup), None)
    if portgroup is not None and group is None:
        raise InvalidArgument(
            f"network '{entry.name}' has no portgroup '{portgroup}'", domain=FROM_NETWORK
        )
    if portgroup is None:
        group = next((each for each in network.portgroups if each.default), None)
    limited = group.bandwidth if group is not None else None
    mtu = None if network.mtu is None else network.mtu.size
    if network.bridge is not None and network.bridge.name is not None:
        own = next((each.address for each in network.ips if each.address is not None), None)
        return Attachment(entry.uuid, network.bridge.name, None, mtu, own, limited)
    forward = network.forward
    devices = []
    if forward is not None:
        devices = [each.dev for each in forward.interfaces]
        devices += [forward.dev] if forward.dev else []
    if not devices or forward is None:
        raise ConfigUnsupported(
            f"network '{entry.name}' names no device of the host", domain=FROM_NETWORK
        )
    return Attachment(entry.uuid, devices[0], forward.mode, mtu)
