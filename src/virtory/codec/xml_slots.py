"""Makes elements and copies them fast, although they are frozen.

The rule kept here: nobody but who makes it sees an element before it is frozen.

An element that can not be changed can not be filled either, except slot by slot around its own
`__setattr__`. That took a third of a definition's time, whose passes copy the widest elements a
dozen times. So an element is filled as one of a twin class, which has the same slots and lets them
be set, and then becomes one of its own: Python allows that between classes of the same layout.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtory.codec.xml import Element

MISSING: Any = type("Missing", (), {"__slots__": ()})()
"""What a required field holds until it is set."""

_new = object.__new__


class Maker(NamedTuple):
    """What makes elements of one class; all of it can be changed until its class is set back."""

    copy: Callable[[Element], Any]  # one of the twin's, equal to an element
    again: Callable[[Any], Any]  # the same for `blank`
    blank: Any  # has the defaults
    required: tuple[str, ...]

    def fresh(self) -> Any:
        """A new element with the defaults; until its class is set back it can be changed."""
        return self.again(self.blank)


_MAKERS: dict[type[Element], Maker] = {}


def maker(cls: type[Element]) -> Maker:
    """What makes elements of `cls`, compiled when it is first needed."""
    known = _MAKERS.get(cls)
    if known is None:
        known = _MAKERS[cls] = _maker(cls)
    return known


def _maker(cls: type[Element]) -> Maker:
    loose = {
        "__slots__": cls.__dict__["__slots__"],
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
    }
    twin: Any = type.__new__(type(cls), cls.__name__, cls.__bases__, loose)
    blank = _new(twin)
    lines = ["def copy(element):", " made = new(twin)"]
    for field in cls.declared():
        setattr(blank, field.name, MISSING if field.required else field.default)
        lines.append(f" made.{field.name} = element.{field.name}")
    scope: dict[str, Any] = {"new": _new, "twin": twin}
    exec("\n".join([*lines, " return made"]), scope)
    copy = scope["copy"]
    # Python makes code faster for the class that it meets there: code of its own for each of two.
    again: Any = FunctionType(copy.__code__.replace(), scope)
    required = tuple(field.name for field in cls.declared() if field.required)
    return Maker(copy, again, blank, required)
