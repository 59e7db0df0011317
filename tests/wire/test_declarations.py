"""Every declaration of libvirt's programs, held against the published protocol.

`protocol.json` holds what libvirt 9.0.0 publishes: numbers, records, fields, limits, permissions.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from virtory.codec import xdr
from virtory.codec.xdr_compiler import (
    Fields,
    InternedString,
    ListOf,
    OptionalOf,
    UnionOf,
    fields_of,
)
from virtory.wire.frame import HEADER
from virtory.wire.procedure import KEEPALIVE, QEMU, REMOTE, VIRTORY, AnyProcedure, Program, find
from virtory.wire.remote import index
from virtory.wire.stream import NetStreamHole

FACTS = json.loads((Path(__file__).parents[1] / "data/wire/protocol.json").read_text())
PROGRAMS = {"remote": REMOTE, "qemu": QEMU, "keepalive": KEEPALIVE}
NUMBERS = {"i": "int", "I": "uint", "q": "hyper", "Q": "uhyper", "d": "double"}

# Streams that libvirt's protocol file does not tell: the first is written by hand on both sides,
# and through the other two data goes both ways.
STREAMS = {
    "DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS": "write",
    "DOMAIN_OPEN_CONSOLE": "both",
    "DOMAIN_OPEN_CHANNEL": "both",
}


def loaded() -> None:
    for module in index.MODULES:
        import_module(f"virtory.wire.remote.{module}")
    for name in ("qemu", "keepalive", "virtory"):
        import_module(f"virtory.wire.{name}")


loaded()
DECLARED = [(program, p) for program in PROGRAMS.values() for p in program.declared.values()]


def camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def snake(name: str) -> str:
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return "from_" if name == "from" else name


def described(kind: Any) -> str:
    """A resolved field type in the words of the facts."""
    match kind:
        case xdr.Scalar(code):
            return NUMBERS[code]
        case xdr.String(limit) | InternedString(limit):
            return f"string<{limit}>"
        case xdr.Opaque(limit):
            return f"opaque<{limit}>"
        case xdr.FixedOpaque(size):
            return f"opaque[{size}]"
        case xdr.CharArray(limit):
            return f"char<{limit}>"
        case xdr.FixedCharArray(size):
            return f"char[{size}]"
        case ListOf(limit, item):
            return f"{described(item)}<{limit}>"
        case OptionalOf(item):
            return f"optional {described(item)}"
        case UnionOf(_, scalars, strings):
            arms = {key: NUMBERS[code] for key, code in scalars.items()}
            arms |= {key: f"string<{limit}>" for key, limit in strings.items()}
            return "union {" + ", ".join(f"{key}: {arms[key]}" for key in sorted(arms)) + "}"
        case Fields(cls, _):
            return str(cls.__name__)
    raise AssertionError(kind)


def declared_fields(cls: type[Any]) -> dict[str, str]:
    """Field → type; a union's discriminant, flattened by us, belongs to the union again."""
    fields = fields_of(cls).fields
    discriminants = {kind.discriminant for _, kind in fields if isinstance(kind, UnionOf)}
    return {name: described(kind) for name, kind in fields if name not in discriminants}


def published_fields(struct: str) -> dict[str, str]:
    """Field → type, with our names for fields and records."""
    return {
        snake(name): re.sub(r"\b(?:remote|qemu)_\w+", lambda match: ours(match[0]), kind)
        for name, kind in FACTS["structs"][struct].items()
    }


def ours(struct: str) -> str:
    return camel(re.sub("^(remote|qemu)_", "", struct))


def home_of(struct: str) -> type[Any]:
    """Our class for one of libvirt's structs, wherever it stands."""
    name = ours(struct)
    modules = ["virtory.wire.qemu"] if struct.startswith("qemu_") else []
    if struct.startswith("remote_"):
        modules = [f"virtory.wire.remote.{module}" for module in ("types", *index.MODULES)]
    found = [
        vars(sys.modules[module])[name]
        for module in modules
        if vars(sys.modules[module]).get(name) is not None
        and vars(sys.modules[module])[name].__module__ == module
    ]
    assert len(found) == 1, f"{struct}: {found}"
    return found[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_has_every_published_procedure_and_no_other(name: str) -> None:
    program, facts = PROGRAMS[name], FACTS["programs"][name]
    assert (program.number, program.version) == (facts["number"], facts["version"])
    declared = {procedure.name: number for number, procedure in program.declared.items()}
    assert declared == {proc: fact["number"] for proc, fact in facts["procedures"].items()}


@pytest.mark.parametrize(
    ("program", "procedure"), DECLARED, ids=[procedure.name for _, procedure in DECLARED]
)
def test_a_procedure_is_as_published(program: Program, procedure: AnyProcedure) -> None:
    fact = FACTS["programs"][program.name]["procedures"][procedure.name]
    for ours_, theirs in (("args", "args"), ("ret", "ret"), ("message", "msg")):
        record = getattr(procedure, ours_)
        struct = fact.get(theirs)
        assert record is (home_of(struct) if struct else None)
    assert procedure.event == (fact["kind"] != "call")
    assert procedure.high == fact.get("high", False)
    assert procedure.stream == STREAMS.get(procedure.name, fact.get("stream"))
    if program is not KEEPALIVE:
        assert procedure.acl == tuple(fact["acl"])
    assert procedure.acl_filter == tuple(fact.get("acl_filter", ()))
    assert find(program.number, procedure.number) is procedure


@pytest.mark.parametrize(
    "struct", [s for s in FACTS["structs"] if s.startswith(("remote", "qemu"))]
)
def test_a_record_has_the_published_fields_in_order(struct: str) -> None:
    declared, published = declared_fields(home_of(struct)), published_fields(struct)
    assert list(declared.items()) == list(published.items())


def test_the_frame_and_the_hole_have_the_published_fields() -> None:
    assert HEADER.format == ">I" + "IIiiIi"
    assert list(FACTS["structs"]["virNetMessageHeader"].values()) == [
        "uint",
        "uint",
        "int",
        "int",
        "uint",
        "int",
    ]
    assert declared_fields(NetStreamHole) == FACTS["structs"]["virNetStreamHole"]
    assert published_fields("virNetMessageError").keys() == published_fields("remote_error").keys()


def test_only_the_volume_streams_can_have_holes() -> None:
    sparse = {procedure.name for _, procedure in DECLARED if procedure.sparse}
    assert sparse == {"STORAGE_VOL_UPLOAD", "STORAGE_VOL_DOWNLOAD"}


@pytest.mark.parametrize("module", index.MODULES)
def test_the_index_knows_exactly_what_each_file_declares(module: str) -> None:
    scope = vars(import_module(f"virtory.wire.remote.{module}"))
    declared = {
        name: value.number for name, value in scope.items() if type(value).__name__ == "Procedure"
    }
    assert sorted(declared.values()) == list(index.MODULES[module])
    assert all(REMOTE.declared[number].name == name for name, number in declared.items())
    assert all(index.module_of(number) == module for number in declared.values())


@pytest.mark.parametrize("number", [0, 444, 999, 2**31 - 1, -1])
def test_a_number_beyond_the_program_is_not_found(number: int) -> None:
    assert find(REMOTE.number, number) is None
    assert find(QEMU.number, number) is None
    assert find(VIRTORY.number, number) is None
    assert find(12345, number) is None


def test_two_procedures_cannot_claim_one_number() -> None:
    program = Program("test", 1, 1)
    program.event("ONE", 1, None)
    with pytest.raises(TypeError, match="TWO and ONE claim number 1"):
        program.event("TWO", 1, None)


@pytest.mark.parametrize("module", index.MODULES)
def test_a_file_reads_in_order_records_right_before_their_procedure(module: str) -> None:
    """Every record stands before the procedure that first uses it, and after the one before."""
    source = import_module(f"virtory.wire.remote.{module}").__file__
    assert source is not None
    waiting: set[str] = set()
    for node in ast.parse(Path(source).read_text()).body:
        if isinstance(node, ast.ClassDef):
            waiting.add(node.name)
        elif isinstance(node, ast.Assign):
            used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
            records = {name for name in waiting if not _is_shared_value(name)}
            assert records <= used, f"{sorted(records - used)} stand far from their procedure"
            waiting.clear()


def _is_shared_value(name: str) -> bool:
    return not name.endswith(("Args", "Ret", "Msg"))


def test_our_own_program_is_declared_and_apart_from_libvirts() -> None:
    assert {p.name: n for n, p in VIRTORY.declared.items()} == {
        "DAEMON_INFO": 1,
        "HOST_REPORT": 2,
        "DOMAIN_CONSOLE_HISTORY": 3,
        "DOMAIN_INSPECT": 4,
        "DOMAIN_PUBLISH": 5,
        "DOMAIN_CLONE": 6,
        "DOMAIN_CLONE_PROGRESS": 7,
        "DOMAIN_CLONE_GIVE_UP": 8,
    }
    assert VIRTORY.number not in {0x20008086, 0x20008087, 0x06900690, 0x6B656570, 0x00068000}
