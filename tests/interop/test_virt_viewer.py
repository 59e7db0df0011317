"""The real virt-viewer, on a display of its own, gets its guest's display by descriptor."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import screens

pytestmark = pytest.mark.interop
WANTED = {
    "DOMAIN_OPEN_GRAPHICS_FD",
    "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY",
    "CONNECT_REGISTER_CLOSE_CALLBACK",
}


def test_virt_viewer_is_handed_the_display(traced_daemon: Any, tmp_path: Path) -> None:
    if reason := screens.lacking("virt-viewer"):
        pytest.skip(reason)

    def calls() -> set[str]:
        return set(re.findall(r": ([A-Z_]+), call", traced_daemon.errors.read_text()))

    screen = screens.Screen(tmp_path)
    try:
        screen.start("virt-viewer", "--attach", "-c", traced_daemon.uri, "test")
        screen.until(lambda: calls() >= WANTED, f"its calls {sorted(WANTED)}")
    finally:
        screen.close()
