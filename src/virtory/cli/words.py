"""virsh's words for libvirt's numbers.

The rule kept here: an unknown number is shown as such, never hidden.
"""

from __future__ import annotations

STATES = (
    "no state",
    "running",
    "idle",
    "paused",
    "in shutdown",
    "shut off",
    "crashed",
    "pmsuspended",
)

_UNKNOWN = ("unknown",)
REASONS = {
    0: _UNKNOWN,
    1: (
        "unknown",
        "booted",
        "migrated",
        "restored",
        "from snapshot",
        "unpaused",
        "migration canceled",
        "save canceled",
        "event wakeup",
        "crashed",
        "post-copy",
        "post-copy failed",
    ),
    2: _UNKNOWN,
    3: (
        "unknown",
        "user",
        "migrating",
        "saving",
        "dumping",
        "I/O error",
        "watchdog",
        "from snapshot",
        "shutting down",
        "creating snapshot",
        "crashed",
        "starting up",
        "post-copy",
        "post-copy failed",
        "api error",
    ),
    4: ("unknown", "user"),
    5: (
        "unknown",
        "shutdown",
        "destroyed",
        "crashed",
        "migrated",
        "saved",
        "failed",
        "from snapshot",
        "daemon",
    ),
    6: ("unknown", "panicked"),
    7: _UNKNOWN,
}
VCPU_STATES = ("offline", "running", "blocked")
CONTROL_STATES = ("ok", "background job", "occupied", "error")


def word(words: tuple[str, ...], number: int) -> str:
    """The word for `number`."""
    return words[number] if 0 <= number < len(words) else f"unknown ({number})"


def ranges(numbers: list[int]) -> str:
    """`0-3,7`: ascending numbers as people write them."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def state(number: int) -> str:
    """`running`, `shut off` …"""
    return word(STATES, number)


def reason(state_number: int, number: int) -> str:
    """Why it is in that state."""
    return word(REASONS.get(state_number, _UNKNOWN), number)
