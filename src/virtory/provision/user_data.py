"""A user's own data for cloud-init, looked at before a machine is made of it.

The rule kept here: what cloud-init would pass over in the guest, where nobody sees it, is refused
here with the line. Only what every cloud-init refuses: which settings there are, it knows itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.errors import InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

MAX_USER_DATA = 1 << 20
_STARTS = (
    *(b"#cloud-config", b"#!", b"#include", b"#cloud-boothook", b"#part-handler", b"## template"),
    *(b"Content-Type:", b"MIME-Version:", b"\x1f\x8b"),
)
_CURE = "mend that line: YAML indents by spaces, and a text with ': ' or ' #' in it needs quotes"


def read_user_data(path: Path) -> bytes:
    """The user's own data; raises `InvalidArgument` when cloud-init would ignore it."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_USER_DATA + 1)
    except OSError as error:
        raise InvalidArgument(f"the user data {path} can not be read: {error.strerror}") from None
    if len(data) > MAX_USER_DATA:
        raise InvalidArgument(f"the user data {path} is larger than {MAX_USER_DATA} bytes")
    if not data.startswith(_STARTS):
        raise InvalidArgument(
            f"cloud-init would ignore {path}: its first line is not one it knows",
            cure="begin it with '#cloud-config' (settings) or '#!' (a script)",
        )
    if data.split(maxsplit=1)[0] == b"#cloud-config":
        _refuse_unreadable(path, data)
    return data


def _refuse_unreadable(path: Path, data: bytes) -> None:
    """Settings must be YAML, and a mapping."""
    import yaml

    try:
        found = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        raise InvalidArgument(
            f"cloud-init would ignore {path}{where}: {error.problem or error.context}", cure=_CURE
        ) from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        why = " ".join(str(error).split())
        if isinstance(error, LookupError | AttributeError):  # how PyYAML fails at '!!int ""'
            why = "a value is not what its tag says"
        raise InvalidArgument(f"cloud-init would ignore {path}: {why}", cure=_CURE) from None
    if found is not None and not isinstance(found, dict):
        kind = "a list" if isinstance(found, list) else "a text"
        raise InvalidArgument(
            f"cloud-init would ignore {path}: below its first line is {kind}, where it looks for"
            " settings",
            cure="write settings as 'NAME: VALUE', as in 'packages: [git]'",
        )
