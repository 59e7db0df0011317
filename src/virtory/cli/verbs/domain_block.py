"""Jobs on the disks of a running machine: commit, pull, copy, how far they are; thresholds.

The rule kept here: names, options and words are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Data, Done, Output
from virtory.cli.verb import ACTIVE, argument, flag, option, verb
from virtory.lean import TYPE_CHECKING, Any
from virtory.model.flags import (
    DomainBlockCommit,
    DomainBlockCopy,
    DomainBlockJob,
    DomainBlockRebase,
)

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

_DISK = argument("path", "the disk: its target, or its source's path")
_BANDWIDTH = argument("bandwidth", "at most so many MiB/s", required=False, kind="number")
_BYTES = flag("bytes", "the bandwidth is in bytes/s")
_WAITING = (
    flag("wait", "wait until it is done, or ready"),
    flag("verbose", "with --wait, show the progress"),
    option("timeout", "wait; abort it after so many seconds", kind="number"),
    flag("async", "when it is aborted, do not wait for its end"),
)


@verb(
    "blockcommit",
    "block",
    "merge images of a disk into one below them",
    ACTIVE,
    _DISK,
    _BANDWIDTH,
    option("base", "what to merge into: a path or vda[N]; the bottom by default"),
    flag("shallow", "into the image right below the top"),
    option("top", "what to merge: a path or vda[N]; the active image by default"),
    flag("active", "the top is the active image: it goes on being copied until it is ended"),
    flag("delete", "remove the images that are merged"),
    *_WAITING,
    flag("pivot", "active, waits: then go on with the base"),
    flag("keep-overlay", "active, waits: then go on as before"),
    flag("keep-relative", "keep names between images relative"),
    _BYTES,
    loop=True,
)
async def blockcommit(terminal: Terminal, domain: str, path: str, **given: Any) -> Output:
    """`virsh blockcommit`."""
    from virtory.cli.block_jobs import Waiting, refuse_bad_end, through

    machine = await terminal.domain(domain)
    ends = given["pivot"] or given["keep_overlay"]
    active = given["active"] or ends
    flags = (
        DomainBlockCommit.SHALLOW * given["shallow"]
        | DomainBlockCommit.DELETE * given["delete"]
        | DomainBlockCommit.ACTIVE * active
        | DomainBlockCommit.RELATIVE * given["keep_relative"]
        | DomainBlockCommit.BANDWIDTH_BYTES * given["bytes"]
    )

    async def begin() -> None:
        await machine.block_commit(
            path,
            base=given["base"],
            top=given["top"],
            bandwidth=given["bandwidth"] or 0,
            flags=flags,
        )

    if not _waits(given, ends):
        await begin()
        return _started("Active Block Commit" if active else "Block Commit", machine, path)
    status = await through(terminal, machine, path, Waiting("Block commit", given), begin)
    refuse_bad_end(status, "Commit")
    if not active:
        return _told("Commit complete", machine, path)
    if given["pivot"]:
        await machine.block_job_abort(path, pivot=True)
        return _told("Successfully pivoted", machine, path)
    if given["keep_overlay"]:
        await machine.block_job_abort(path)
        return _told("Commit complete, overlay image kept", machine, path)
    return _told("Now in synchronized phase", machine, path)


@verb(
    "blockpull",
    "block",
    "copy what is below a disk's active image into it",
    ACTIVE,
    _DISK,
    _BANDWIDTH,
    option("base", "the image that stays below it; none by default"),
    *_WAITING,
    flag("keep-relative", "keep names between images relative"),
    _BYTES,
    loop=True,
)
async def blockpull(terminal: Terminal, domain: str, path: str, **given: Any) -> Output:
    """`virsh blockpull`."""
    from virtory.cli.block_jobs import Waiting, refuse_bad_end, through

    machine = await terminal.domain(domain)
    bandwidth, base = given["bandwidth"] or 0, given["base"]
    flags = DomainBlockRebase.BANDWIDTH_BYTES * given["bytes"]
    flags |= DomainBlockRebase.RELATIVE * given["keep_relative"]

    async def begin() -> None:
        if base is None and not given["keep_relative"]:
            await machine.block_pull(path, bandwidth=bandwidth, flags=flags)
        else:
            await machine.block_rebase(path, base, bandwidth=bandwidth, flags=flags)

    if not _waits(given):
        await begin()
        return _started("Block Pull", machine, path)
    status = await through(terminal, machine, path, Waiting("Block Pull", given), begin)
    refuse_bad_end(status, "Pull")
    return _told("Pull complete", machine, path)


@verb(
    "blockcopy",
    "block",
    "copy a disk to another place, and go on there if wanted",
    ACTIVE,
    _DISK,
    argument("dest", "the copy's path", required=False, complete="file"),
    _BANDWIDTH,
    flag("shallow", "only the active image: the copy stands on the same images"),
    flag("reuse-external", "the destination is there, made for this"),
    flag("blockdev", "the destination is a block device"),
    *_WAITING,
    flag("pivot", "waits: then go on with the copy"),
    flag("finish", "waits: then go on as before"),
    option("xml", "a file that describes the destination", complete="file"),
    option("format", "the destination's format: raw or qcow2; the disk's by default"),
    option("granularity", "bytes, a power of two", kind="number"),
    option("buf-size", "at most so many bytes under way", kind="number"),
    _BYTES,
    flag("transient-job", "the copy need not outlive this run of the machine"),
    flag("synchronous-writes", "the guest's writes wait for the copy's"),
    flag("print-xml", "only print what would be asked for"),
    loop=True,
)
async def blockcopy(
    terminal: Terminal, domain: str, path: str, dest: str | None, **given: Any
) -> Output:
    """`virsh blockcopy`."""
    from virtory.cli.block_jobs import Waiting, refuse_bad_end, through

    machine = await terminal.domain(domain)
    xml = _destination(dest, given)
    if given["print_xml"]:
        return Data(f"{xml}\n", {"xml": xml})
    flags = (
        DomainBlockCopy.SHALLOW * given["shallow"]
        | DomainBlockCopy.REUSE_EXT * given["reuse_external"]
        | DomainBlockCopy.TRANSIENT_JOB * given["transient_job"]
        | DomainBlockCopy.SYNCHRONOUS_WRITES * given["synchronous_writes"]
    )
    bandwidth = (given["bandwidth"] or 0) * (1 if given["bytes"] else 1 << 20)
    params = {
        "bandwidth": bandwidth,
        "granularity": given["granularity"],
        "buf-size": given["buf_size"],
    }

    async def begin() -> None:
        asked = {name: value for name, value in params.items() if value}
        await machine.block_copy(path, xml, _typed(asked), flags=flags)

    if not _waits(given, given["pivot"], given["finish"]):
        await begin()
        return _started("Block Copy", machine, path)
    status = await through(terminal, machine, path, Waiting("Block Copy", given), begin)
    refuse_bad_end(status, "Copy")
    if given["pivot"]:
        await machine.block_job_abort(path, pivot=True)
        return _told("Successfully pivoted", machine, path)
    if given["finish"]:
        await machine.block_job_abort(path)
        return _told("Successfully copied", machine, path)
    return _told("Now in mirroring phase", machine, path)


@verb(
    "blockjob",
    "block",
    "how far a disk's job is; make it slower, or end it",
    ACTIVE,
    _DISK,
    flag("abort", "end it; a copy that is ready stays whole"),
    flag("async", "end it, without waiting for that"),
    flag("pivot", "end it: go on with the copy, or the base"),
    flag("info", "how far it is"),
    _BYTES,
    flag("raw", "how far it is, in numbers"),
    _BANDWIDTH,
)
async def blockjob(terminal: Terminal, domain: str, path: str, **given: Any) -> Output:
    """`virsh blockjob`."""
    machine = await terminal.domain(domain)
    if given["abort"] or given["async"] or given["pivot"]:
        await machine.block_job_abort(path, asynchronous=given["async"], pivot=given["pivot"])
        return Done("", name=machine.name, disk=path)
    if given["bandwidth"] is not None:
        flags = DomainBlockJob.SPEED_BANDWIDTH_BYTES * given["bytes"]
        await machine.block_job_set_speed(path, given["bandwidth"], flags=flags)
        return Done("", name=machine.name, disk=path, bandwidth=given["bandwidth"])
    return await _info(machine, path, raw=given["raw"])


async def _info(machine: Domain, path: str, *, raw: bool) -> Output:
    from virtory.cli.block_jobs import KINDS, progress

    info = await machine.block_job(path, flags=DomainBlockJob.INFO_BANDWIDTH_BYTES)
    if info is None:
        return Data("\n" if raw else f"No current block job for {path}\n", None)
    kind = KINDS.get(info.type, "Unknown job")
    data = {
        "type": kind,
        "bandwidth": info.bandwidth,
        "current": info.current,
        "end": info.end,
    }
    if raw:
        text = f" type={kind}\n bandwidth={info.bandwidth}\n cur={info.current}\n end={info.end}\n"
        return Data(f"{text}\n", data)
    progress(kind, info.end - info.current, info.end)
    text = ""
    if info.bandwidth:
        value, unit = scaled(info.bandwidth)
        text = f"    Bandwidth limit: {info.bandwidth} bytes/s ({value:.3f} {unit}/s)\n"
    return Data(f"{text}\n", data)


@verb(
    "domblkthreshold",
    "block",
    "have an event told once a disk is written beyond a threshold",
    ACTIVE,
    argument("dev", "the disk's target, or vda[N] for an image below"),
    argument("threshold", "in bytes, or with a unit"),
)
async def domblkthreshold(terminal: Terminal, domain: str, dev: str, threshold: str) -> Output:
    """`virsh domblkthreshold`."""
    from virtory.cli.verbs.domain_tune import kib

    machine = await terminal.domain(domain)
    size = int(threshold) if threshold.isdigit() else kib(threshold) * 1024
    await machine.set_block_threshold(dev, size)
    return Done("", name=machine.name, device=dev, threshold=size)


def scaled(count: int) -> tuple[float, str]:
    """Bytes in virsh's unit: the largest of which there is at least one."""
    value, units = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return value, units[0]


def _waits(given: dict[str, Any], *ends: bool) -> bool:
    return bool(given["wait"] or given["timeout"] is not None or any(ends))


def _started(what: str, machine: Domain, path: str) -> Output:
    message = f"{what} started"
    return Data(f"{message}\n", {"message": message, "name": machine.name, "disk": path})


def _told(message: str, machine: Domain, path: str) -> Output:
    """The end of a wait: a line of its own, below that of the progress."""
    return Data(f"\n{message}\n", {"message": message, "name": machine.name, "disk": path})


def _typed(params: dict[str, int]) -> dict[str, Any]:
    """With the types that libvirt wants; the numbers are virTypedParameterType's."""
    kinds = {"bandwidth": 4, "granularity": 2, "buf-size": 4}
    return {name: (kinds[name], value) for name, value in params.items()}


def _destination(dest: str | None, given: dict[str, Any]) -> str:
    import os

    from virtory.cli.parse import Usage

    if given["xml"]:
        from virtory.cli.files import text_of

        return text_of(given["xml"])
    if dest is None:
        raise Usage("need either --dest or --xml")
    kind, word = ("block", "dev") if given["blockdev"] else ("file", "file")
    lines = [f"<disk type='{kind}'>", f"  <source {word}={_quoted(os.path.abspath(dest))}/>"]
    if given["format_"]:
        lines.append(f"  <driver type={_quoted(given['format_'])}/>")
    return "\n".join([*lines, "</disk>"]) + "\n"


def _quoted(text: str) -> str:
    from xml.sax.saxutils import escape

    return "'{}'".format(escape(text, {"'": "&apos;"}))
