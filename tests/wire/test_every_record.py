"""Every record of every program: made-up values of its types go out and come back the same."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest

from virtory.codec import xdr
from virtory.codec.xdr import Record, XdrError
from virtory.codec.xdr_compiler import (
    Fields,
    InternedString,
    ListOf,
    OptionalOf,
    UnionOf,
    fields_of,
)
from virtory.wire.procedure import KEEPALIVE, QEMU, REMOTE, VIRTORY
from virtory.wire.remote.index import MODULES
from virtory.wire.remote.types import Error
from virtory.wire.stream import NetStreamHole

NUMBERS = {
    "i": (-(2**31), 2**31 - 1),
    "I": (0, 2**32 - 1),
    "q": (-(2**63), 2**63 - 1),
    "Q": (0, 2**64 - 1),
}
LETTERS = string.ascii_letters + "é漢\udce9"


def all_records() -> list[type[Record]]:
    from importlib import import_module

    for name in [f"remote.{module}" for module in MODULES] + ["qemu", "keepalive", "virtory"]:
        import_module(f"virtory.wire.{name}")
    procedures = [
        procedure
        for program in (REMOTE, QEMU, KEEPALIVE, VIRTORY)
        for procedure in program.declared.values()
    ]
    records = {
        record: None
        for procedure in procedures
        for record in (procedure.args, procedure.ret, procedure.message)
        if record is not None
    }
    return [*records, Error, NetStreamHole]


class Maker:
    """Makes values of resolved field types; the same ones for the same seed."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def text(self, limit: int) -> str:
        length = self.random.randrange(min(limit, 40) // 3 + 1)
        return "".join(self.random.choice(LETTERS) for _ in range(length))

    def number(self, code: str) -> int | float:
        if code == "d":
            return self.random.uniform(-1e9, 1e9)
        low, high = NUMBERS[code]
        return self.random.choice((low, high, 0, self.random.randint(low, high)))

    def value(self, kind: Any) -> Any:
        match kind:
            case xdr.Scalar(code):
                return self.number(code)
            case xdr.String(limit) | InternedString(limit):
                return self.text(limit)
            case xdr.Opaque(limit) | xdr.CharArray(limit):
                return self.random.randbytes(self.random.randrange(min(limit, 40) + 1))
            case xdr.FixedOpaque(size):
                return self.random.randbytes(size)
            case xdr.FixedCharArray(size):
                return b"x86_64"[:size]
            case ListOf(limit, item):
                count = self.random.randrange(min(limit, 3) + 1)
                return [self.value(item) for _ in range(count)]
            case OptionalOf(item):
                return self.value(item) if self.random.random() < 0.7 else None
            case Fields():
                return self.record(kind)
        raise AssertionError(kind)

    def record(self, shape: Fields) -> Any:
        values: dict[str, Any] = {}
        for name, kind in shape.fields:
            if isinstance(kind, UnionOf):
                arm = self.random.choice([*kind.scalars, *kind.strings])
                values[kind.discriminant] = arm
                text = arm in kind.strings
                values[name] = self.text(40) if text else self.number(kind.scalars[arm])
            else:
                values[name] = self.value(kind)
        return shape.cls(**values)


RECORDS = all_records()


def test_there_are_as_many_records_as_libvirt_and_we_declare() -> None:
    assert len(RECORDS) > 660


@pytest.mark.parametrize("cls", RECORDS, ids=[cls.__name__ for cls in RECORDS])
def test_a_record_comes_back_as_it_went_out(cls: type[Record]) -> None:
    maker = Maker(cls.__name__)
    for _ in range(4):
        record = maker.record(fields_of(cls))
        data = record.encode()
        assert len(data) % 4 == 0
        assert cls.decode(data) == record
        assert cls.decode(b"ab" + data + b"more", 2) == record
        if data:
            with pytest.raises(XdrError):
                cls.decode(data, 0, len(data) - 1)
