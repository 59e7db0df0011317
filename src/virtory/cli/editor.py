"""The user's editor, on a private temporary file.

The rule kept here: what was typed is never lost: a refused text is offered again.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile

from virtory.errors import OperationFailed


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


def again() -> bool:
    """Whether the user wants to correct what was refused; False where nobody can answer."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write("Edit it again? [Y/n] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")
