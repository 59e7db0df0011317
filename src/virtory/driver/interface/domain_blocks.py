"""Domains: block jobs (commit, pull, copy) and clones.

The rule kept here: of the package, see its docstring.
"""

from __future__ import annotations

from typing import Protocol


class DomainBlocks(Protocol):
    """What happens to a machine's disks while it goes on."""
