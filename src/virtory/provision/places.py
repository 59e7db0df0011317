"""Where provisioning keeps its files: images, machines and keys below one data directory.

The rule kept here: root's files are the host's (/var/lib/virtory), a user's are their own
(XDG_DATA_HOME/virtory); nothing is written anywhere else. `VIRTORY_DATA` overrides both.
"""

from __future__ import annotations

import os
from pathlib import Path

SYSTEM_DATA = "/var/lib/virtory"


def data_directory() -> Path:
    """The directory that holds images, machines and keys; not created here."""
    chosen = os.environ.get("VIRTORY_DATA")
    if chosen:
        return Path(os.path.abspath(chosen))
    if os.geteuid() == 0:
        return Path(SYSTEM_DATA)
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(os.path.abspath(home)) / "virtory"


def images_directory() -> Path:
    """One directory for each image."""
    return data_directory() / "images"


def machines_directory() -> Path:
    """One directory for each machine made by `virtory create`."""
    return data_directory() / "machines"


def keys_directory() -> Path:
    """The key pair made for a user who has none; readable by its owner only."""
    return data_directory() / "keys"
