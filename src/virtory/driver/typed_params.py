"""What clients send as typed parameters, checked before it gets anywhere.

The rule kept here: libvirt's words; a value of another type reaches neither QEMU nor a description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.errors import InvalidArgument

if TYPE_CHECKING:
    from virtory.driver.interface import Param

_NAMES = ("unknown", "int", "uint", "llong", "ullong", "double", "boolean", "string")


def number(param: Param) -> int:
    """A whole number, 0 or more; raises InvalidArgument."""
    if not isinstance(param.value, int):
        raise _wrong_type(param, "ullong")
    if not 0 <= param.value < 1 << 63:
        raise InvalidArgument(f"parameter '{param.field}' can not be {param.value}")
    return param.value


def text(param: Param) -> str:
    """A string; raises InvalidArgument."""
    if not isinstance(param.value, str):
        raise _wrong_type(param, "string")
    return param.value


def _wrong_type(param: Param, expected: str) -> InvalidArgument:
    kind = _NAMES[param.kind] if param.kind < len(_NAMES) else _NAMES[0]
    return InvalidArgument(
        f"invalid type '{kind}' for parameter '{param.field}', expected '{expected}'"
    )
