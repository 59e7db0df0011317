"""The phases from power-on to ready as a pure state machine: signals in, reports out.

The rule kept here: a phase is over when a signal from the guest says so, never by a clock. The
clock only says that there has been no sign of life for too long, and any sign takes that back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from virtory.provision.stalls import find

if TYPE_CHECKING:
    from collections.abc import Mapping

CONSOLE_LINES = 20
_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>c78])|[\x00\x08\r]")
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), *range(127, 160)))
_LONGEST_LINE = 4096
_LONGEST_TEXT = 512
"""What is looked at of a line: a guest that prints longer ones costs no more time than others."""


class Phase(StrEnum):
    """What a machine passes through, in this order."""

    PROCESS = "process"
    FIRMWARE = "firmware"
    KERNEL = "kernel"
    ADDRESS = "address"
    SSH = "ssh"
    CLOUD_INIT = "cloud-init"


class State(StrEnum):
    """RUNNING: the phase has begun. STALLED is advice, not an end: the machine may still go on."""

    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    STALLED = "stalled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """One report: `elapsed_s` since power-on; `took_s` of this phase, where it is over.

    `console` holds the last lines and `cure` the likely remedy, for STALLED and FAILED only.
    """

    phase: Phase
    state: State
    elapsed_s: float
    evidence: str
    took_s: float | None = None
    console: tuple[str, ...] = ()
    cure: str | None = None


class _Sign(NamedTuple):
    """A console line that ends `phase`; `{0}` of `evidence` is the pattern's first group."""

    phase: Phase
    pattern: re.Pattern[str]
    evidence: str


def _sign(phase: Phase, pattern: str, evidence: str) -> _Sign:
    return _Sign(phase, re.compile(pattern), evidence)


SIGNS = (
    _sign(Phase.FIRMWARE, r"Linux version (\S+)", "the kernel {0} began"),
    _sign(
        Phase.FIRMWARE,
        r"^EFI stub:|^Loading Linux |^Booting `|^\[ +0\.000000\]",
        "the kernel began",
    ),
    _sign(Phase.FIRMWARE, r"Welcome to (GRUB)|^(BdsDxe): starting Boot", "{0} loads the kernel"),
    _sign(Phase.KERNEL, r"tiny: kernel is up", "the initramfs runs"),
    _sign(Phase.KERNEL, r"Run (/init|/sbin/init) as init process|Freeing unused kernel", "{0}"),
    _sign(Phase.KERNEL, r"Welcome to (?!GRUB)(.+?)!?$", "{0} starts"),
    _sign(Phase.KERNEL, r"systemd\[1\]: |init started: BusyBox", "its init runs"),
    _sign(Phase.ADDRESS, r"tiny: address (\S+)", "DHCP gave {0}"),
    _sign(Phase.ADDRESS, r"lease of (\S+) obtained|bound to (\S+) --", "DHCP gave {0}"),
    _sign(
        Phase.ADDRESS, r"ci-info: \|\s+e\S+\s+\|\s+True\s+\|\s+(\d+(?:\.\d+){3})", "DHCP gave {0}"
    ),
    _sign(
        Phase.CLOUD_INIT, r"Cloud-init v\. .* finished at .*Up (\S+) seconds", "finished at {0} s"
    ),
    _sign(Phase.CLOUD_INIT, r"tiny: cloud-init \(minimal\) finished", "the seed was applied"),
)
_RESTART = re.compile(r"Linux version |tiny: kernel is up|reboot: Restarting system")
_LOGIN = re.compile(r" login:$")
_ORDER = tuple(Phase)


class Tracker:
    """Follows one machine; give it what happens and when (seconds since power-on).

    `until` is the last phase of interest: when it is over, `finished` is True. Phases in `without`
    are reported as SKIPPED when their turn comes, for the reason given. `name` is for cures.
    """

    def __init__(
        self,
        *,
        until: Phase = Phase.CLOUD_INIT,
        without: Mapping[Phase, str] = MappingProxyType({}),
        stall_s: float = 60.0,
        name: str = "NAME",
    ) -> None:
        self.until = until
        self.finished = False
        self.failed = False
        self.phase = Phase.PROCESS
        self._without = without
        self._stall_s = stall_s
        self._name = name
        self._patience = stall_s
        self._began = 0.0
        self._last_sign = 0.0
        self._lines: list[str] = []
        self._partial = b""
        self._early: dict[Phase, str] = {}
        self._known: str | None = None

    @property
    def console(self) -> tuple[str, ...]:
        """The last lines with text, without colours."""
        lines = [*self._lines, clean(self._partial)]
        return tuple(line for line in lines if line)[-CONSOLE_LINES:]

    def begin(self, now: float) -> list[Progress]:
        """The first report."""
        return [self._report(State.RUNNING, now, "")]

    def feed(self, now: float, data: bytes) -> list[Progress]:
        """Bytes from the console."""
        if not data or self.finished:
            return []
        self._alive(now)
        *whole, self._partial = (self._partial + data).split(b"\n")
        self._partial = self._partial[-_LONGEST_LINE:]
        reports: list[Progress] = []
        if self.phase is Phase.PROCESS:
            reports += self.over(now, Phase.PROCESS, "its console speaks")
        for raw in whole:
            line = clean(raw[:_LONGEST_LINE])
            if line:
                self._lines.append(line)
                reports += self._read(now, line)
        del self._lines[: -CONSOLE_LINES * 2]
        return reports + self._prompt(now, clean(self._partial))

    def over(self, now: float, phase: Phase, evidence: str) -> list[Progress]:
        """A signal that `phase` is over; it proves the phases before it as well.

        cloud-init may end before anybody could connect: that is kept until its turn comes.
        """
        if self.finished or _ORDER.index(phase) < _ORDER.index(self.phase):
            return []
        self._alive(now)
        if phase is Phase.CLOUD_INIT and self.phase is not Phase.CLOUD_INIT:
            self._early[phase] = evidence
            return []
        reports = []
        while not self.finished:
            mine = self.phase is phase
            words = evidence if mine else f"later signs prove it: {evidence}"
            reports += self._next(now, State.DONE, words)
            if mine:
                break
        return reports

    def stopped(self, now: float, why: str) -> list[Progress]:
        """The machine is off: there is nothing left to wait for."""
        if self.finished:
            return []
        self.finished = self.failed = True
        found = find(self.console)
        evidence = f"{why}: {found.cause}" if found else why
        cure = found.cure if found else "start it: virtory start NAME"
        if self.console and not found:
            cure = "read the console above; start it again: virtory start NAME"
        return [self._report(State.FAILED, now, evidence, self.console, cure)]

    def rebooted(self, now: float) -> list[Progress]:
        """The guest starts anew; phases that are over begin again."""
        if self.finished or _ORDER.index(self.phase) <= _ORDER.index(Phase.KERNEL):
            return []
        self._alive(now)
        first = Phase.KERNEL if Phase.FIRMWARE in self._without else Phase.FIRMWARE
        self.phase, self._began, self._early = first, now, {}
        return [self._report(State.RUNNING, now, "the guest reboots")]

    def tick(self, now: float) -> list[Progress]:
        """Time passes: a stall is reported when nothing was heard for too long."""
        quiet = now - self._last_sign
        if self.finished or quiet < self._patience:
            return []
        self._patience *= 2
        found = find(self.console)
        evidence = f"no sign of life for {quiet:.0f} s"
        if found:
            return [
                self._report(
                    State.STALLED, now, f"{found.cause}; {evidence}", self.console, found.cure
                )
            ]
        return [self._report(State.STALLED, now, evidence, self.console, _SILENT[self.phase])]

    def next_tick(self) -> float:
        """When `tick` may have something to say."""
        return self._last_sign + self._patience

    def _prompt(self, now: float, text: str) -> list[Progress]:
        """What stands on the last line, which may be half a line as well."""
        reports = self.over(now, Phase.KERNEL, "it asks who logs in") if _LOGIN.search(text) else []
        return reports + self._trouble(now, text) if text else reports

    def _read(self, now: float, line: str) -> list[Progress]:
        reports: list[Progress] = []
        if _RESTART.search(line):
            reports += self.rebooted(now)
        for sign in SIGNS:
            match = sign.pattern.search(line)
            if match:
                groups = [group for group in match.groups() if group]
                words = sign.evidence.format(*groups or [match.group(0)])
                reports += self.over(now, sign.phase, words)
        return reports + self._trouble(now, line)

    def _trouble(self, now: float, line: str) -> list[Progress]:
        """A line that is known to mean trouble is said at once, and once."""
        found = find((line,))
        if self.finished or found is None or not found.at_once or found.cause == self._known:
            return []
        self._known = found.cause
        return [self._report(State.STALLED, now, found.cause, self.console, found.cure)]

    def _next(self, now: float, state: State, evidence: str) -> list[Progress]:
        took = now - self._began
        reports = [Progress(self.phase, state, now, evidence, took)]
        if self.phase is self.until or self.phase is _ORDER[-1]:
            self.finished = True
            return reports
        self.phase = _ORDER[_ORDER.index(self.phase) + 1]
        self._began = now
        if self.phase in self._without:
            return reports + self._next(now, State.SKIPPED, self._without[self.phase])
        reports.append(self._report(State.RUNNING, now, ""))
        early = self._early.pop(self.phase, None)
        if early is not None:
            reports += self._next(now, State.DONE, early)
        return reports

    def _alive(self, now: float) -> None:
        self._last_sign = now
        self._patience = self._stall_s

    def _report(
        self,
        state: State,
        now: float,
        evidence: str,
        console: tuple[str, ...] = (),
        cure: str | None = None,
    ) -> Progress:
        cure = cure and cure.replace("NAME", self._name)
        return Progress(self.phase, state, now, evidence, None, console, cure)


_SILENT = {
    Phase.PROCESS: "the console says nothing: does the machine have a serial port?",
    Phase.FIRMWARE: "the firmware found nothing to boot, or shows it on the screen only:"
    " virtory screenshot",
    Phase.KERNEL: "the kernel may print to another console: add console=ttyS0 to its command line",
    Phase.ADDRESS: "the guest may not use DHCP: log in by 'virtory console' and look at 'ip addr'",
    Phase.SSH: "is an SSH server installed and started? look by 'virtory console'",
    Phase.CLOUD_INIT: "something that cloud-init runs takes long:"
    " virtory ssh NAME cloud-init status --long",
}


def clean(raw: bytes) -> str:
    """A line as text, without what would command the terminal that it is shown on."""
    text = _ANSI.sub(b"", raw).decode("utf-8", "replace").translate(_CONTROLS)
    return text[:_LONGEST_TEXT].rstrip()
