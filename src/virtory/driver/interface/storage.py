"""Storage pools and volumes.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class StorageDriver(Protocol):
    """Pools, and the volumes in them."""
