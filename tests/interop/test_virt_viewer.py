"""The real virt-viewer, on a display of its own, gets its guest's display by descriptor."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from typing import Any

import pytest

pytestmark = pytest.mark.interop


def test_virt_viewer_is_handed_the_display(traced_daemon: Any) -> None:
    if not shutil.which("virt-viewer") or not shutil.which("xvfb-run"):
        pytest.skip("virt-viewer or xvfb-run is not installed")
    viewer = subprocess.Popen(
        ["xvfb-run", "-a", "virt-viewer", "--attach", "-c", traced_daemon.uri, "test"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(600):  # another program's progress can only be watched
            if "CONNECT_REGISTER_CLOSE" in traced_daemon.errors.read_text():
                break
            time.sleep(0.05)
    finally:
        os.killpg(viewer.pid, signal.SIGTERM)
        viewer.wait()
    calls = re.findall(r": ([A-Z_]+), call", traced_daemon.errors.read_text())
    assert "DOMAIN_OPEN_GRAPHICS_FD" in calls
    assert "CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY" in calls
    assert "CONNECT_REGISTER_CLOSE_CALLBACK" in calls
