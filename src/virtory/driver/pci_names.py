"""What vendors and products of PCI devices are called, from the system's `pci.ids`.

The rule kept here: the file is read line by line when a name is wanted and only what was found is
kept; without the file there are numbers only.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_FILES = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")


@functools.lru_cache(maxsize=256)
def pci_names(vendor: int, product: int) -> tuple[str | None, str | None]:
    """The names of a vendor and of one of its products."""
    for path in _FILES:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return _search(file, f"{vendor:04x}  ", f"\t{product:04x}  ")
        except OSError:
            continue
    return None, None


def _search(lines: Iterable[str], vendor: str, product: str) -> tuple[str | None, str | None]:
    name = None
    for line in lines:
        if name is None:
            if line.startswith(vendor):
                name = line[len(vendor) :].strip()
        elif line.startswith(product):
            return name, line[len(product) :].strip()
        elif line[:1] not in "\t#\n":
            break
    return name, None
