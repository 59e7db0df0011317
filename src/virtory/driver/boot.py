"""Which boot of the host this is.

The rule kept here: where the kernel does not say, every boot is the same one.
"""

from __future__ import annotations


def boot_id() -> str:
    """A text that no other boot has."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
