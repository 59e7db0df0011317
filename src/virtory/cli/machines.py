"""Making machines and waiting for them, as seen from a terminal.

The rule kept here: a wait only watches. Whatever ends it, Ctrl-C too, the machine goes on, and the
user is told how to.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from virtory.cli.output import Data, Done, Output, Text
from virtory.lean import TYPE_CHECKING, Any
from virtory.provision.phases import Phase, Progress, State

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.provision.machine import Machine
    from virtory.provision.order import Order
    from virtory.provision.steps import Step


def ordered(name: str, given: dict[str, Any]) -> Order:
    """The order that the verb's options make; raises `Usage` or `InvalidArgument`."""
    from virtory.cli.verbs.domain_tune import kib
    from virtory.model.values import Size
    from virtory.provision.order import Forward, Order

    def size(text: str | None) -> Size | None:
        return None if text is None else Size(kib(text) * 1024)

    def path(text: str | None) -> Path | None:
        return None if text is None else Path(text)

    return Order(
        name=name,
        image=given["image"] or "debian-12",
        vcpus=given["vcpus"],
        memory=size(given["memory"]),
        disk_size=size(given["disk"]),
        hostname=given["hostname"],
        ssh_key=path(given["ssh_key"]),
        ssh_port=given["ssh_port"] or 0,
        forwards=tuple(Forward.parse(word) for word in (given["publish"] or "").split(",") if word),
        user_data=path(given["user_data"]),
        boot=given["boot"] or "auto",
        virtualisation=given["virtualisation"] or "auto",
        graphics=given["graphics"],
        network=given["network"],
    ).checked()


async def preview_text(terminal: Terminal, order: Order) -> Output:
    """The domain XML that the order would make."""
    from virtory.provision.machine import preview

    return Text(await preview(terminal.host, order), key="xml")


async def made(terminal: Terminal, order: Order) -> Machine:
    """The machine of the order, started; each step is said."""
    from virtory.provision.machine import create

    with terminal.if_broken_off(f"'{order.name}' was not made, and nothing of it is left"):
        return await create(terminal.host, order, report=lambda step: said(terminal, step))


def said(terminal: Terminal, step: Step) -> None:
    """Show a step of long work: while it runs on a terminal, and when it is done."""
    if step.seconds is None:
        if sys.stderr.isatty() and not terminal.settings.quiet:
            share = f" {100 * step.done // step.total}%" if step.done and step.total else ""
            sys.stderr.write(f"\r\033[K  {step.what}{share}")
            sys.stderr.flush()
        return
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    terminal.say(f"{clear}  {step.what} ({step.seconds:.1f} s)")


async def waited(terminal: Terminal, machine: Machine, *, timeout_s: int | None = None) -> Output:
    """Wait until the machine is ready, showing its phases; the answer says how to log in."""
    try:
        async with asyncio.timeout(timeout_s):
            last = await _watched(terminal, machine)
    except TimeoutError:
        terminal.warn(f"'{machine.name}' is not ready after {timeout_s} s; it goes on")
        return _go_on(machine, None, float(timeout_s or 0))
    except asyncio.CancelledError:
        terminal.say(f"\n'{machine.name}' goes on running; wait again: virtory wait {machine.name}")
        raise
    return _go_on(machine, last.state, last.elapsed_s)


def _go_on(machine: Machine, state: State | None, took: float) -> Output:
    name, ready = machine.name, state in (State.DONE, State.SKIPPED)
    if ready:
        text = f"Machine '{name}' is ready after {took:.1f} s; log in: virtory ssh {name}\n"
    elif state is State.FAILED:
        text = f"Machine '{name}' is off; what it said: virtory console --history {name}\n"
    else:
        text = f"Machine '{name}' runs; wait again: virtory wait {name}\n"
    data = {"name": name, "ready": ready, "elapsed_s": round(took, 3)}
    answer = Data(text, data | {"ssh_port": machine.manifest.port})
    if not ready:
        answer.status = 1
    return answer


async def _watched(terminal: Terminal, machine: Machine) -> Progress:
    """The last report: the machine is ready, or off."""
    from virtory.provision.ready import watch

    display = _Lines(terminal) if not sys.stderr.isatty() else _Live(terminal)
    with display:
        async for last in watch(machine):
            display.show(last)
    return last


class _Lines:
    """A line a report: what logs and pipes get."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, progress: Progress) -> None:
        """Print the report, with the console's last lines where it stalls."""
        took = f" in {progress.took_s:.1f} s" if progress.took_s is not None else ""
        self.terminal.say(
            f"[{progress.elapsed_s:6.1f} s] {progress.phase}: {progress.state}{took}"
            f"{'; ' + progress.evidence if progress.evidence else ''}"
        )
        for line in progress.console:
            self.terminal.say(f"    | {line}")
        if progress.cure:
            self.terminal.say(f"  cure: {progress.cure}")


class _Live(_Lines):
    """The phases as one block that is drawn anew, and a stall's evidence below it."""

    def __enter__(self) -> _Live:
        from rich.console import Console
        from rich.live import Live

        self.reports: dict[Phase, Progress] = {}
        self.live = Live(
            get_renderable=self._drawn,
            console=Console(stderr=True, highlight=False),
            refresh_per_second=8,
        )
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def show(self, progress: Progress) -> None:
        self.reports[progress.phase] = progress
        self.live.refresh()

    def _drawn(self) -> Any:
        from rich.table import Table
        from rich.text import Text as Styled

        table = Table(box=None, pad_edge=False, show_header=False)
        for phase in Phase:
            report = self.reports.get(phase)
            if report is None:
                continue
            mark, style = _MARKS[report.state]
            took = f"{report.took_s:.1f} s" if report.took_s is not None else ""
            table.add_row(Styled(mark, style=style), phase.value, took, report.evidence)
            for line in report.console:
                table.add_row("", "", "", Styled(line, style="dim"))
            if report.cure:
                table.add_row("", "", "", Styled(f"cure: {report.cure}", style="yellow"))
        return table


_MARKS = {
    State.RUNNING: ("…", "cyan"),
    State.DONE: ("✓", "green"),
    State.SKIPPED: ("-", "dim"),
    State.STALLED: ("!", "yellow"),
    State.FAILED: ("✗", "red"),
}


async def removed(terminal: Terminal, name: str, *, force: bool) -> Output:
    """Remove the machine and say what went and what stayed."""
    from virtory.provision.machine import remove

    done = await remove(terminal.host, name, force=force)
    for sentence in done.removed:
        terminal.say(f"  removed {sentence}")
    for sentence in done.kept:
        terminal.say(f"  kept {sentence}")
    return Done(
        f"Machine '{name}' removed", name=name, removed=list(done.removed), kept=list(done.kept)
    )
