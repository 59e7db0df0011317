"""Hears of changes of the host's packet rules, by whomever: the kernel tells of each (nf_tables).

The rule kept here: nothing is asked in vain. Docker that starts later, a firewall that is reloaded:
each changes the rules, and only then it is looked whether ours are still there.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_NETFILTER = 12  # NETLINK_NETFILTER
_NFTABLES = 7  # NFNLGRP_NFTABLES
_SETTLED_S = 0.3
"""Firewalls change their rules in many steps: it is looked once they have come to rest."""


class RulesWatch:
    """Calls `changed` a moment after the rules were changed, while it is on."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    def turn(self, on: bool) -> None:
        """Listen or not; repeated calls change nothing."""
        if on is (self._socket is not None):
            return
        loop = asyncio.get_running_loop()
        if not on:
            assert self._socket is not None
            loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        made = None
        try:
            made = socket.socket(socket.AF_NETLINK, kind, _NETFILTER)
            made.bind((0, 1 << (_NFTABLES - 1)))
        except OSError as error:  # a kernel that tells nobody: networks run nevertheless
            _log.info("changes of the packet rules can not be heard: %s", error)
            if made is not None:
                made.close()
            return
        self._socket = made
        loop.add_reader(made, self._hear)

    def _hear(self) -> None:
        """What exactly was changed is not read: too much may have been."""
        assert self._socket is not None
        while True:
            try:
                self._socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError:  # more than the kernel could keep
                continue
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SETTLED_S, self._tell)

    def _tell(self) -> None:
        self._timer = None
        self._changed()
