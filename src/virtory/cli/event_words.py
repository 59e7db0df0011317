"""An event in virsh's words: one line, more for lists of parameters.

The rule kept here: a number without a word is shown as such, never hidden.
"""

from __future__ import annotations

from virtory.cli.words import word
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LIFECYCLE = (
    ("Defined", ("Added", "Updated", "Renamed", "Snapshot")),
    ("Undefined", ("Removed", "Renamed")),
    ("Started", ("Booted", "Migrated", "Restored", "Snapshot", "Event wakeup")),
    (
        "Suspended",
        (
            "Paused", "Migrated", "I/O Error", "Watchdog", "Restored", "Snapshot", "API error",
            "Post-copy", "Post-copy Error",
        ),
    ),
    ("Resumed", ("Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error")),
    ("Stopped", ("Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot")),
    ("Shutdown", ("Finished", "Finished after guest request", "Finished after host request")),
    ("PMSuspended", ("Memory", "Disk")),
    ("Crashed", ("Panicked", "Crashloaded")),
)  # fmt: skip
_WATCHDOG = ("none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi")
_IO_ERROR = ("none", "pause", "report")
_PHASES = ("connect", "initialize", "disconnect")
_FAMILIES = ("IPv4", "IPv6", "unix")
_JOBS = ("Unknown job", "Block Pull", "Block Copy", "Block Commit", "Active Block Commit", "Backup")
_JOB_STATES = ("completed", "failed", "canceled", "ready")
_DISK_CHANGES = ("changed", "dropped")
_TRAYS = ("opened", "closed")
_METADATA = ("description", "title", "element")
_AGENT_STATES = ("unknown", "connected", "disconnected")
_AGENT_REASONS = ("unknown", "domain started", "channel event")
_RECIPIENTS = ("hypervisor", "guest")
_FAILURES = ("ignore", "inject", "fatal", "reset")

Details = dict[str, Any]


def lifecycle_words(event: int, detail: int) -> tuple[str, str]:
    """A lifecycle event's and its detail's words."""
    if not 0 <= event < len(_LIFECYCLE):
        return word((), event), word((), detail)
    name, details = _LIFECYCLE[event]
    return name, word(details, detail)


def line(kind: str, name: str, details: Details) -> str:
    """What virsh prints for the event `kind` of the domain `name`; without a line break."""
    if kind in ("disk-change", "tray-change"):
        return (
            f"event '{kind}' for domain '{name}' disk {details['dev_alias']}: {_of(kind, details)}"
        )
    rest = _of(kind, details)
    return f"event '{kind}' for domain '{name}'" + (f": {rest}" if rest else "")


def _of(kind: str, details: Details) -> str:
    words = _WORDS.get(kind)
    if words is not None:
        return words(details)
    return ", ".join(f"{key} {value}" for key, value in details.items())


def _io_error(d: Details) -> str:
    return f"{d['src_path']} ({d['dev_alias']}) {word(_IO_ERROR, d['action'])}"


def _graphics(d: Details) -> str:
    ends = (
        f"{end}[{word(_FAMILIES, d[end][0])} {d[end][1]} {d[end][2]}]"
        for end in ("local", "remote")
    )
    people = "".join(f"\n\t{kind}={who}" for kind, who in d["subject_identities"])
    return f"{word(_PHASES, d['phase'])} {' '.join(ends)} {d['auth_scheme']}{people}"


def _block_job(d: Details) -> str:
    disk = d["path"] if "path" in d else d["dst"]
    return f"{word(_JOBS, d['type'])} for {disk} {word(_JOB_STATES, d['status'])}"


def _disk_change(d: Details) -> str:
    before, after = (d[key] or "<null>" for key in ("old_src_path", "new_src_path"))
    return f"{before} -> {after}: {word(_DISK_CHANGES, d['reason'])}"


def _agent(d: Details) -> str:
    state, reason = word(_AGENT_STATES, d["state"]), word(_AGENT_REASONS, d["reason"])
    return f"state: '{state}' reason: '{reason}'"


def _memory_failure(d: Details) -> str:
    return (
        f"\nrecipient: {word(_RECIPIENTS, d['recipient'])}\naction: {word(_FAILURES, d['action'])}"
        f"\nflags:\n\taction required: {d['flags'] & 1}\n\trecursive: {d['flags'] >> 1 & 1}"
    )


def _params(d: Details) -> str:
    return "".join(f"\n\t{key}: {value}" for key, value in d["params"].items())


_WORDS: dict[str, Callable[[Details], str]] = {
    "lifecycle": lambda d: " ".join(lifecycle_words(d["event"], d["detail"])),
    "rtc-change": lambda d: str(d["offset"]),
    "watchdog": lambda d: word(_WATCHDOG, d["action"]),
    "io-error": _io_error,
    "io-error-reason": lambda d: f"{_io_error(d)} due to {d['reason']}",
    "graphics": _graphics,
    "block-job": _block_job,
    "block-job-2": _block_job,
    "disk-change": _disk_change,
    "tray-change": lambda d: word(_TRAYS, d["reason"]),
    "pm-wakeup": lambda d: "",
    "pm-suspend": lambda d: "",
    "pm-suspend-disk": lambda d: "",
    "balloon-change": lambda d: f"{d['actual']}KiB",
    "device-removed": lambda d: str(d["dev_alias"]),
    "device-added": lambda d: str(d["dev_alias"]),
    "device-removal-failed": lambda d: str(d["dev_alias"]),
    "tunable": _params,
    "agent-lifecycle": _agent,
    "migration-iteration": lambda d: f"iteration: '{d['iteration']}'",
    "job-completed": _params,
    "metadata-change": lambda d: f"type {word(_METADATA, d['type'])}, uri {d['nsuri'] or '<null>'}",
    "block-threshold": lambda d: f"dev: {d['dev']}({d['path']}) {d['threshold']} {d['excess']}",
    "memory-failure": _memory_failure,
    "memory-device-size-change": lambda d: f"\nalias: {d['alias']}\nsize: {d['size']}",
}
