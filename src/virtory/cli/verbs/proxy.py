"""The far end of a connection through ssh.

The rule kept here: standard output carries the daemon's bytes and nothing else.
"""

from __future__ import annotations

from virtory.cli.output import Output, Text
from virtory.cli.verb import argument, flag, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb(
    "proxy",
    "virtory",
    "join stdin and stdout to a daemon, for virtory+ssh://",
    argument("daemon", "system, session, or the path of a socket"),
    flag("readonly", "change nothing"),
    local=True,
)
async def proxy(terminal: Terminal, daemon: str, readonly: bool) -> Output:
    """What ssh runs on the far host."""
    from virtory.client.proxy import proxy as join

    await join(daemon, readonly=readonly)
    return Text("")
