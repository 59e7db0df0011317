"""A domain as the wire names it: what all the topics of `Domain` build on.

The rule kept here: name, UUID and id are those of the last lookup or start; daemons go by UUID.
"""

from __future__ import annotations

from virtory.client.handle import NamedHandle


class DomainHandle(NamedHandle):
    """A domain's reference; the methods are in the `domain_*` files."""

    __slots__ = ()

    @property
    def id(self) -> int | None:
        """The number of the running domain when it was looked up or started; None when off."""
        number = self.ref.id
        return None if number < 0 else int(number)
