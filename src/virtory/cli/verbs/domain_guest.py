"""What the guest's agent tells and does.

The rule kept here: the agent is the guest's: what it says is shown, never trusted.
"""

from __future__ import annotations

from virtory.cli.output import Data, Done, Output, Text
from virtory.cli.verb import ACTIVE, argument, flag, option, verb
from virtory.lean import TYPE_CHECKING
from virtory.model.flags import DomainGuestInfo as G

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal


@verb(
    "domhostname",
    "guest",
    "the guest's host name",
    ACTIVE,
    option("source", "who is asked", choices=("lease", "agent")),
)
async def domhostname(terminal: Terminal, domain: str, source: str | None) -> Output:
    """`virsh domhostname`."""
    machine = await terminal.domain(domain)
    flags = {"lease": 1, "agent": 2}[source] if source else 0
    name = await machine.hostname(flags=flags)
    return Text(f"{name}\n\n", key="hostname", value=name)


@verb(
    "domtime",
    "guest",
    "the guest's clock",
    ACTIVE,
    flag("now", "set it to this host's"),
    flag("pretty", "as a date"),
    flag("sync", "set it from its RTC"),
    option("time", "set it to these seconds since the epoch", kind="number"),
)
async def domtime(
    terminal: Terminal, domain: str, now: bool, pretty: bool, sync: bool, time: int | None
) -> Output:
    """`virsh domtime`."""
    from time import gmtime, strftime
    from time import time as clock

    machine = await terminal.domain(domain)
    if now or sync or time is not None:
        await machine.set_time(int(clock()) if time is None else time, sync=sync)
        return Done("", name=machine.name)
    found = await machine.time()
    shown = str(found.seconds)
    if pretty:
        shown = strftime("%Y-%m-%d %H:%M:%S", gmtime(found.seconds))
    return Data(f"Time: {shown}\n", found._asdict())


@verb(
    "guestinfo",
    "guest",
    "all that the agent tells",
    ACTIVE,
    flag("user", "who is logged in"),
    flag("os", "the operating system"),
    flag("timezone", "its time zone"),
    flag("hostname", "its host name"),
    flag("filesystem", "its file systems"),
    flag("disk", "its disks"),
    flag("interface", "its interfaces"),
)
async def guestinfo(terminal: Terminal, domain: str, **given: bool) -> Output:
    """`virsh guestinfo`."""
    machine = await terminal.domain(domain)
    bits = {
        "user": G.USERS,
        "os": G.OS,
        "timezone": G.TIMEZONE,
        "hostname": G.HOSTNAME,
        "filesystem": G.FILESYSTEM,
        "disk": G.DISKS,
        "interface": G.INTERFACES,
    }
    found = await machine.guest_info(sum(bit for name, bit in bits.items() if given[name]))
    return Data("".join(f"{k:<20}: {v}\n" for k, v in found.items()) + "\n", found)


_MOUNTPOINTS = argument("mountpoint", "these only", required=False, kind="words")


@verb("domfsfreeze", "guest", "hold the guest's file systems still", ACTIVE, _MOUNTPOINTS)
async def domfsfreeze(terminal: Terminal, domain: str, mountpoint: list[str]) -> Output:
    """`virsh domfsfreeze`."""
    count = await (await terminal.domain(domain)).fs_freeze(mountpoint)
    return Done(f"Froze {count} filesystem(s)", count=count)


@verb("domfsthaw", "guest", "let them go on", ACTIVE, _MOUNTPOINTS)
async def domfsthaw(terminal: Terminal, domain: str, mountpoint: list[str]) -> Output:
    """`virsh domfsthaw`."""
    count = await (await terminal.domain(domain)).fs_thaw(mountpoint)
    return Done(f"Thawed {count} filesystem(s)", count=count)


@verb(
    "domfstrim",
    "guest",
    "give unused blocks back",
    ACTIVE,
    option("minimum", "only runs of at least this many bytes", kind="number"),
    option("mountpoint", "this file system only"),
)
async def domfstrim(
    terminal: Terminal, domain: str, minimum: int | None, mountpoint: str | None
) -> Output:
    """`virsh domfstrim`."""
    machine = await terminal.domain(domain)
    await machine.fs_trim(mountpoint, minimum=minimum or 0)
    return Done("", name=machine.name)


@verb(
    "set-user-password",
    "guest",
    "set a password inside the guest",
    ACTIVE,
    argument("user", "whose"),
    argument("password", "the new one", required=False),
    flag("encrypted", "it is a crypt(3) hash"),
)
async def set_user_password(
    terminal: Terminal, domain: str, user: str, password: str | None, encrypted: bool
) -> Output:
    """`virsh set-user-password`; asks for the password when none is given."""
    if password is None:
        from getpass import getpass

        password = getpass(f"New password for {user}: ")
    machine = await terminal.domain(domain)
    await machine.set_password(user, password, flags=int(encrypted))
    return Done(f"Password set successfully for {user} in {machine.name}", user=user)


@verb(
    "qemu-agent-command",
    "guest",
    "send the agent a command in JSON",
    ACTIVE,
    option("timeout", "seconds to wait", kind="number"),
    flag("async", "do not wait for an answer"),
    flag("block", "wait as long as it takes"),
    flag("pretty", "indent the answer"),
    argument("cmd", "JSON, or a command's name", kind="words"),
)
async def qemu_agent_command(
    terminal: Terminal, domain: str, cmd: list[str], timeout: int | None, **given: bool
) -> Output:
    """`virsh qemu-agent-command`."""
    wait = timeout if timeout is not None else -1 if given["block"] else -2
    text = " ".join(cmd)
    if not text.lstrip().startswith("{"):
        text = f'{{"execute": "{text}"}}'
    machine = await terminal.domain(domain)
    answer = await machine.agent_command(text, timeout_s=0 if given["async"] else wait) or ""
    if not answer:
        return Done("", name=machine.name)
    import json

    data = json.loads(answer)
    return Data((json.dumps(data, indent=2) if given["pretty"] else answer) + "\n\n", data)
