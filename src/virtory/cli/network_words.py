"""Words that the verbs of networks share: their arguments, the network that a word names.

The rule kept here: a network is named by its name or its UUID, tried in virsh's order.
"""

from __future__ import annotations

from virtory.cli.verb import argument
from virtory.errors import NetworkNotFound
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.network import Network

NETWORK = argument("network", "name or UUID of the network", complete="network")
EVENTS = ("Defined", "Undefined", "Started", "Stopped")
"""What a lifecycle event is called, by its number."""


async def named(terminal: Terminal, word: str) -> Network:
    """The network that `word` names; of one that is not there, what was perhaps meant."""
    if len(word) == 36 and word.count("-") == 4:
        try:
            return await terminal.host.network_by_uuid(word)
        except NetworkNotFound:
            pass
    try:
        return await terminal.host.network(word)
    except NetworkNotFound as error:
        from virtory.cli.manual import meant

        names = [each.name for each in await terminal.host.list_networks()]
        error.cure = meant(word, names, "'virtory net-list --all'")
        raise
