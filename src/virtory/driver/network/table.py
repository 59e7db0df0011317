"""The networks that are known: defined, running or both; and what the store keeps of each.

The rule kept here: lookups and rows only; nobody here touches the host.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from virtory.driver.network.plan import NetworkPlan
from virtory.driver.store import ObjectRow
from virtory.errors import NetworkNotFound
from virtory.model.refs import NamedRef
from virtory.model.values import Uuid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.network.leases import Leases
    from virtory.driver.qemu.process import Process
    from virtory.model.network import Network

KIND = "network"


class Entry:
    """One network.

    `definition` and `live` are XML text, None for a transient and a stopped one. `is_own_default`
    says that the daemon made it and nobody changed it: it starts when it is needed.
    """

    def __init__(self, name: str, uuid: bytes) -> None:
        self.name = name
        self.uuid = uuid
        self.definition: str | None = None
        self.live: str | None = None
        self.plan: NetworkPlan | None = None
        self.active = False
        self.autostart = False
        self.is_own_default = False
        self.ports: dict[bytes, str] = {}  # made by clients: UUID → XML
        self.leases: Leases | None = None
        self.server: Process | None = None
        self.revived: float | None = None
        self.lock = asyncio.Lock()

    @property
    def ref(self) -> NamedRef:
        return NamedRef(self.name, self.uuid)

    @property
    def is_known(self) -> bool:
        return self.definition is not None or self.active

    def network(self, *, inactive: bool = False) -> Network:
        """What runs, or what would; parsed at each call."""
        from virtory.model.network import parse_network

        text = self.live if self.active and not inactive else self.definition
        return parse_network(text or self.definition or self.live or "", lenient=True)

    def row(self) -> ObjectRow:
        """What the store keeps."""
        extra = {
            "autostart": self.autostart,
            "own_default": self.is_own_default,
            "active": self.active,
            "live": self.live,
            "plan": None if self.plan is None else self.plan.to_json(),
            "ports": {uuid.hex(): xml for uuid, xml in self.ports.items()},
        }
        return ObjectRow(KIND, self.uuid, self.name, self.definition or "", json.dumps(extra))


def entry_of(row: ObjectRow) -> Entry:
    """The network of a row.

    Raises:
        ValueError: it can not be understood.
    """
    entry = Entry(row.name, row.key)
    entry.definition = row.xml or None
    try:
        extra: dict[str, Any] = json.loads(row.extra)
        entry.autostart = bool(extra.get("autostart"))
        entry.is_own_default = bool(extra.get("own_default"))
        entry.active = bool(extra.get("active"))
        entry.live = extra.get("live")
        if extra.get("plan"):
            entry.plan = NetworkPlan.from_json(extra["plan"])
        ports = extra.get("ports") or {}
        entry.ports = {bytes.fromhex(uuid): str(xml) for uuid, xml in ports.items()}
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return entry


class NetworkTable:
    """The known networks."""

    def __init__(self) -> None:
        self._by_uuid: dict[bytes, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._by_uuid.values()))

    def add(self, entry: Entry) -> None:
        self._by_uuid[entry.uuid] = entry

    def remove(self, entry: Entry) -> None:
        if self._by_uuid.get(entry.uuid) is entry:
            del self._by_uuid[entry.uuid]

    def find(self, uuid: bytes) -> Entry | None:
        return self._by_uuid.get(uuid)

    def find_name(self, name: str) -> Entry | None:
        return next((each for each in self._by_uuid.values() if each.name == name), None)

    def get(self, uuid: bytes) -> Entry:
        """Raises NetworkNotFound."""
        entry = self._by_uuid.get(uuid)
        if entry is None or not entry.is_known:
            raise NetworkNotFound(f"no network with matching uuid '{Uuid.of_bytes(uuid)}'")
        return entry

    def get_name(self, name: str) -> Entry:
        """Raises NetworkNotFound."""
        entry = self.find_name(name)
        if entry is None or not entry.is_known:
            raise NetworkNotFound(f"no network with matching name '{name}'")
        return entry
