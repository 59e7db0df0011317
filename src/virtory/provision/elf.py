"""Which shared libraries an ELF program needs, read from its dynamic section.

The rule kept here: the file is only read, never run. (System V ABI, chapters 4 and 5)
"""

from __future__ import annotations

import struct

_PT_DYNAMIC, _PT_LOAD, _PT_INTERP = 2, 1, 3
_DT_NEEDED, _DT_STRTAB = 1, 5
_SEGMENT = struct.Struct("<IIQQQQQQ")


def needed(data: bytes) -> list[str]:
    """Names such as `libz.so.1`, and the interpreter's path; empty for a static program."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = [_SEGMENT.unpack_from(data, table + index * size) for index in range(count)]
    loads = [(s[3], s[2], s[5]) for s in segments if s[0] == _PT_LOAD]
    names: list[str] = []
    for kind, _, offset, _, _, length, _, _ in segments:
        if kind == _PT_INTERP:
            names.append(_text(data, offset))
        elif kind == _PT_DYNAMIC:
            entries = list(struct.iter_unpack("<QQ", data[offset : offset + length]))
            strings = next((value for tag, value in entries if tag == _DT_STRTAB), 0)
            base = _file_offset(strings, loads)
            names += [_text(data, base + value) for tag, value in entries if tag == _DT_NEEDED]
    return names


def _file_offset(address: int, loads: list[tuple[int, int, int]]) -> int:
    for start, offset, length in loads:
        if start <= address < start + length:
            return address - start + offset
    return address


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
