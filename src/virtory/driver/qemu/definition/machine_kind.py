"""Which family a machine type belongs to, hence which buses it has.

The rule kept here: families are told by the names that QEMU gives its machine types.
"""

from __future__ import annotations

from typing import Literal

Family = Literal["i440fx", "q35", "microvm", "other"]


def family(machine: str) -> Family:
    """The family of a canonical machine type, such as `pc-q35-7.2`."""
    if machine.startswith("pc-q35") or machine == "q35":
        return "q35"
    if machine.startswith("pc-i440fx") or machine in ("pc", "isapc"):
        return "i440fx"
    return "microvm" if machine == "microvm" else "other"
