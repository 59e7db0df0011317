"""Where running networks keep their files.

The rule kept here: every start of a daemon asks, so nothing of what makes a network is imported.
"""

from __future__ import annotations

import hashlib
import os
import re

APART = "/run/virtory-"
"""Where networks have their files whose daemon's own directory is closed to others."""
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


def networks_directory(run_directory: str) -> str:
    """Where running networks keep their files: dnsmasq's user must be able to get there."""
    path = os.path.realpath(run_directory)
    usable = _PLAIN.fullmatch(run_directory) is not None  # as it stands in files of others' formats
    while usable and path != "/":
        usable = bool(os.stat(path).st_mode & 0o001)
        path = os.path.dirname(path)
    if usable:
        return os.path.join(run_directory, "networks")
    name = hashlib.sha256(os.fsencode(run_directory)).hexdigest()[:12]
    return f"{APART}{name}/networks"
