"""A domain's life: start, shutdown, reboot, pause, destroy.

The rule kept here: the message is virsh's, so that scripts which read it go on working.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output
from virtory.cli.verb import ACTIVE, DOMAIN, argument, flag, option, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_OFF = argument("domain", "name or UUID of a domain that is off", complete="inactive")
_MODE = option("mode", "how the guest is asked: acpi, agent, initctl, signal, paravirt")
_MODES = {"acpi": 1, "agent": 2, "initctl": 4, "signal": 8, "paravirt": 16}


@verb(
    "start",
    "domain",
    "power a domain on",
    _OFF,
    flag("console", "go to its console"),
    flag("paused", "leave its CPUs stopped"),
    flag("autodestroy", "destroy it when this connection ends"),
    flag("bypass-cache", "avoid the file system cache when restoring"),
    flag("force-boot", "drop a managed save"),
    flag("reset-nvram", "start from fresh UEFI variables"),
    loop="console",
)
async def start(
    terminal: Terminal,
    domain: str,
    console: bool,
    paused: bool,
    autodestroy: bool,
    bypass_cache: bool,
    force_boot: bool,
    reset_nvram: bool,
) -> Output | None:
    """`virsh start`."""
    machine = await terminal.domain(domain)
    await machine.start(
        paused=paused,
        autodestroy=autodestroy,
        bypass_cache=bypass_cache,
        force_boot=force_boot,
        reset_nvram=reset_nvram,
    )
    done = Done(f"Domain '{machine.name}' started", name=machine.name, id=machine.id)
    if not console:
        return done
    from virtory.cli.console import attach

    terminal.say(done.text().strip())
    await attach(machine, None, force=False)
    return None


@verb("shutdown", "domain", "ask the guest to power off", ACTIVE, _MODE)
async def shutdown(terminal: Terminal, domain: str, mode: str | None) -> Output:
    """`virsh shutdown`."""
    machine = await terminal.domain(domain)
    await machine.shutdown(flags=_mode(mode))
    return Done(f"Domain '{machine.name}' is being shutdown", name=machine.name)


@verb("reboot", "domain", "ask the guest to reboot", ACTIVE, _MODE)
async def reboot(terminal: Terminal, domain: str, mode: str | None) -> Output:
    """`virsh reboot`."""
    machine = await terminal.domain(domain)
    await machine.reboot(flags=_mode(mode))
    return Done(f"Domain '{machine.name}' is being rebooted", name=machine.name)


def _mode(mode: str | None) -> int:
    flags = 0
    for word in (mode or "").split(",") if mode else []:
        if word not in _MODES:
            from virtory.cli.parse import Usage

            raise Usage(f"unknown mode '{word}'", f"one of {', '.join(_MODES)}")
        flags |= _MODES[word]
    return flags


@verb("reset", "domain", "press the reset button", ACTIVE)
async def reset(terminal: Terminal, domain: str) -> Output:
    """`virsh reset`."""
    machine = await terminal.domain(domain)
    await machine.reset()
    return Done(f"Domain '{machine.name}' was reset", name=machine.name)


@verb("suspend", "domain", "stop its CPUs; memory stays", ACTIVE)
async def suspend(terminal: Terminal, domain: str) -> Output:
    """`virsh suspend`."""
    machine = await terminal.domain(domain)
    await machine.suspend()
    return Done(f"Domain '{machine.name}' suspended", name=machine.name)


@verb("resume", "domain", "let its CPUs run again", ACTIVE)
async def resume(terminal: Terminal, domain: str) -> Output:
    """`virsh resume`."""
    machine = await terminal.domain(domain)
    await machine.resume()
    return Done(f"Domain '{machine.name}' resumed", name=machine.name)


@verb(
    "destroy",
    "domain",
    "pull the plug; its definition and disks stay",
    ACTIVE,
    flag("graceful", "give up rather than lose unwritten data"),
    flag("remove-logs", "remove its log files"),
)
async def destroy(terminal: Terminal, domain: str, graceful: bool, remove_logs: bool) -> Output:
    """`virsh destroy`."""
    machine = await terminal.domain(domain)
    await machine.destroy(graceful=graceful, flags=2 if remove_logs else 0)
    return Done(f"Domain '{machine.name}' destroyed", name=machine.name)


@verb("inject-nmi", "domain", "send a non-maskable interrupt", ACTIVE)
async def inject_nmi(terminal: Terminal, domain: str) -> Output:
    """`virsh inject-nmi`."""
    machine = await terminal.domain(domain)
    await machine.inject_nmi()
    return Done("", name=machine.name)


_TARGETS = ("mem", "disk", "hybrid")


@verb(
    "dompmsuspend",
    "domain",
    "have the guest go to sleep, by its agent",
    ACTIVE,
    argument("target", "mem, disk or hybrid", choices=_TARGETS),
    option("duration", "seconds, where that is known", kind="number"),
)
async def dompmsuspend(
    terminal: Terminal, domain: str, target: str, duration: int | None
) -> Output:
    """`virsh dompmsuspend`."""
    machine = await terminal.domain(domain)
    await machine.pm_suspend(_TARGETS.index(target), duration_s=duration or 0)
    return Done(f"Domain '{machine.name}' successfully suspended", name=machine.name)


@verb("dompmwakeup", "domain", "wake a guest that sleeps in memory", ACTIVE)
async def dompmwakeup(terminal: Terminal, domain: str) -> Output:
    """`virsh dompmwakeup`."""
    machine = await terminal.domain(domain)
    await machine.pm_wakeup()
    return Done(f"Domain '{machine.name}' successfully woken up", name=machine.name)


@verb(
    "autostart",
    "domain",
    "start a domain with the daemon, or no longer",
    DOMAIN,
    flag("disable", "no longer"),
)
async def autostart(terminal: Terminal, domain: str, disable: bool) -> Output:
    """`virsh autostart`."""
    machine = await terminal.domain(domain)
    await machine.set_autostart(not disable)
    mark = "unmarked" if disable else "marked"
    return Done(
        f"Domain '{machine.name}' {mark} as autostarted", name=machine.name, autostart=not disable
    )
