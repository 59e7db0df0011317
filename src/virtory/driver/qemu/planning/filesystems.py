"""What shared directories take: the directory itself for 9p, virtiofsd for virtiofs.

The rule kept here: who may read is the host's permissions: under a root daemon 9p has those of the
guest's own user, virtiofsd root's, confined to the directory by its sandbox.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from virtory.driver.qemu.plan import Helper, Pair
from virtory.driver.qemu.planning.firmware import is_granted
from virtory.errors import ConfigUnsupported, SystemCallFailed

if TYPE_CHECKING:
    from virtory.driver.qemu.planning.draft import Draft
    from virtory.model.domain.devices.filesystem import Filesystem, FilesystemBinary


def plan_filesystem(share: Filesystem, draft: Draft) -> None:
    """Add one share's directory or its helper."""
    path = share.source.dir if share.source is not None else None
    assert path is not None, "a share without a directory is refused when it is defined"
    try:
        status = os.stat(path)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot share '{path}': {error.strerror}",
            errno=error.errno,
            cure=f"Make it: mkdir -p {path}",
        ) from None
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigUnsupported(f"cannot share '{path}': it is no directory")
    if share.driver is not None and share.driver.type == "virtiofs":
        _plan_virtiofsd(share, path, draft)
        return
    if draft.uid is not None and not is_granted(status, draft.uid, draft.gid, 0o5):
        raise ConfigUnsupported(
            f"cannot share '{path}' by 9p: the guest's user (uid {draft.uid}) may not read it",
            cure=f"Let others in (chmod o+rx {path}), or use <driver type='virtiofs'/>.",
        )
    draft.open(path, "directory", f"fs:{share.alias}")


def _plan_virtiofsd(share: Filesystem, path: str, draft: Draft) -> None:
    options = share.binary
    program = _program(options, draft)
    if not draft.host.privileged:
        raise ConfigUnsupported(
            f"virtiofs for '{path}' needs a daemon that runs as root",
            cure="Use 9p: leave <driver type='virtiofs'/> away.",
        )
    name = f"virtiofsd-{share.alias}"
    draft.pairs.append(Pair(draft.slot(), name, f"fs:{share.alias}", listening=True))
    escaped = path.replace("\\", "\\\\").replace(",", "\\,")
    arguments = [program, "--fd={fd}", "-o", ",".join([f"source={escaped}", *_options(options)])]
    if options is not None and options.thread_pool is not None:
        arguments.append(f"--thread-pool-size={options.thread_pool}")
    draft.helpers.append(Helper(name, tuple(arguments), as_guest=False))


def _options(binary: FilesystemBinary | None) -> list[str]:
    if binary is None:
        return []
    options = []
    if binary.cache is not None:
        options.append(f"cache={binary.cache}")
    if binary.sandbox is not None:
        options.append(f"sandbox={binary.sandbox}")
    lock = binary.lock
    for name, value in (
        ("xattr", binary.xattr),
        ("flock", lock.flock if lock is not None else None),
        ("posix_lock", lock.posix if lock is not None else None),
    ):
        if value is not None:
            options.append(name if value else f"no_{name}")
    return options


def _program(binary: FilesystemBinary | None, draft: Draft) -> str:
    given = binary.path if binary is not None else None
    program = given or draft.host.virtiofsd
    if program is None:
        raise ConfigUnsupported(
            "virtiofs needs virtiofsd, which is not installed",
            cure="Install it: apt install virtiofsd (Debian 12: qemu-system-common)",
        )
    if given is None:
        return program
    try:
        status = os.stat(given)
    except OSError as error:
        raise SystemCallFailed(
            f"cannot run '{given}': {error.strerror}", errno=error.errno
        ) from None
    if draft.host.privileged and (status.st_uid != 0 or status.st_mode & 0o022):
        raise ConfigUnsupported(
            f"'{given}' would run as root, but others than root may write it",
            cure=f"Leave <binary path='{given}'/> away.",
        )
    return given
