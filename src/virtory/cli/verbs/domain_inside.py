"""What the agent shows and changes inside: mounted file systems, SSH keys.

The rule kept here: words and columns are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Done, Lines, Output, Table
from virtory.cli.verb import ACTIVE, argument, flag, option, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

USER = argument("user", "of the guest")
_APPEND, _REMOVE = 1, 2


@verb("domfsinfo", "guest", "the file systems that it has mounted", ACTIVE)
async def domfsinfo(terminal: Terminal, domain: str) -> Output:
    """`virsh domfsinfo`."""
    found = await (await terminal.domain(domain)).filesystems()
    rows = [[one.mountpoint, one.name, one.fstype, ",".join(one.devices)] for one in found]
    raw = [one._asdict() for one in found]
    return Table(["Mountpoint", "Name", "Type", "Target"], rows, raw=raw)


@verb("get-user-sshkeys", "guest", "the SSH keys that may log in as a user", ACTIVE, USER)
async def get_user_sshkeys(terminal: Terminal, domain: str, user: str) -> Output:
    """`virsh get-user-sshkeys`."""
    return Lines(await (await terminal.domain(domain)).ssh_keys(user))


@verb(
    "set-user-sshkeys",
    "guest",
    "add or take away SSH keys of a user",
    ACTIVE,
    USER,
    option("file", "with the keys, one a line"),
    flag("reset", "these and no others"),
    flag("remove", "take these away"),
)
async def set_user_sshkeys(
    terminal: Terminal, domain: str, user: str, file_: str | None, reset: bool, remove: bool
) -> Output:
    """`virsh set-user-sshkeys`."""
    from virtory.cli.parse import Usage

    if reset and remove:
        raise Usage("--reset goes not with --remove")
    if file_ is None and not reset:
        raise Usage("--file is needed, unless --reset takes all keys away")
    keys: list[str] = []
    if file_ is not None:
        from virtory.cli.files import text_of

        keys = [line for line in text_of(file_).splitlines() if line.strip()]
    flags = 0 if reset else _REMOVE if remove else _APPEND
    machine = await terminal.domain(domain)
    await machine.set_ssh_keys(user, keys, flags=flags)
    return Done("", name=machine.name, user=user, keys=len(keys))


@verb(
    "guest-agent-timeout",
    "guest",
    "how long calls wait for its agent",
    ACTIVE,
    option("timeout", "seconds; -2 for ever, -1 the daemon's own, 0 as little as can be",
           kind="number"),
)  # fmt: skip
async def guest_agent_timeout(terminal: Terminal, domain: str, timeout: int | None) -> Output:
    """`virsh guest-agent-timeout`."""
    machine = await terminal.domain(domain)
    await machine.set_agent_timeout(-2 if timeout is None else timeout)
    return Done("", name=machine.name)
