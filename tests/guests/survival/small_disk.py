"""A disk of some megabytes for a daemon's state, in a mount namespace that nobody else sees.

The rule kept here: no root needed where users may make namespaces; nothing remains after `close`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SIZE = "16m"


class NoNamespaces(Exception):
    """This host lets us make none."""


class SmallDisk:
    """A tmpfs mounted on `path`; daemons started with `wrapper` see it."""

    def __init__(self, path: Path) -> None:
        mine = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
        script = f'mount -t tmpfs -o size={_SIZE},mode=0711 none "$0" && echo mounted && exec cat'
        self._holder = subprocess.Popen(
            ["unshare", *mine, "--mount", "sh", "-c", script, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n":
            _, said = self._holder.communicate()
            raise NoNamespaces(said.decode())
        self.path = Path(f"/proc/{self._holder.pid}/root{path}")
        user = ["--user", "--preserve-credentials"] if mine else []
        self.wrapper = ["nsenter", f"--target={self._holder.pid}", *user, "--mount"]

    def fill(self) -> None:
        """Leave not a byte."""
        with open(self.path / "filler", "ab", buffering=0) as file:
            for size in (1 << 20, 1 << 16, 4096):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def free(self) -> None:
        (self.path / "filler").unlink()

    def close(self) -> None:
        self._holder.communicate()
