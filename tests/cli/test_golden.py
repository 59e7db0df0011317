"""What the command line prints, held against recorded conversations.

A file of `tests/data/cli` is one conversation with a fresh host: lines that begin with `$ ` are
typed, what follows is the answer; standard error has `! ` before each line, and a status other than
0 ends the answer as `[1]`. VIRTORY_RECORD=1 in the environment writes the files anew.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parents[1] / "data" / "cli"
CONVERSATIONS = sorted(DATA.glob("*.txt"))
RECORD = bool(os.environ.get("VIRTORY_RECORD"))


def typed(text: str) -> list[str]:
    """The lines of a conversation that the user typed."""
    return [line[2:] for line in text.splitlines() if line.startswith("$ ")]


def said(ran: Any, hidden: dict[str, str]) -> str:
    """An answer as it stands in a conversation; `hidden` values differ from run to run."""
    error = "".join(f"! {line}\n" for line in ran.err.splitlines())
    status = f"[{ran.status}]\n" if ran.status else ""
    text = f"{ran.out}{error}"
    for value, name in hidden.items():
        text = text.replace(value, name)
    return text + ("\n" if text and not text.endswith("\n") else "") + status


def test_there_are_conversations() -> None:
    assert len(CONVERSATIONS) >= 12


@pytest.mark.parametrize("path", CONVERSATIONS, ids=lambda path: path.stem)
def test_a_conversation_goes_as_recorded(
    path: Path, virtory: Callable[..., Any], daemon: Any, small: str, tmp_path: Path
) -> None:
    recorded = path.read_bytes().decode()
    hidden = {str(tmp_path): "DIRECTORY"}
    heard = ""
    for line in typed(recorded):
        assert line.partition(" ")[0] == "virtory", line
        words = [word.replace("DIRECTORY", str(tmp_path)) for word in shlex.split(line)[1:]]
        heard += f"$ {line}\n{said(virtory(*words), hidden)}"
    if RECORD:
        path.write_bytes(heard.encode())
    assert heard == recorded
