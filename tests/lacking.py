"""What this host lacks for some tests, as the reason for which they are skipped; empty: nothing.

The rule kept here: what is missing is looked for and named, and nothing of the host is touched.
"""

from __future__ import annotations

import os
import subprocess
import sys

import virtory


def for_bridges() -> str:
    """Why guests can not be on bridges of their own."""
    if os.geteuid() != 0:
        return "bridges need root"
    return "" if os.path.exists("/dev/net/tun") else "taps need /dev/net/tun"


def for_user(uid: int) -> str:
    """Why this user can not run what is tested, as in a checkout in root's home."""
    # By way of env: setpriv itself still has root's way into directories when it executes.
    become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "env"]
    tried = subprocess.run(
        [*become, sys.executable, "-c", "import virtory"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.path.dirname(virtory.__path__[0])},
        capture_output=True,
        check=False,
    )
    return f"an ordinary user can not run {sys.executable}" if tried.returncode else ""
