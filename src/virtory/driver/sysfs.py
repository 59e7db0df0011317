"""The kernel's own account of the host's devices: files of one line under /sys and /run/udev.

The rule kept here: read only, and what is not there is None: a device may go between two reads.
"""

from __future__ import annotations

import os


class Sysfs:
    """What is under one root; a test has its own."""

    def __init__(self, root: str = "/") -> None:
        self.root = root.rstrip("/")

    def text(self, path: str) -> str | None:
        """A file's text without the white space around it; None when it can not be read."""
        try:
            with open(self.root + path, encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return None

    def number(self, path: str, base: int = 10) -> int | None:
        """A file's number."""
        text = self.text(path)
        try:
            return None if text is None else int(text, base)
        except ValueError:
            return None

    def data(self, path: str) -> bytes:
        """A file's bytes; none when it can not be read."""
        try:
            with open(self.root + path, "rb") as file:
                return file.read()
        except OSError:
            return b""

    def names(self, path: str) -> list[str]:
        """A directory's entries, sorted; none when there is no such directory."""
        try:
            return sorted(os.listdir(self.root + path))
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        return os.path.exists(self.root + path)

    def real(self, path: str) -> str:
        """Where a link of /sys/class or /sys/bus leads, below this root."""
        whole = os.path.realpath(self.root + path)
        return whole.removeprefix(os.path.realpath(self.root)) if self.root else whole

    def link_name(self, path: str) -> str | None:
        """The last part of what a link names, such as a driver's name."""
        try:
            return os.path.basename(os.readlink(self.root + path))
        except OSError:
            return None

    def properties(self, number: str | None) -> dict[str, str]:
        """What udev knows of the block device with this `major:minor`; nothing without udev."""
        lines = (self.text(f"/run/udev/data/b{number}") or "").splitlines()
        pairs = (line[2:].partition("=") for line in lines if line.startswith("E:"))
        return {name: value for name, _, value in pairs}
