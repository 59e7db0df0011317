"""Snapshots of domains.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class SnapshotDriver(Protocol):
    """Snapshots; each named by its domain and its name."""
