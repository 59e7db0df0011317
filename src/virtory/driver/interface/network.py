"""Virtual networks, their ports and leases.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class NetworkDriver(Protocol):
    """Virtual networks."""
