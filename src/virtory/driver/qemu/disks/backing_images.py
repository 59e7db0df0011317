"""The images below each disk's own, as statistics: `domstats --backing`.

The rule kept here: which images there are is known from the plan; how big the guest could see them
and how far they are written, QEMU tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtory.driver.interface import STRING, UINT, ULLONG, Param
from virtory.driver.qemu.disks.block import alias_of, file_size
from virtory.errors import SystemCallFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from virtory.driver.qemu.plan import Image


def below(
    images: Sequence[Image],
    counted: list[dict[str, Any]] | None,
    nodes: list[dict[str, Any]],
    bounds: Mapping[str, int],
) -> dict[str, list[list[Param]]]:
    """By a disk's alias, its backing images from the uppermost down.

    `counted` is QEMU's query-blockstats, `nodes` its query-block, `bounds` the write thresholds of
    its nodes.
    """
    by_node = {image.node: image for image in images}
    highest = {alias_of(one): _depths(one) for one in counted or ()}
    found: dict[str, list[list[Param]]] = {}
    for one in nodes:
        alias, medium = alias_of(one), one.get("inserted") or {}
        top = by_node.get(str(medium.get("node-name")))
        if not alias or top is None:
            continue
        sizes = _sizes(medium.get("image") or {})
        chain = [image for image in images if image.target == top.target and image.depth > 0]
        written = highest.get(alias, [])
        found[alias] = [
            _told(
                image,
                sizes[image.depth] if image.depth < len(sizes) else 0,
                written[image.depth] if image.depth < len(written) else 0,
                bounds.get(image.file_node),
            )
            for image in sorted(chain, key=lambda image: image.depth)
        ]
    return found


def _told(image: Image, capacity: int, allocation: int, bound: int | None) -> list[Param]:
    told = [
        Param("name", STRING, image.target),
        Param("path", STRING, image.path),
        Param("backingIndex", UINT, image.index),
        Param("allocation", ULLONG, allocation),
        Param("capacity", ULLONG, capacity),
    ]
    try:
        told.append(Param("physical", ULLONG, file_size(image.path).allocated))
    except SystemCallFailed:
        pass  # the image is gone; what is known is told all the same
    if bound is not None:
        told.append(Param("threshold", ULLONG, bound))
    return told


def _sizes(image: dict[str, Any]) -> list[int]:
    """How big each image of a chain looks, from the top down."""
    sizes = []
    while image:
        sizes.append(int(image.get("virtual-size", 0)))
        image = image.get("backing-image") or {}
    return sizes


def _depths(counted: dict[str, Any]) -> list[int]:
    """The highest offset written in each image of a chain, from the top down."""
    found = []
    while counted:
        parent = counted.get("parent") or {}
        found.append(int((parent.get("stats") or {}).get("wr_highest_offset", 0)))
        counted = counted.get("backing") or {}
    return found
