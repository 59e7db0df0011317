"""What is wrong with a machine's description, without looking at any host.

The rule kept here: all problems at once, each with its XPath.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.model.domain.domain import Domain


def problems(domain: Domain) -> list[tuple[str, str]]:
    """Every (XPath, message) for which `domain` can not be defined; empty when it can."""
    return []
