"""The user's editor, on a private temporary file.

The rule kept here: what was typed is never lost: a refused text is offered again.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile

from virtory.errors import OperationFailed, VirtoryError
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from virtory.cli.terminal import Terminal


def edited(text: str, *, suffix: str) -> str:
    """What the user made of `text` in $VISUAL, $EDITOR or the system's editor."""
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "sensible-editor")
    descriptor, path = tempfile.mkstemp(prefix="virtory-", suffix=suffix)
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        try:
            status = subprocess.run([*words, path], check=False).returncode
        except FileNotFoundError:
            raise OperationFailed(
                f"the editor '{words[0]}' is not installed", cure="set EDITOR to one that is"
            ) from None
        if status:
            raise OperationFailed(f"the editor ended with status {status}; nothing was changed")
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    finally:
        os.unlink(path)


async def kept(
    terminal: Terminal,
    before: str,
    keep: Callable[[str], Awaitable[object]],
    *,
    always: bool = False,
) -> bool:
    """Have a description edited and kept; False when it was left as it was.

    Args:
        keep: takes the new text; what it refuses is said, and the user may correct it.
        always: keep it even unchanged.
    """
    after = edited(before, suffix=".xml")
    while always or after.strip() != before.strip():
        try:
            await keep(after)
        except VirtoryError as error:
            terminal.say(f"error: {error}")
            if not _again():
                raise
            after = edited(after, suffix=".xml")
        else:
            return True
    return False


def _again() -> bool:
    """Whether the user wants to correct what was refused; False where nobody can answer."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write("Edit it again? [Y/n] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")
