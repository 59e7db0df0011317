"""Domains: save, restore, managed save, core dumps.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class DomainSaves(Protocol):
    """A machine put aside with its memory, and taken up again."""
