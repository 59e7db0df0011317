"""Key codes of libvirt's code sets as QEMU's key numbers, which are PC set 1 codes in eight bits.

The rule kept here: Linux' codes are the pivot; every other set is a list of its codes in the order
of Linux' codes, with 0 where the set has no such key. An extended code (E0 xx) is xx + 128.
"""

from __future__ import annotations

from functools import cache

from virtory.errors import InternalError, InvalidArgument
from virtory.model.flags import KeycodeSet

_NAMES = {
    KeycodeSet.LINUX: "linux",
    KeycodeSet.XT: "xt",
    KeycodeSet.ATSET1: "atset1",
    KeycodeSet.ATSET2: "atset2",
    KeycodeSet.ATSET3: "atset3",
    KeycodeSet.OSX: "osx",
    KeycodeSet.XT_KBD: "xt_kbd",
    KeycodeSet.USB: "usb",
    KeycodeSet.WIN32: "win32",
    KeycodeSet.QNUM: "qnum",
}

# Linux codes 1 to 83 and 86 to 88 are set 1 codes themselves; the others from 85 on:
_SET1_FROM_85 = bytes.fromhex(
    "76 56 57 58 73 78 77 79 70 7b 5c 9c 9d b5 54 b8 5b c7 c8 c9 cb cd cf d0 d1 d2 d3 ef a0 ae b0"
    "de 59 ce c6 8b 7e f2 8d 7d db dc dd e8 85 86 87 8c f8 64 65 c1 bc f5 9e a1 66 df e3"
)
# From Linux code 1 on; set 2 and 3 as the keyboard sends them (E0 as + 128), USB usages of page 7.
_SET2_FROM_1 = bytes.fromhex(
    "76 16 1e 26 25 2e 36 3d 3e 46 45 4e 55 66 0d 15 1d 24 2d 2c 35 3c 43 44 4d 54 5b 5a 14 1c 1b"
    "23 2b 34 33 3b 42 4b 4c 52 0e 12 5d 1a 22 21 2a 32 31 3a 41 49 4a 59 7c 11 29 58 05 06 04 0c"
    "03 0b 83 0a 01 09 77 7e 6c 75 7d 7b 6b 73 74 79 69 72 7a 70 71 00 5f 61 78 07 51 63 62 64 13"
    "67 27 da 94 ca 00 91 00 ec f5 fd eb f4 e9 f2 fa f0 f1"
)
_SET3_FROM_1 = bytes.fromhex(
    "08 16 1e 26 25 2e 36 3d 3e 46 45 4e 55 66 0d 15 1d 24 2d 2c 35 3c 43 44 4d 54 5b 5a 11 1c 1b"
    "23 2b 34 33 3b 42 4b 4c 52 0e 12 5c 1a 22 21 2a 32 31 3a 41 49 4a 59 7e 19 29 14 07 0f 17 1f"
    "27 2f 37 3f 47 4f 76 5f 6c 75 7d 84 6b 73 74 7c 69 72 7a 70 71 00 00 13 56 5e 00 00 00 86 87"
    "85 00 79 58 77 57 39 00 6e 63 6f 61 6a 65 60 6d 67 64"
)
_USB_FROM_1 = bytes.fromhex(
    "29 1e 1f 20 21 22 23 24 25 26 27 2d 2e 2a 2b 14 1a 08 15 17 1c 18 0c 12 13 2f 30 28 e0 04 16"
    "07 09 0a 0b 0d 0e 0f 33 34 35 e1 32 1d 1b 06 19 05 11 10 36 37 38 e5 55 e2 2c 39 3a 3b 3c 3d"
    "3e 3f 40 41 42 43 53 47 5f 60 61 56 5c 5d 5e 57 59 5a 5b 62 63 00 94 64 44 45 87 92 93 8a 88"
    "8b 8c 58 e4 54 46 e6 00 4a 52 4b 50 4f 4d 51 4e 49 4c 00 7f 81 80 66 67 00 48 00 85 90 91 89"
    "e3 e7 65"
)
_WIN32_FROM_1 = bytes.fromhex(
    "1b 31 32 33 34 35 36 37 38 39 30 bd bb 08 09 51 57 45 52 54 59 55 49 4f 50 db dd 0d a2 41 53"
    "44 46 47 48 4a 4b 4c ba de c0 a0 dc 5a 58 43 56 42 4e 4d bc be bf a1 6a a4 20 14 70 71 72 73"
    "74 75 76 77 78 79 90 91 67 68 69 6d 64 65 66 6b 61 62 63 60 6e 00 00 e2 7a 7b 00 15 00 1c 00"
    "1d 00 00 a3 6f 2c a5 00 24 26 21 25 27 23 28 22 2d 2e 00 ad ae af 00 00 00 13 00 6c 00 19 00"
    "5b 5c 5d"
)
_WIN32_ALSO = {0x10: 42, 0x11: 29, 0x12: 56}  # shift, control and menu without a side
_OSX_FROM_1 = bytes.fromhex(
    "35 12 13 14 15 17 16 1a 1c 19 1d 1b 18 33 30 0c 0d 0e 0f 11 10 20 22 1f 23 21 1e 24 3b ff 01"
    "02 03 05 04 26 28 25 29 27 32 38 2a 06 07 08 09 0b 2d 2e 2b 2f 2c 3c 43 3a 31 39 7a 78 63 76"
    "60 61 62 64 65 6d 00 00 59 5b 5c 4e 56 57 58 45 53 54 55 52 41 00 00 00 67 6f 00 68 00 00 00"
    "00 5f 4c 3e 4b 00 3d 00 73 7e 74 7b 7c 77 7d 79 00 75 00 4a 49 48 00 51 00 00 00 47 00 00 5d"
    "37 00 3f"
)
_OSX_A = 0xFF  # the A key's code is 0, which marks "no such key" in the list


def key_number(codeset: int, code: int) -> int:
    """QEMU's number of the key.

    Raises InvalidArgument for a set, InternalError (libvirt's choice) for a code that is not there.
    """
    if codeset not in _NAMES:
        raise InvalidArgument(f"Unsupported codeset '{codeset}'")
    number = _number(codeset, code)
    if not number:
        raise InternalError(
            f"cannot translate keycode {code} of {_NAMES[codeset]} codeset to qnum keycode"
        )
    return number


def _number(codeset: int, code: int) -> int:
    if codeset == KeycodeSet.LINUX:
        return _from_linux(code)
    if codeset == KeycodeSet.QNUM:
        return code if 0 < code < 256 else 0
    if codeset in (KeycodeSet.XT, KeycodeSet.ATSET1, KeycodeSet.XT_KBD):
        return _from_set1(code)
    return _from_linux(_table(codeset).get(code, 0))


def _from_linux(code: int) -> int:
    if 0 < code <= 83:
        return code
    if 85 <= code < 85 + len(_SET1_FROM_85):
        return _SET1_FROM_85[code - 85]
    return 0


def _from_set1(code: int) -> int:
    """Plain codes, E0 xx as 0xE0xx, and the kernel's notation 0x100 + xx."""
    if 0 < code < 0x80:
        return code
    if code >> 8 in (0xE0, 0x01) and 0 < code & 0xFF < 0x80:
        return code & 0x7F | 0x80
    return 0


@cache
def _table(codeset: int) -> dict[int, int]:
    """The set's codes → Linux' codes; built at the first key of that set."""
    codes, also = {
        KeycodeSet.ATSET2: (_SET2_FROM_1, {}),
        KeycodeSet.ATSET3: (_SET3_FROM_1, {}),
        KeycodeSet.USB: (_USB_FROM_1, {}),
        KeycodeSet.WIN32: (_WIN32_FROM_1, _WIN32_ALSO),
        KeycodeSet.OSX: (_OSX_FROM_1, {0: 30}),
    }[codeset]
    table = dict(also)
    for linux, code in enumerate(codes, 1):
        if code:
            table.setdefault(code, linux)
    if codeset == KeycodeSet.ATSET2:
        table.update({0xE000 | code & 0x7F: key for code, key in table.items() if code > 0x83})
    if codeset == KeycodeSet.OSX:
        del table[_OSX_A]
    return table
