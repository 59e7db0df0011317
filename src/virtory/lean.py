"""Names of `typing` and `collections` that modules use while they run, without importing these.

The rule kept here: a type checker sees the real ones; what runs does the least that lets the same
source run, and nothing here is of use to anyone else.

`typing` and what it brings along (re, enum, functools, collections) take as long to import as half
of `virsh list` takes from start to end, and making one of its named tuples takes ten times what
making a plain class takes. So whatever is on the way to a program's first answer imports these
names from here: `errors`, `wire`, `link`, `client`, `cli`, and XDR's part of `codec`.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections import deque
    from typing import (
        Annotated,
        Any,
        ClassVar,
        Final,
        Generic,
        Literal,
        NamedTuple,
        NoReturn,
        Protocol,
        TypeVar,
        dataclass_transform,
        overload,
    )
else:
    from _collections import deque

    try:
        from _collections import _tuplegetter as _item
    except ImportError:  # only CPython has it

        def _item(place, doc):
            return property(lambda values: values[place], doc=doc)

    class _Word:
        """Stands in annotations, where nobody looks at it: `Any`, `Final[int]`, `Literal["a"]`."""

        __slots__ = ()

        def __getitem__(self, _parameters):
            return self

        def __or__(self, _other):
            return self

    Any = ClassVar = Final = Literal = NoReturn = _Word()

    class Annotated:
        """`Annotated[base, mark, …]`; its attributes have the names that `typing` gives them."""

        __slots__ = ("__metadata__", "__origin__")

        def __class_getitem__(cls, parameters):
            made = object.__new__(cls)
            made.__origin__, *marks = parameters
            made.__metadata__ = tuple(marks)
            return made

        def __or__(self, other):
            return _Either(self, other)

        def __repr__(self):
            return f"Annotated{[self.__origin__, *self.__metadata__]}"

    class _Either:
        """`X | None` where X is annotated."""

        __slots__ = ("__args__",)

        def __init__(self, one, other):
            self.__args__ = (one, type(None) if other is None else other)

        def __repr__(self):
            return " | ".join(map(repr, self.__args__))

    class Generic:
        """A class whose parameters only the type checker knows."""

        __slots__ = ()

        def __class_getitem__(cls, _parameters):
            return cls

    class Protocol(Generic):
        """A class that says what others offer."""

        __slots__ = ()

    def TypeVar(_name, **_limits):  # noqa: N802 (as in typing)
        """Something that only the type checker knows."""
        return Any

    def overload(function):
        """The function; the last one of the name is the real one."""
        return function

    def dataclass_transform(**_options):
        """A decorator for the type checker only."""
        return lambda cls: cls

    class _NamedTupleType(type):
        """Makes the classes that name `NamedTuple` as their base."""

        def __new__(cls, name, bases, namespace):
            fresh = not bases or (len(bases) == 1 and bases[0] is NamedTuple)
            if fresh:
                namespace["__slots__"] = ()
            made = super().__new__(cls, name, bases or (tuple,), namespace)
            if fresh:
                fields = made._fields = made.__match_args__ = tuple(made.__annotations__)
                made._field_defaults = {f: namespace[f] for f in fields if f in namespace}
                for place, field in enumerate(fields):
                    setattr(made, field, _item(place, None))
            return made

    class NamedTuple(metaclass=_NamedTupleType):
        """A tuple whose items have names, given by the class's annotations; some with defaults."""

        def __new__(cls, *values, **named):
            if len(values) != len(cls._fields):
                values = _completed(cls, values, named)
            elif named:
                raise TypeError(f"{cls.__name__}: {', '.join(named)} given twice or unknown")
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **named):
            return type(self)(**{**self._asdict(), **named})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            shown = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({shown})"

    def _completed(cls, values, named):
        """All the values of a named tuple, those without a place from `named` or the defaults."""
        left = cls._fields[len(values) :]
        wrong = [name for name in named if name not in left]
        missing = [name for name in left if name not in named and name not in cls._field_defaults]
        if wrong or missing or len(values) > len(cls._fields):
            raise TypeError(
                f"{cls.__name__}: {len(values)} values for {len(cls._fields)} fields; "
                f"missing: {', '.join(missing)}; twice or unknown: {', '.join(wrong)}"
            )
        defaults = cls._field_defaults
        return (*values, *[named[f] if f in named else defaults[f] for f in left])


__all__ = [
    "TYPE_CHECKING",
    "Annotated",
    "Any",
    "ClassVar",
    "Final",
    "Generic",
    "Literal",
    "NamedTuple",
    "NoReturn",
    "Protocol",
    "TypeVar",
    "dataclass_transform",
    "deque",
    "overload",
]
