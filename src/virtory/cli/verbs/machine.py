"""A machine's everyday: log in, wait, remove; and the demonstration of it all.

The rule kept here: these work on machines that virtory made; other domains are refused by name.
"""

from __future__ import annotations

from virtory.cli.output import Output, Together
from virtory.cli.verb import argument, flag, option, verb
from virtory.errors import NotFound
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.provision.machine import Machine
    from virtory.provision.manifest import Manifest

_MACHINE = argument("name", "the machine's name", complete="domain")


async def _manifest(terminal: Terminal, name: str) -> Manifest:
    from virtory.provision.machine import find
    from virtory.provision.reach import to_log_in

    machine = await find(terminal.host, (await terminal.domain(name)).name)
    return await to_log_in(machine.domain, machine.manifest)


@verb(
    "ssh",
    "machine",
    "log in to a machine, or run a command there",
    _MACHINE,
    argument("command", "what to run", required=False, kind="rest"),
)
async def ssh(terminal: Terminal, name: str, command: list[str]) -> None:
    """Become ssh."""
    import sys

    from virtory.provision.ssh import become_ssh

    manifest = await _manifest(terminal, name)
    await terminal.host.close()
    sys.stdout.flush()
    become_ssh(manifest, command)


@verb(
    "wait",
    "machine",
    "wait until a machine is ready",
    _MACHINE,
    option("timeout", "seconds", kind="number"),
    loop=True,
)
async def wait(terminal: Terminal, name: str, timeout: int | None) -> Output:
    """Watch the phases from power-on to cloud-init's end."""
    from virtory.cli.machines import waited
    from virtory.provision.machine import find

    machine = await find(terminal.host, (await terminal.domain(name)).name)
    return await waited(terminal, machine, timeout_s=timeout)


@verb(
    "rm",
    "machine",
    "remove machines and all that is their own",
    argument("name", "the machines' names", kind="words", required=True, complete="domain"),
    flag("force", "destroy it first when it runs", short="f"),
    loop=True,
)
async def rm(terminal: Terminal, name: list[str], force: bool) -> Output:
    """Remove what belongs to each machine, and nothing else; none, where one is not there."""
    from virtory.cli.machines import removed

    names = [(await terminal.domain(word)).name for word in name]
    gone = [await removed(terminal, each, force=force) for each in dict.fromkeys(names)]
    return gone[0] if len(gone) == 1 else Together(*gone)


@verb(
    "demo",
    "machine",
    "make a machine of an image and log in: the whole way once",
    option("image", "what is on its disk (default debian-12)", complete="image"),
    option("name", "its name (default demo)"),
    argument("command", "run this there instead of a shell", required=False, kind="rest"),
    loop=True,
    local=True,
)
async def demo(
    terminal: Terminal, image: str | None, name: str | None, command: list[str]
) -> Output | None:
    """Build the image and make the machine where they are not there yet; then log in."""
    from virtory.cli.images import built
    from virtory.cli.machines import waited
    from virtory.provision.images import ImageStore

    wanted, called = image or "debian-12", name or "demo"
    try:
        ImageStore().find(wanted)
    except NotFound:
        await built(terminal, wanted)  # minutes: no connection is kept waiting meanwhile
    async with terminal.connection(blocking=False) as terminal.host:
        machine = await _found_or_made(terminal, called, wanted)
        answer = await waited(terminal, machine)
        if answer.status:
            return answer
        return Together(answer, await _next(terminal, called, command))


async def _found_or_made(terminal: Terminal, name: str, image: str) -> Machine:
    from virtory.cli.machines import made
    from virtory.provision.machine import find
    from virtory.provision.order import Order

    try:
        machine = await find(terminal.host, name)
    except NotFound:
        return await made(terminal, Order(name=name, image=image).checked())
    if not await machine.domain.is_active():
        await machine.domain.start()
    return machine


async def _next(terminal: Terminal, name: str, command: list[str]) -> Output:
    """Log in where somebody sits at the terminal; in any case say what to do next."""
    import asyncio
    import sys

    from virtory.cli.output import Data
    from virtory.provision.ssh import argv

    manifest = await _manifest(terminal, name)
    words = command or ([] if sys.stdin.isatty() else ["uname -a; uptime"])
    process = await asyncio.create_subprocess_exec(*argv(manifest, words))
    status = await process.wait()
    answer = Data(next_steps(name, sys.argv[0]), {"ssh_status": status})
    if status:
        answer.status = 1
    return answer


def next_steps(name: str, program: str) -> str:
    """What can be typed next; first of all what makes a shell find the program of an environment.

    Args:
        program: how it was called this time.
    """
    import os
    import shlex
    import shutil

    activate = os.path.join(os.path.dirname(os.path.abspath(program)), "activate")
    found = shutil.which("virtory") or not os.path.exists(activate)
    first = "" if found else f"  . {shlex.quote(activate)}   where virtory is\n"
    return (
        f"\nNext:\n{first}  virtory ssh {name}       log in again\n  virtory list --all\n"
        f"  virtory console {name}   its serial console\n  virtory rm -f {name}     remove it\n"
    )
