"""What one running network takes of the host, written down before it is taken.

The rule kept here: a plan survives JSON unchanged and is all that `release` needs, whatever has
become of the network's definition meanwhile.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """One start of a network.

    `mac` is the bridge's: by it a bridge of that name is known to be ours. `addresses` are
    (address, prefix); `routes` (destination, prefix, gateway, metric). `foreign` are the chains of
    other programs, each (tool, table, `hook:chain`), that would drop the guests' packets and get
    rules of ours. `boot` is the host's boot in which it was made.
    """

    bridge: str
    mac: str
    directory: str
    boot: str
    made: bool = True  # False: the bridge is the host's own
    stp: bool = True
    delay_s: int = 0
    mtu: int | None = None
    addresses: tuple[tuple[str, int], ...] = ()
    routes: tuple[tuple[str, int, str, int | None], ...] = ()
    ipv6: bool = False
    forwards: tuple[str, ...] = ()  # families whose forwarding must be on
    table: str | None = None
    limited: bool = False
    foreign: tuple[tuple[str, str, str], ...] = ()
    dnsmasq: str | None = None

    def to_json(self) -> str:
        """For the store."""
        return json.dumps({"format": _FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> NetworkPlan:
        """The plan that `to_json` wrote; fields of a newer version are passed over."""
        data: dict[str, Any] = json.loads(text)
        known = {field.name for field in fields(cls)}
        values = {name: _tuples(value) for name, value in data.items() if name in known}
        return cls(**values)

    def with_foreign(self, chains: tuple[tuple[str, str, str], ...]) -> NetworkPlan:
        """The same with other programs' chains that are to get rules."""
        return replace(self, foreign=chains)

    # -- files in the directory ----------------------------------------------------------------
    @property
    def configuration(self) -> str:
        return f"{self.directory}/dnsmasq.conf"

    @property
    def dhcp_hosts(self) -> str:
        return f"{self.directory}/dhcp-hosts"

    @property
    def names(self) -> str:
        return f"{self.directory}/names"

    @property
    def leases(self) -> str:
        return f"{self.directory}/leases"

    @property
    def pid_file(self) -> str:
        return f"{self.directory}/dnsmasq.pid"

    @property
    def events(self) -> str:
        """A pipe by which dnsmasq's lease script tells of leases."""
        return f"{self.directory}/events"

    @property
    def script(self) -> str:
        return f"{self.directory}/tell-lease"


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
