"""The images virtory can make by itself: a table from name to maker.

The rule kept here: a recipe is data; the makers live in `debian` and `tiny` and are imported when
used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from virtory.provision.errors import ImageNotFound
from virtory.provision.steps import Report, silent

if TYPE_CHECKING:
    from virtory.provision.images import Image, ImageStore


class Recipe(NamedTuple):
    """`makes` says what comes out, `costs` what to expect."""

    name: str
    makes: str
    costs: str


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "debian-12",
            "Debian 12 with cloud-init, OpenSSH and the guest agent; boots by UEFI or directly",
            "about a minute and 200 MB of packages from your Debian mirror",
        ),
        Recipe(
            "tiny",
            "Debian's cloud kernel with busybox, dropbear and the guest agent; boots in 2 seconds",
            "some seconds and 30 MB of packages from your Debian mirror",
        ),
    )
}


def build(name: str, store: ImageStore, report: Report = silent, *, replace: bool = False) -> Image:
    """Make the image and put it into the store; raises `ImageNotFound` for an unknown recipe."""
    if name not in RECIPES:
        raise ImageNotFound(
            f"there is no recipe for an image called '{name}'",
            cure=f"build one of: {', '.join(RECIPES)}; or pull one: virtory image pull URL",
        )
    if name == "tiny":
        from virtory.provision import tiny

        return tiny.build(store, report, replace=replace)
    from virtory.provision import debian

    return debian.build(name, store, report, replace=replace)
