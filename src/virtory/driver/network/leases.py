"""Who got which address: what dnsmasq tells at once through its script, and what its file says.

The rule kept here: the file is the truth when a daemon comes; from then on each change arrives as
one line of a pipe, before the guest has configured its address.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.driver.network.plan import NetworkPlan

_NONE = "*"
_FIELDS = 8
_LONGEST_LINE = 1 << 16
"""dnsmasq's user writes them: what never ends with a line is not waited for."""


class Lease(NamedTuple):
    """One address given out; `expires` in seconds since the epoch, 0: never."""

    address: str
    mac: str | None
    hostname: str | None
    expires: int
    client_id: str | None
    iaid: str | None

    @property
    def family(self) -> int:
        return 6 if ":" in self.address else 4


class Leases:
    """The leases of one running network.

    Args:
        plan: the network's plan.
        changed: called after each change with the lease and whether it is valid now.
    """

    def __init__(self, plan: NetworkPlan, changed: Callable[[Lease, bool], None]) -> None:
        self._plan = plan
        self._changed = changed
        self._leases: dict[str, Lease] = {lease.address: lease for lease in _in_file(plan.leases)}
        self._pipe = -1
        self._rest = b""

    def listen(self) -> None:
        """Hear of every change from now on."""
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC  # a writer of our own: it never ends
        try:
            self._pipe = os.open(self._plan.events, flags)
        except OSError:
            return  # a network without DHCP
        asyncio.get_running_loop().add_reader(self._pipe, self._read)

    def close(self) -> None:
        """Hear no more."""
        if self._pipe >= 0:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def valid(self, mac: str | None = None) -> list[Lease]:
        """The leases that have not expired, of one MAC or of all."""
        now = time.time()
        return [
            lease
            for lease in self._leases.values()
            if (lease.expires == 0 or lease.expires > now) and mac in (None, lease.mac)
        ]

    def _read(self) -> None:
        try:
            data = os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LONGEST_LINE]
        for line in lines:
            self.take(line.decode(errors="replace"))

    def take(self, line: str) -> None:
        """What the script says of one lease."""
        words = line.split("\t")
        if len(words) != _FIELDS or words[0] not in ("add", "old", "del"):
            return
        action, who, address, hostname, expires, client_id, iaid, mac = words
        is_v6 = ":" in address
        mac = mac if mac != _NONE else (_mac_of(who) or _NONE if is_v6 else who)
        lease = Lease(
            address,
            None if mac == _NONE else mac.lower(),
            None if hostname in ("", _NONE) else hostname,
            int(expires) if _is_time(expires) else 0,
            who if is_v6 else _given(client_id),
            _given(iaid),
        )
        if action == "del":
            self._leases.pop(address, None)
        else:
            self._leases[address] = lease
        self._changed(lease, action != "del")


def _is_time(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 19


def _given(word: str) -> str | None:
    return None if word in ("", _NONE) else word


def _mac_of(duid: str) -> str | None:
    """The MAC in a DHCPv6 identifier (RFC 8415 §11.2, §11.4), if it holds an Ethernet one."""
    parts = duid.lower().split(":")
    if parts[:4] == ["00", "01", "00", "01"] and len(parts) == 14:
        return ":".join(parts[8:])
    if parts[:4] == ["00", "03", "00", "01"] and len(parts) == 10:
        return ":".join(parts[4:])
    return None


def _in_file(path: str) -> list[Lease]:
    """What dnsmasq keeps: `expiry mac address name client-id`, for IPv6 an IAID and a DUID."""
    found = []
    try:
        with open(path, errors="replace") as file:
            lines = [line.split() for line in file]
    except OSError:
        return []
    for words in lines:
        if len(words) != 5 or not _is_time(words[0]):
            continue
        expires, who, address, hostname, client_id = words
        is_v6 = ":" in address
        found.append(
            Lease(
                address,
                _mac_of(client_id) if is_v6 else who.lower(),
                _given(hostname),
                int(expires),
                _given(client_id),
                who.lstrip("T") if is_v6 else None,
            )
        )
    return found
