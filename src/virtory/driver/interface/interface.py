"""The host's network interfaces.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class InterfaceDriver(Protocol):
    """The host's network interfaces."""
