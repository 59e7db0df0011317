"""Volumes: their contents up from a file, and down into one.

The rule kept here: holes stay holes when asked; how far it is, is told on a terminal only.
"""

from __future__ import annotations

import sys

from virtory.cli.storage_words import OF_POOL, VOLUME, volume_named
from virtory.cli.verb import argument, flag, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_OPTIONS = (
    OF_POOL,
    argument("offset", "where in the volume, in bytes", required=False, kind="number"),
    argument("length", "so many bytes at most", required=False, kind="number"),
    flag("sparse", "holes stay holes"),
)


@verb(
    "vol-upload",
    "pool",
    "write a file's contents into a volume",
    VOLUME,
    argument("file", "the file", complete="file"),
    *_OPTIONS,
    loop=True,
)
async def vol_upload(
    terminal: Terminal,
    vol: str,
    file_: str,
    pool: str | None,
    offset: int | None,
    length: int | None,
    sparse: bool,
) -> None:
    """`virsh vol-upload`."""
    volume = await volume_named(terminal, vol, pool)
    bar = Bar(terminal)
    with terminal.if_broken_off(f"volume '{volume.name}' holds a part of it"):
        await volume.upload_file(
            file_, offset=offset or 0, length=length or 0, sparse=sparse, progress=bar.reached
        )
    bar.done()


@verb(
    "vol-download",
    "pool",
    "write a volume's contents into a file",
    VOLUME,
    argument("file", "the file", complete="file"),
    *_OPTIONS,
    loop=True,
)
async def vol_download(
    terminal: Terminal,
    vol: str,
    file_: str,
    pool: str | None,
    offset: int | None,
    length: int | None,
    sparse: bool,
) -> None:
    """`virsh vol-download`."""
    volume = await volume_named(terminal, vol, pool)
    bar = Bar(terminal)
    with terminal.if_broken_off(f"'{file_}' was not written"):
        await volume.download_file(
            file_, offset=offset or 0, length=length or 0, sparse=sparse, progress=bar.reached
        )
    bar.done()


class Bar:
    """How much is done, in one line on a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._shown = -1
        quiet = terminal.settings.quiet or terminal.settings.json
        self._on = not quiet and sys.stderr.isatty()

    def reached(self, position: int, total: int) -> None:
        """So far; drawn when another percent is full."""
        percent = min(100, position * 100 // max(1, total)) if self._on else self._shown
        if percent != self._shown:
            self._shown = percent
            drawn = "#" * (percent // 4)
            sys.stderr.write(f"\r{drawn:<25} {percent:3} %")
            sys.stderr.flush()

    def done(self) -> None:
        """All of it: the line goes."""
        if self._on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
