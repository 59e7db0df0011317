"""Domains: devices that come, go and change.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class DomainDevices(Protocol):
    """What changes of a machine, live or in its definition."""
