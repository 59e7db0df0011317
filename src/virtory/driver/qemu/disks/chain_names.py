"""What clients call the images of a disk: `vda`, `vda[2]`, a path; and what headers call them.

The rule kept here: a name that fits no image of the disk's chain is refused by name, never guessed.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from virtory.errors import InvalidArgument, OperationInvalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.qemu.plan import Image

_INDEXED = re.compile(r"(?P<target>[^\[\]]+)\[(?P<index>\d+)\]")


def position(chain: Sequence[Image], name: str, target: str) -> int:
    """Where in the chain (0 is the top) the image called `name` is.

    Raises InvalidArgument.
    """
    if (indexed := _INDEXED.fullmatch(name)) is not None:
        if indexed["target"] != target:
            raise InvalidArgument(
                f"requested target '{indexed['target']}' does not match target '{target}'"
            )
        number = int(indexed["index"])
        for place, image in enumerate(chain):
            if image.index == number or (number == 0 and place == 0):
                return place
        raise InvalidArgument(
            f"could not find backing store index '{number}' in chain for '{chain[0].path}'"
        )
    for place, image in enumerate(chain):
        above = chain[place - 1].path if place else "/"
        whole = os.path.realpath(os.path.join(os.path.dirname(above), name))
        if whole == os.path.realpath(image.path):
            return place
    raise InvalidArgument(
        f"could not find image '{name}' in chain for '{chain[0].path}'",
        cure=f"name one of: {', '.join(image.path for image in chain)}",
    )


def header_name(above: Image, below: Image, chain: Sequence[Image], *, relative: bool) -> str:
    """What the header of `above` is to call the image `below` it, both in `chain`.

    A relative name is given only where every name between the two was relative before.
    Raises OperationInvalid.
    """
    if not relative:
        return below.path
    from virtory.driver.qemu.disks.image_chain import backing_name

    first, last = chain.index(above), chain.index(below)
    for image in chain[first:last]:
        name = backing_name(image.path)
        if name is None or os.path.isabs(name):
            raise OperationInvalid(
                "can't keep relative backing relationship",
                cure=f"the header of '{image.path}' names '{name}'; leave out --keep-relative",
            )
    return os.path.relpath(below.path, os.path.dirname(above.path))
