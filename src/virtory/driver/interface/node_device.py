"""The host's devices.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class NodeDeviceDriver(Protocol):
    """The host's devices, as far as a client may know them."""
