"""Chains of machines that are off: an image is merged into the one below, or put on another.

The rule kept here: each of these may be cut off at any moment and done again from its beginning;
until it has ended the chain is read as before. The worker ends with the daemon, so that whoever
takes the work up again after a crash is alone.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING

from virtory.driver.qemu.disks.image_chain import chain
from virtory.errors import FROM_STORAGE, InternalError, OperationFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[float], None]

_PERCENT = re.compile(rb"\((\d+(?:\.\d+)?)/100%\)")


async def commit(
    top: str, top_format: str, base: str, progress: Progress | None = None, *, rate: int = 0
) -> None:
    """Write what `top` (and each image between) has into `base`, which is below it in its chain.

    `top` keeps its content; `rate` in bytes a second, 0 for no limit. A second time it does the
    same again. Raises OperationFailed with qemu-img's words, and what `chain` raises: every image
    must be there and named with its format, so that qemu-img need not guess one.
    """
    await asyncio.to_thread(chain, top, top_format)
    words = ["commit", "-p", "-d", "-f", top_format, "-b", base]
    if rate:
        words += ["-r", str(rate)]
    await _run([*words, top], progress, f"merge '{top}' into '{base}'")


async def rename_backing(image: str, image_format: str, backing: str, backing_format: str) -> None:
    """Only the header of `image` changes: it now names `backing`, which reads the same."""
    words = ["rebase", "-u", "-f", image_format, "-b", backing, "-F", backing_format, image]
    await _run(words, None, f"name '{backing}' in '{image}'")


async def convert(
    source: str,
    source_format: str,
    target: str,
    target_format: str,
    progress: Progress | None = None,
    *,
    sparse: bool = True,
) -> None:
    """Copy a whole disk, its chain made one image, into the file `target`, which is there already.

    `sparse` False: also what is zero takes its place.
    """
    words = ["convert", "-p", "-f", source_format, "-O", target_format]
    if not sparse:
        words += ["-S", "0"]
    await _run([*words, source, target], progress, f"copy '{source}' to '{target}'")


async def _run(words: list[str], progress: Progress | None, attempt: str) -> None:
    program, warden = shutil.which("qemu-img"), shutil.which("setpriv")
    if program is None:
        raise InternalError(
            f"cannot {attempt}: there is no qemu-img", cure="install qemu-utils (apt) or qemu-img"
        )
    with_end = [warden, "--pdeathsig", "KILL", "--"] if warden is not None else []
    process = await asyncio.create_subprocess_exec(
        *with_end,
        program,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    assert process.stdout is not None and process.stderr is not None
    errors = asyncio.ensure_future(process.stderr.read())
    try:
        while data := await process.stdout.read(4096):
            if progress is not None and (found := _PERCENT.findall(data)):
                progress(float(found[-1]) / 100)
        status = await process.wait()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    said = (await errors).decode(errors="replace").strip()
    if status:
        raise OperationFailed(
            f"cannot {attempt}: {said or f'qemu-img ended with {status}'}", domain=FROM_STORAGE
        )
