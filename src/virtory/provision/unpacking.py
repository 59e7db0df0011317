"""Single members of a tar archive as files, alike on every Python: filters came with 3.11.4 only.

The rule kept here: nothing is written outside the target, not through a link either.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from virtory.provision.errors import BuildFailed

if TYPE_CHECKING:
    import tarfile
    from pathlib import Path


def extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Write a regular file, with its permissions but no set-id bits, or a symbolic link.

    Raises BuildFailed when its place would be outside of `target`.
    """
    path = target / member.name.removeprefix("./")
    parent = path.parent.resolve()
    if path.name in ("", "..") or not parent.is_relative_to(target.resolve()):
        raise BuildFailed(
            f"the archive has a member '{member.name}' that leads out of its directory",
            cure="the archive may be damaged or forged: fetch it again",
        )
    parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if member.issym():
        path.symlink_to(member.linkname)
        return
    source = archive.extractfile(member)
    assert source is not None, "a regular file"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with source, open(path, "wb", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
        shutil.copyfileobj(source, file)
        os.fchmod(file.fileno(), member.mode & 0o755 | 0o600)
