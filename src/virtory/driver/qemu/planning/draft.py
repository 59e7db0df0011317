"""A plan in the making: parts are added, slots and image indexes numbered as they are asked for.

The rule kept here: one draft serves a whole start and a single hot-plugged device alike.

    draft = Draft(live, host, domain_id)             # a start: everything from number 1
    draft = Draft.beside(plan, live, host)           # one device more, beside a running plan
    plan_disk(disk, draft)                           # planning/disks.py: one file for each kind
    more = draft.fragment()                          # what growth.grow takes and shrink gives back
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from virtory.driver.qemu import growth
from virtory.driver.qemu.plan import Directory, Listen, OpenFile
from virtory.driver.qemu.planning.user import guest_user
from virtory.errors import ConfigUnsupported

if TYPE_CHECKING:
    from virtory.driver.qemu.plan import Helper, Image, Link, OpenMode, Pair, Plan, Tap
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain

LONGEST_SOCKET_PATH = 107


class Draft:
    """Collects the rows of one plan, or of one fragment."""

    def __init__(self, domain: Domain, host: Host, domain_id: int) -> None:
        self.domain = domain
        self.host = host
        self.id = domain_id
        self.files: list[OpenFile] = []
        self.listens: list[Listen] = []
        self.pairs: list[Pair] = []
        self.helpers: list[Helper] = []
        self.images: list[Image] = []
        self.links: list[Link] = []
        self.taps: list[Tap] = []
        self.uid, self.gid = guest_user(domain, host, domain_id)
        uuid = str(domain.uuid or "")
        self.directory = os.path.join(host.run_directory, f"{domain_id}-{uuid[:8]}")
        self.directories = [Directory(self.directory, mode=0o711, for_guest=False)]
        self._plan: Plan | None = None
        self._slots = 0
        self._indexes = 0

    @classmethod
    def beside(cls, plan: Plan, domain: Domain, host: Host) -> Draft:
        """A draft of what a running guest takes beyond `plan`; `domain` is its live description."""
        draft = cls(domain, host, plan.domain_id)
        draft._plan = plan
        draft._slots = growth.next_slot(plan) - 1
        draft._indexes = growth.next_image_index(plan) - 1
        draft.directory, draft.uid, draft.gid = plan.directory, plan.uid, plan.gid
        draft.directories = []
        return draft

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """What has been collected, by the names of the plan's fields."""
        names = ("directories", "files", "listens", "pairs", "helpers", "images", "links", "taps")
        return {name: tuple(getattr(self, name)) for name in names}

    def fragment(self) -> Plan:
        """What a draft beside a plan has collected."""
        assert self._plan is not None, "only a draft beside a plan is a fragment of it"
        return growth.fragment(self._plan, **self.rows())

    # -- for the parts ----------------------------------------------------------------------------
    def slot(self) -> int:
        """The next number for a descriptor."""
        self._slots += 1
        return self._slots

    def image_index(self) -> int:
        """The next number for an image."""
        self._indexes += 1
        return self._indexes

    def open(self, path: str, mode: OpenMode, purpose: str, **options: Any) -> int:
        """A file that the daemon is to open; its slot."""
        slot = self.slot()
        self.files.append(OpenFile(slot, path, mode, slot, purpose, **options))
        return slot

    def listen(self, purpose: str, name: str) -> None:
        """A socket to listen on; a bare name is one in the guest's own directory."""
        path = name if name.startswith("/") else os.path.join(self.directory, name)
        if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
            raise ConfigUnsupported(
                f"the path of socket '{path}' has more than the 107 bytes that Linux allows",
                cure="Use a shorter path, or a shorter run directory of the daemon.",
            )
        self.listens.append(Listen(self.slot(), path, purpose))

    def own(self, path: str | None) -> str | None:
        """A path of the user's; one of an earlier run of ours, in a pasted live XML, is none."""
        ours = path is not None and path.startswith(self.host.run_directory + "/")
        return None if ours else path
