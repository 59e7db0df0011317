"""The real virt-viewer, in a display of its own, gets its display by descriptor."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from typing import Any

import pytest

pytestmark = pytest.mark.interop


def test_virt_viewer_is_handed_the_display(traced_daemon: Any) -> None:
    if not shutil.which("virt-viewer") or not shutil.which("Xvfb"):
        pytest.skip("virt-viewer or Xvfb is not installed")
    with tempfile.TemporaryFile() as number:
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-nolisten", "tcp"],
            stdout=number,
            stderr=subprocess.DEVNULL,
        )
        viewer = None
        try:
            display = wait_for(lambda: number.seek(0) or number.read().strip().decode())
            viewer = subprocess.Popen(
                ["virt-viewer", "--attach", "-c", traced_daemon.uri, "test"],
                env={"DISPLAY": f":{display}", "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wait_for(lambda: "CONNECT_REGISTER_CLOSE" in traced_daemon.errors.read_text())
        finally:
            for process in (viewer, server):
                if process is not None:
                    process.kill()
                    process.wait()
    calls = re.findall(r": ([A-Z_]+), call", traced_daemon.errors.read_text())
    assert "DOMAIN_OPEN_GRAPHICS_FD" in calls
    assert "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY" in calls
    assert "open_graphics" not in traced_daemon.errors.read_text()


def wait_for(condition: Any) -> Any:
    """The first true value of the condition; another program's progress can only be watched."""
    for _ in range(600):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 seconds")
