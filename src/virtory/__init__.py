"""virtory: the KVM virtualisation stack as one Python package.

    import virtory

    async with virtory.connect() as host:
        for domain in await host.list_domains():
            print(domain.name, await domain.info())

The rule kept here: this is the whole public API, re-exported only, and importing it costs nothing:
each name loads its module when it is first used.
"""

from __future__ import annotations

from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.client.connect import Host, connect, open_host
    from virtory.client.domain import Domain
    from virtory.client.events import Event
    from virtory.client.interface import Interface
    from virtory.client.network import Network
    from virtory.client.node_device import NodeDevice
    from virtory.client.nwfilter import Nwfilter
    from virtory.client.secret import Secret
    from virtory.client.snapshot import Checkpoint, Snapshot
    from virtory.client.storage import StoragePool, StorageVolume
    from virtory.client.streams import Stream
    from virtory.client.subscription import Subscription
    from virtory.client.sync import open_sync
    from virtory.link.blocking import run as run_sync

__version__ = "0.1.0"

_HOMES = {
    "Checkpoint": "client.snapshot",
    "Domain": "client.domain",
    "Event": "client.events",
    "Host": "client.connect",
    "Interface": "client.interface",
    "Network": "client.network",
    "NodeDevice": "client.node_device",
    "Nwfilter": "client.nwfilter",
    "Secret": "client.secret",
    "Snapshot": "client.snapshot",
    "StoragePool": "client.storage",
    "StorageVolume": "client.storage",
    "Stream": "client.streams",
    "Subscription": "client.subscription",
    "connect": "client.connect",
    "errors": "errors",
    "flags": "model.flags",
    "open_host": "client.connect",
    "open_sync": "client.sync",
    "run_sync": "link.blocking",
}

__all__ = [
    "Checkpoint",
    "Domain",
    "Event",
    "Host",
    "Interface",
    "Network",
    "NodeDevice",
    "Nwfilter",
    "Secret",
    "Snapshot",
    "StoragePool",
    "StorageVolume",
    "Stream",
    "Subscription",
    "__version__",
    "connect",
    "errors",
    "flags",
    "open_host",
    "open_sync",
    "run_sync",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'virtory' has no attribute '{name}'")
    import sys

    __import__(f"virtory.{home}")
    module = sys.modules[f"virtory.{home}"]
    if name in ("errors", "flags"):
        value: object = module
    else:
        value = getattr(module, "run" if name == "run_sync" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
