"""What one run of the tests has once for all its workers: a directory, and caches in it.

The rule kept here: only what every daemon would find out by itself is kept there, what this host's
QEMU can do; it is asked once a run instead of once a daemon.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_NAME = "VIRTORY_TESTS_SHARE"


def begin(config: pytest.Config) -> None:
    """Make the directory, which workers find in their environment, until the run ends."""
    if _NAME not in os.environ:
        os.environ[_NAME] = tempfile.mkdtemp(prefix="virtory-run-")
        config.add_cleanup(_end)


def _end() -> None:
    shutil.rmtree(os.environ.pop(_NAME))


def cache(name: str) -> Path:
    """A directory for what daemons of a kind remember of this host's QEMU."""
    path = Path(os.environ[_NAME]) / name
    path.mkdir(exist_ok=True)
    return path


def configuration() -> str:
    """That of a virtoryd which shares what it knows; only whoever runs the tests can read it."""
    return f'[qemu]\ncache_directory = "{cache("virtory")}"\n'
