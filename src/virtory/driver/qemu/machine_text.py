"""How values are spelled in QEMU's arguments.

The rule kept here: a comma in the user's text is doubled, so that it can not begin an option.
"""

from __future__ import annotations

import json
from typing import Any


def escaped(text: str) -> str:
    """Text as part of a comma-separated option."""
    return text.replace(",", ",,")


def packed(value: dict[str, Any]) -> str:
    """A JSON argument, without blanks."""
    return json.dumps(value, separators=(",", ":"))


def on(value: bool) -> str:
    """`on` or `off`."""
    return "on" if value else "off"
