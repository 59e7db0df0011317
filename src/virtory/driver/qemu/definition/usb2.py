"""A fast USB controller and its slow companions (EHCI and UHCI): one bus, one index, one PCI slot.

The rule kept here: controllers that follow each other in a definition belong together until a model
comes again, as libvirt reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.model.domain.devices.controller import Controller

_FUNCTIONS: Final = {"ich9-ehci1": 7, "ich9-uhci1": 0, "ich9-uhci2": 1, "ich9-uhci3": 2}
Q35_SLOTS: Final = (0x1D, 0x1A)
"""Where that chipset has them, on its root bus."""


def function_of(controller: Controller) -> int | None:
    """The function in the slot of its group; None for any other controller."""
    return _FUNCTIONS.get(controller.model or "") if controller.type == "usb" else None


def index_after(controller: Controller, before: Sequence[Controller]) -> int | None:
    """The index of the group that the last of the numbered `before` is in, if this one joins it."""
    if not before or function_of(controller) is None or function_of(before[-1]) is None:
        return None
    index = before[-1].index
    same = any(each.model == controller.model and each.index == index for each in before)
    return None if same else index
