"""Compiles XDR records: from a class's annotations to three Python functions.

The rule kept here: generated code is straight and small. Fields of fixed size that stand together
are packed or unpacked by one `Struct`; everything that repeats or may be absent is a plain loop or
`if` in the same function, and only lists, optionals and unions of rare shape call out.
"""

from __future__ import annotations

import sys
from struct import Struct

from virtory.codec.xdr import (
    Array,
    CharArray,
    FixedCharArray,
    FixedOpaque,
    Interned,
    Opaque,
    Record,
    Scalar,
    String,
    Union,
)
from virtory.codec.xdr_runtime import READER_SCOPE, WRITER_SCOPE, decoded_texts, encoded_texts
from virtory.lean import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


# What a field can be, once its annotation is resolved: a marker of `xdr`, or one of these.


class ListOf(NamedTuple):
    limit: int
    item: Any


class OptionalOf(NamedTuple):
    item: Any


class InternedString(NamedTuple):
    limit: int


class UnionOf(NamedTuple):
    discriminant: str
    scalars: dict[int, str]
    strings: dict[int, int]


class Fields(NamedTuple):
    """A record or a named tuple, with its fields' names and types."""

    cls: type[Any]
    fields: tuple[tuple[str, Any], ...]

    @property
    def is_tuple(self) -> bool:
        return issubclass(self.cls, tuple)


def fields_of(cls: type[Any]) -> Fields:
    """A record's or named tuple's fields, their annotations resolved."""
    scope = vars(sys.modules[cls.__module__])
    fields = cls.__annotations__.items()
    return Fields(cls, tuple((name, _resolve(hint, scope, cls, name)) for name, hint in fields))


def _resolve(hint: Any, scope: dict[str, Any], cls: type[Any], name: str) -> Any:
    if isinstance(hint, str):
        hint = eval(hint, scope)
    if hasattr(hint, "__forward_arg__"):
        hint = eval(hint.__forward_arg__, scope)
    marks: tuple[Any, ...] = getattr(hint, "__metadata__", ())
    if marks:
        mark = marks[0]
        if isinstance(mark, Array):
            (item,) = hint.__origin__.__args__
            return ListOf(mark.limit, _resolve(item, scope, cls, name))
        if isinstance(mark, Union):
            arms = {key: _resolve(arm, scope, cls, name) for key, arm in mark.arms.items()}
            return _union(mark.discriminant, arms)
        if isinstance(mark, String) and any(isinstance(other, Interned) for other in marks):
            return InternedString(mark.limit)
        return mark
    arguments: tuple[Any, ...] = getattr(hint, "__args__", ())
    if len(arguments) == 2 and arguments[1] is type(None):
        return OptionalOf(_resolve(arguments[0], scope, cls, name))
    if isinstance(hint, type) and (issubclass(hint, Record) or hasattr(hint, "_fields")):
        return fields_of(hint)
    raise TypeError(f"{cls.__name__}.{name}: {hint!r} is no type of XDR")


def _union(discriminant: str, arms: dict[int, Any]) -> UnionOf:
    scalars = {key: arm.code for key, arm in arms.items() if isinstance(arm, Scalar)}
    strings = {key: arm.limit for key, arm in arms.items() if isinstance(arm, String)}
    if len(scalars) + len(strings) != len(arms):
        raise TypeError(f"the union of {discriminant} has an arm that is no number and no string")
    return UnionOf(discriminant, scalars, strings)


def compile_init(cls: type[Record]) -> None:
    """Give the class its constructor."""
    names = list(cls.__annotations__)
    defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}
    scope: dict[str, Any] = {f"_{name}": value for name, value in defaults.items()}
    parameters = [f"{name}=_{name}" if name in defaults else name for name in names]
    body = [f"    self.{name} = {name}" for name in names] or ["    pass"]
    source = "\n".join([f"def __init__({', '.join(['self', *parameters])}):", *body])
    _define(cls, "__init__", source, scope)


def compile_encode(cls: type[Record]) -> None:
    """Give the class its `encode`."""
    writer = _Writer()
    fields = fields_of(cls)
    writer.indent = 2
    for name, kind in fields.fields:
        writer.value(kind, f"self.{name}")
    result = writer.result()
    head = ["def encode(self):", "    try:"]
    if writer.uses_list:
        head += ["        out = []", "        add = out.append"]
    tail = [f"        return {result}", "    except mistakes as problem:"]
    tail += ["        misuse(self, problem)"]
    _define(cls, "encode", "\n".join([*head, *writer.lines, *tail]), writer.scope)


def compile_decode(cls: type[Record]) -> None:
    """Give the class its `decode`."""
    reader = _Reader()
    fields = fields_of(cls)
    reader.indent = 2
    value = reader.value(fields)
    reader.flush()
    head = [
        "def decode(data, o=0, end=None):",
        "    if end is None:",
        "        end = len(data)",
        "    try:",
        *(reader.lines or ["        pass"]),
    ]
    tail = [
        "    except struct_error:",
        "        short(name)",
        f"    if {reader.position()} > end:",
        "        short(name)",
        f"    return {value}",
    ]
    reader.scope["name"] = cls.__name__
    source = "\n".join([*head, *tail])
    _define(cls, "decode", source, reader.scope, staticmethod)


def _define(
    cls: type[Record],
    name: str,
    source: str,
    scope: dict[str, Any],
    wrap: Callable[[Any], Any] | None = None,
) -> None:
    code = compile(source, f"<xdr {cls.__name__}.{name}>", "exec")
    exec(code, scope)
    function = scope[name]
    function.__qualname__ = f"{cls.__qualname__}.{name}"
    setattr(cls, name, wrap(function) if wrap else function)


class _Source:
    """Lines of Python under construction, with the constants that they name."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.lines: list[str] = []
        self.indent = 1
        self.scope = dict(scope)
        self._names = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def new(self, letter: str = "v") -> str:
        self._names += 1
        return f"{letter}{self._names}"

    def constant(self, value: Any) -> str:
        for name, known in self.scope.items():
            if known is value:
                return name
        name = self.new("c")
        self.scope[name] = value
        return name

    def struct(self, codes: list[str], method: str) -> str:
        key = f"{method}_{''.join(codes)}"
        self.scope.setdefault(key, getattr(Struct(">" + "".join(codes)), method))
        return key


class _Writer(_Source):
    """Writes the body of `encode`.

    Values of fixed size gather in a run, runs and byte strings in parts; parts are joined at the
    end or, when there is a loop, added to the list `out`.
    """

    def __init__(self) -> None:
        super().__init__(WRITER_SCOPE)
        self.uses_list = False
        self._run: list[tuple[str, str]] = []
        self._parts: list[str] = []

    def result(self) -> str:
        """The expression that holds all bytes."""
        self._end_run()
        if self.uses_list:
            self._spill()
            return "join(out)"
        if len(self._parts) == 1:
            return self._parts[0]
        return f"join(({', '.join(self._parts)}))" if self._parts else "b''"

    def value(self, kind: Any, expression: str) -> None:
        """Write one value of this kind."""
        _WRITE[type(kind)](self, kind, expression)

    def scalar(self, kind: Scalar, expression: str) -> None:
        self._run.append((kind.code, expression))

    def string(self, kind: String, expression: str) -> None:
        text = self.new()
        self.line(f"{text} = {expression}.encode('utf-8', 'surrogateescape')")
        self._counted(text, kind.limit)

    def interned(self, kind: InternedString, expression: str) -> None:
        self._end_run()
        text = self.new()
        known, remember = map(self.constant, encoded_texts(kind.limit))
        self.line(f"{text} = {known}.get({expression}) or {remember}({expression})")
        self._parts.append(text)

    def opaque(self, kind: Opaque, expression: str) -> None:
        value = self._bound(expression)
        self._counted(value, kind.limit)

    def fixed_opaque(self, kind: FixedOpaque, expression: str) -> None:
        value = self._bound(expression)
        self.line(f"if len({value}) != {kind.size}:")
        self.line(f"    raise ValueError('%d bytes instead of {kind.size}' % len({value}))")
        padding = -kind.size & 3
        self._run.append((f"{kind.size}s{padding}x" if padding else f"{kind.size}s", value))

    def chars(self, kind: CharArray, expression: str) -> None:
        value = self._bound(expression)
        self._run.append(("I", self._length(value, kind.limit)))
        self._end_run()
        self._parts.append(f"widened({value})")

    def fixed_chars(self, kind: FixedCharArray, expression: str) -> None:
        self._end_run()
        value = self._bound(expression)
        self._length(value, kind.size)
        self._parts.append(f"widened({value}.ljust({kind.size}, b'\\0'))")

    def list_of(self, kind: ListOf, expression: str) -> None:
        value = self._bound(expression)
        length = self._length(value, kind.limit)
        self._run.append(("I", length))
        self._end_run()
        if isinstance(kind.item, Scalar):
            self._parts.append(f"pack('>%d{kind.item.code}' % {length}, *{value})")
            return
        self._spill()
        item = self.new("x")
        self.line(f"for {item} in {value}:")
        self._block(kind.item, item)

    def optional(self, kind: OptionalOf, expression: str) -> None:
        value = self._bound(expression)
        self._end_run()
        if isinstance(kind.item, String):
            text = f"some_text({value}, {kind.item.limit})"
            self._parts.append(f"none if {value} is None else {text}")
            return
        self._spill()
        self.line(f"if {value} is None:")
        self.line("    add(none)")
        self.line("else:")
        self._run.append(("I", "1"))
        self._block(kind.item, value)

    def fields(self, kind: Fields, expression: str) -> None:
        if not kind.is_tuple:
            value = self._bound(expression)
            for name, field in kind.fields:
                self.value(field, f"{value}.{name}")
            return
        names = {name: self.new() for name, _ in kind.fields}
        self.line(f"{', '.join(names.values())}, = {expression}")
        for name, field in kind.fields:
            if isinstance(field, UnionOf):
                self._union(field, names[field.discriminant], names[name])
            else:
                self.value(field, names[name])

    def _union(self, kind: UnionOf, discriminant: str, value: str) -> None:
        if not self._run or self._run.pop() != ("i", discriminant):
            raise TypeError(f"{kind.discriminant} must be an Int right before its union")
        self._end_run()
        packers = {key: Struct(f">i{code}").pack for key, code in kind.scalars.items()}
        packer, arm = self.new("p"), self.new("u")
        self.line(f"{packer} = {self.constant(packers)}.get({discriminant})")
        self.line(f"if {packer} is not None:")
        self.line(f"    {arm} = {packer}({discriminant}, {value})")
        self.line("else:")
        limits = self.constant(kind.strings)
        self.line(f"    {arm} = text_arm({discriminant}, {value}, {limits})")
        self._parts.append(arm)

    def _counted(self, value: str, limit: int) -> None:
        length = self._length(value, limit)
        self._run.append(("I", length))
        self._end_run()
        self._parts += [value, f"pad[{length} & 3]"]

    def _length(self, value: str, limit: int) -> str:
        length = self.new("n")
        self.line(f"{length} = len({value})")
        self.line(f"if {length} > {limit}:")
        self.line(f"    long({length}, {limit})")
        return length

    def _bound(self, expression: str) -> str:
        """A local name for the value; expressions are evaluated once."""
        if expression.isidentifier():
            return expression
        name = self.new()
        self.line(f"{name} = {expression}")
        return name

    def _block(self, kind: Any, expression: str) -> None:
        self.indent += 1
        self.value(kind, expression)
        self._end_run()
        self._spill()
        self.indent -= 1

    def _end_run(self) -> None:
        if self._run:
            codes = [code for code, _ in self._run]
            arguments = ", ".join(expression for _, expression in self._run)
            self._parts.append(f"{self.struct(codes, 'pack')}({arguments})")
            self._run = []

    def _spill(self) -> None:
        """Move the parts so far into `out`, in order."""
        self.uses_list = True
        if len(self._parts) > 2:
            self.line(f"out += ({', '.join(self._parts)})")
        else:
            for part in self._parts:
                self.line(f"add({part})")
        self._parts = []


class _Reader(_Source):
    """Writes the body of `decode`; `o + delta` is where the next field starts."""

    def __init__(self) -> None:
        super().__init__(READER_SCOPE)
        self.delta = 0
        self._run: list[tuple[str, str]] = []

    def value(self, kind: Any) -> str:
        """Read one value of this kind; the expression that holds it once the run is flushed."""
        result: str = _READ[type(kind)](self, kind)
        return result

    def flush(self) -> None:
        """Unpack the fixed-size fields that have gathered."""
        if self._run:
            codes = [code for code, _ in self._run]
            names = ", ".join(name for _, name in self._run)
            self.line(f"{names}, = {self.struct(codes, 'unpack_from')}(data, {self.position()})")
            self.delta += Struct(">" + "".join(codes)).size
            self._run = []

    def scalar(self, kind: Scalar) -> str:
        return self._fixed(kind.code)

    def fixed_opaque(self, kind: FixedOpaque) -> str:
        padding = -kind.size & 3
        return self._fixed(f"{kind.size}s{padding}x" if padding else f"{kind.size}s")

    def string(self, kind: String) -> str:
        text = self.new()
        self._counted(kind.limit, f"{text} = ", ".decode('utf-8', 'surrogateescape')")
        self.line(f"if nul in {text}:")
        self.line("    has_nul(name)")
        return text

    def interned(self, kind: InternedString) -> str:
        text = self.new()
        self._counted(kind.limit, f"{text} = ", "")
        known, remember = map(self.constant, decoded_texts())
        self.line(f"{text} = {known}.get({text}) or {remember}({text})")
        return text

    def opaque(self, kind: Opaque) -> str:
        value = self.new()
        self._counted(kind.limit, f"{value} = ", "")
        return value

    def chars(self, kind: CharArray) -> str:
        value, length = self.new(), self._length(kind.limit)
        self._wide(length, 4)
        self.line(f"{value} = narrowed(data, {self.position()}, {length})")
        self._skip(f"4 * {length}")
        return value

    def fixed_chars(self, kind: FixedCharArray) -> str:
        value = self.new()
        self.flush()
        self.line(f"{value} = narrowed(data, {self.position()}, {kind.size}).rstrip(b'\\0')")
        self.delta += 4 * kind.size
        return value

    def list_of(self, kind: ListOf) -> str:
        value, length = self.new(), self._length(kind.limit)
        if isinstance(kind.item, Scalar):
            size = Struct(">" + kind.item.code).size
            self._wide(length, size)
            code = f"'>%d{kind.item.code}' % {length}"
            self.line(f"{value} = list(unpack_from({code}, data, {self.position()}))")
            self._skip(f"{size} * {length}")
            return value
        self._commit()
        self._wide(length, 4)
        add = self.new("add")
        self.line(f"{value} = []")
        self.line(f"{add} = {value}.append")
        self.line(f"for _ in range({length}):")
        self._block(kind.item, f"{add}(%s)")
        return value

    def optional(self, kind: OptionalOf) -> str:
        value, flag = self.new(), self._fixed("I")
        self.flush()
        self._commit()
        self.line(f"if {flag} == 1:")
        self._block(kind.item, f"{value} = %s")
        self.line(f"elif {flag}:")
        self.line(f"    no_flag(name, {flag})")
        self.line("else:")
        self.line(f"    {value} = None")
        return value

    def fields(self, kind: Fields) -> str:
        values: dict[str, str] = {}
        for name, field in kind.fields:
            if isinstance(field, UnionOf):
                values[name] = self._union(field, values[field.discriminant])
            else:
                values[name] = self.value(field)
        cls = self.constant(kind.cls)
        if kind.is_tuple:
            return f"new_tuple({cls}, ({', '.join(values.values())},))"
        self.flush()
        record = self.new("r")
        self.line(f"{record} = new({cls})")
        for name, value in values.items():
            self.line(f"{record}.{name} = {value}")
        return record

    def _union(self, kind: UnionOf, discriminant: str) -> str:
        self.flush()
        self._commit()
        readers = {
            key: (Struct(f">{code}").unpack_from, Struct(f">{code}").size)
            for key, code in kind.scalars.items()
        }
        value, reader = self.new(), self.new("u")
        self.line(f"{reader} = {self.constant(readers)}.get({discriminant})")
        self.line(f"if {reader} is not None:")
        self.line(f"    {value}, = {reader}[0](data, o)")
        self.line(f"    o += {reader}[1]")
        self.line("else:")
        limits = self.constant(kind.strings)
        self.line(f"    {value}, o = text_arm(data, o, {discriminant}, {limits}, name)")
        return value

    def _fixed(self, code: str) -> str:
        name = self.new()
        self._run.append((code, name))
        return name

    def _length(self, limit: int) -> str:
        """Read a length and hold it against its limit."""
        length = self._fixed("I")
        self.flush()
        self.line(f"if {length} > {limit}:")
        self.line(f"    long({length}, {limit}, name)")
        return length

    def _wide(self, length: str, size: int) -> None:
        """Refuse a count that the bytes at hand cannot hold."""
        self.line(f"if {size} * {length} > end - {self.position('(%s)')}:")
        self.line("    short(name)")

    def _counted(self, limit: int, before: str, after: str) -> None:
        length = self._length(limit)
        stop = self.new("e")
        self.line(f"{stop} = {self.position()} + {length}")
        self.line(f"{before}data[{self.position()}:{stop}]{after}")
        self.line(f"o = {stop} + (-{length} & 3)")
        self.delta = 0

    def _skip(self, size: str) -> None:
        self.line(f"o = {self.position()} + {size}")
        self.delta = 0

    def position(self, grouped: str = "%s") -> str:
        """Where the next field starts, as an expression."""
        return grouped % f"o + {self.delta}" if self.delta else "o"

    def _commit(self) -> None:
        """Bring `o` up to date, before code that runs more than once or perhaps not."""
        if self.delta:
            self.line(f"o += {self.delta}")
            self.delta = 0

    def _block(self, kind: Any, use: str) -> None:
        self.indent += 1
        value = self.value(kind)
        self.flush()
        self.line(use % value)
        self._commit()
        self.indent -= 1


_WRITE: Final[dict[type[Any], Callable[[_Writer, Any, str], None]]] = {
    Scalar: _Writer.scalar,
    String: _Writer.string,
    InternedString: _Writer.interned,
    Opaque: _Writer.opaque,
    FixedOpaque: _Writer.fixed_opaque,
    CharArray: _Writer.chars,
    FixedCharArray: _Writer.fixed_chars,
    ListOf: _Writer.list_of,
    OptionalOf: _Writer.optional,
    Fields: _Writer.fields,
}
_READ: Final[dict[type[Any], Callable[[_Reader, Any], str]]] = {
    Scalar: _Reader.scalar,
    String: _Reader.string,
    InternedString: _Reader.interned,
    Opaque: _Reader.opaque,
    FixedOpaque: _Reader.fixed_opaque,
    CharArray: _Reader.chars,
    FixedCharArray: _Reader.fixed_chars,
    ListOf: _Reader.list_of,
    OptionalOf: _Reader.optional,
    Fields: _Reader.fields,
}
