"""How many there can be of what a description counts.

The rule kept here: one number for `problems`, which names the excess, and for whoever makes things
by it, which must not make more.
"""

from __future__ import annotations

from typing import Final

MOST_DRIVES: Final = 1 << 10
"""Drives by name on one bus."""
MOST_CONTROLLERS: Final = 1 << 8
"""Controllers of one type."""
MOST_USB_PORTS: Final = 15
MOST_SERIAL_PORTS: Final = 511
"""Of one virtio-serial controller."""
MOST_IO_THREADS: Final = 1000
MOST_NETWORK_QUEUES: Final = 256
