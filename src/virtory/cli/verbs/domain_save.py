"""A domain's memory in a file: save, restore, managed save, dump, and the job that this is.

The rule kept here: paths are those of the daemon's host, made whole from where the user stands.
"""

from __future__ import annotations

from virtory.cli.output import Done, Output
from virtory.cli.verb import ACTIVE, DOMAIN, argument, flag, option, verb
from virtory.cli.xml_output import XPATH, described
from virtory.lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal
    from virtory.client.domain import Domain

_BYPASS, _RUNNING, _PAUSED, _RESET_NVRAM = 1, 2, 4, 8
_FILE = argument("file", "the file", complete="file")
_STATES = (
    flag("running", "let it run once it is restored"),
    flag("paused", "keep it paused once it is restored"),
)
_BYPASS_CACHE = flag("bypass-cache", "avoid the file system cache")
_FORMATS = {"elf": 0, "kdump-zlib": 1, "kdump-lzo": 2, "kdump-snappy": 3, "win-dmp": 4}


def _flags(bypass_cache: bool = False, running: bool = False, paused: bool = False) -> int:
    return bypass_cache * _BYPASS | running * _RUNNING | paused * _PAUSED


async def _watched(
    terminal: Terminal, machine: Domain, label: str, work: Any, verbose: bool
) -> None:
    from virtory.cli.memory_jobs import watched

    await watched(terminal, machine, label, work, verbose=verbose)


def _whole(path: str) -> str:
    import os

    return os.path.abspath(path)


def _xml(path: str | None) -> str | None:
    from virtory.cli.files import text_of

    return None if path is None else text_of(path)


@verb(
    "save",
    "save",
    "write its memory into a file, and stop it",
    ACTIVE,
    _FILE,
    _BYPASS_CACHE,
    option("xml", "a file with the description to keep in it", complete="file"),
    *_STATES,
    flag("verbose", "say how far it is"),
    loop=True,
)
async def save(
    terminal: Terminal,
    domain: str,
    file_: str,
    bypass_cache: bool,
    xml: str | None,
    running: bool,
    paused: bool,
    verbose: bool,
) -> Output:
    """`virsh save`."""
    machine = await terminal.domain(domain)
    path, flags = _whole(file_), _flags(bypass_cache, running, paused)
    saving = machine.save(path, xml=_xml(xml), flags=flags)
    await _watched(terminal, machine, "Save", saving, verbose)
    return Done(f"Domain '{machine.name}' saved to {file_}", name=machine.name, file=path)


@verb(
    "restore",
    "save",
    "go on from a file that save wrote",
    _FILE,
    _BYPASS_CACHE,
    option("xml", "a file with another description", complete="file"),
    *_STATES,
    flag("reset-nvram", "start from fresh UEFI variables"),
)
async def restore(
    terminal: Terminal,
    file_: str,
    bypass_cache: bool,
    xml: str | None,
    running: bool,
    paused: bool,
    reset_nvram: bool,
) -> Output:
    """`virsh restore`."""
    flags = _flags(bypass_cache, running, paused) | reset_nvram * _RESET_NVRAM
    path = _whole(file_)
    await terminal.host.restore_domain(path, xml=_xml(xml), flags=flags)
    return Done(f"Domain restored from {file_}", file=path)


@verb(
    "save-image-dumpxml",
    "save",
    "the description in a file that save wrote",
    _FILE,
    flag("security-info", "with passwords"),
    *XPATH,
)
async def save_image_dumpxml(
    terminal: Terminal, file_: str, security_info: bool, xpath: str | None, wrap: bool
) -> Output:
    """`virsh save-image-dumpxml`."""
    xml = await terminal.host.saved_xml(_whole(file_), flags=int(security_info))
    return described(xml, xpath, wrap)


@verb(
    "save-image-define",
    "save",
    "put another description into a file that save wrote",
    _FILE,
    argument("xml", "a file with the description", complete="file"),
    *_STATES,
)
async def save_image_define(
    terminal: Terminal, file_: str, xml: str, running: bool, paused: bool
) -> Output:
    """`virsh save-image-define`."""
    flags = _flags(running=running, paused=paused)
    await terminal.host.define_saved_xml(_whole(file_), _xml(xml) or "", flags=flags)
    return Done(f"State file {file_} updated.", file=_whole(file_))


@verb(
    "save-image-edit",
    "save",
    "change the description in a file that save wrote, in an editor",
    _FILE,
    *_STATES,
)
async def save_image_edit(terminal: Terminal, file_: str, running: bool, paused: bool) -> Output:
    """`virsh save-image-edit`."""
    from virtory.cli.editor import kept

    path, flags = _whole(file_), _flags(running=running, paused=paused)

    async def keep(text: str) -> None:
        await terminal.host.define_saved_xml(path, text, flags=flags)

    before = await terminal.host.saved_xml(path, flags=1)
    if await kept(terminal, before, keep, always=bool(flags)):
        return Done(f"State file {file_} edited.", file=path)
    return Done(f"Saved image {file_} XML configuration not changed.", file=path)


# -- managed saves ---------------------------------------------------------------------------


@verb(
    "managedsave",
    "save",
    "put its memory aside; the next start goes on from there",
    ACTIVE,
    _BYPASS_CACHE,
    *_STATES,
    flag("verbose", "say how far it is"),
    loop=True,
)
async def managedsave(
    terminal: Terminal,
    domain: str,
    bypass_cache: bool,
    running: bool,
    paused: bool,
    verbose: bool,
) -> Output:
    """`virsh managedsave`."""
    machine = await terminal.domain(domain)
    saving = machine.managed_save(flags=_flags(bypass_cache, running, paused))
    await _watched(terminal, machine, "Managedsave", saving, verbose)
    return Done(f"Domain '{machine.name}' state saved by libvirt", name=machine.name)


@verb("managedsave-remove", "save", "drop its managed save", DOMAIN)
async def managedsave_remove(terminal: Terminal, domain: str) -> Output:
    """`virsh managedsave-remove`."""
    machine = await terminal.domain(domain)
    if not await machine.has_managed_save():
        text = f"Domain '{machine.name}' has no manage save image; removal skipped"
        return Done(text, name=machine.name, removed=False)
    await machine.remove_managed_save()
    text = f"Removed managedsave image for domain '{machine.name}'"
    return Done(text, name=machine.name, removed=True)


@verb(
    "managedsave-dumpxml",
    "save",
    "the description in its managed save",
    DOMAIN,
    flag("security-info", "with passwords"),
    *XPATH,
)
async def managedsave_dumpxml(
    terminal: Terminal, domain: str, security_info: bool, xpath: str | None, wrap: bool
) -> Output:
    """`virsh managedsave-dumpxml`."""
    machine = await terminal.domain(domain)
    return described(await machine.managed_save_xml(flags=int(security_info)), xpath, wrap)


@verb(
    "managedsave-define",
    "save",
    "put another description into its managed save",
    DOMAIN,
    argument("xml", "a file with the description", complete="file"),
    *_STATES,
)
async def managedsave_define(
    terminal: Terminal, domain: str, xml: str, running: bool, paused: bool
) -> Output:
    """`virsh managedsave-define`."""
    machine = await terminal.domain(domain)
    flags = _flags(running=running, paused=paused)
    await machine.define_managed_save_xml(_xml(xml) or "", flags=flags)
    text = f"Managed save state file of domain '{machine.name}' updated."
    return Done(text, name=machine.name)


@verb(
    "managedsave-edit",
    "save",
    "change the description in its managed save, in an editor",
    DOMAIN,
    *_STATES,
)
async def managedsave_edit(terminal: Terminal, domain: str, running: bool, paused: bool) -> Output:
    """`virsh managedsave-edit`."""
    from virtory.cli.editor import kept

    machine = await terminal.domain(domain)
    flags = _flags(running=running, paused=paused)

    async def keep(text: str) -> None:
        await machine.define_managed_save_xml(text, flags=flags)

    before = await machine.managed_save_xml(flags=1)
    if await kept(terminal, before, keep, always=bool(flags)):
        text = f"Managed save image of domain '{machine.name}' XML configuration edited."
    else:
        text = f"Managed save image of domain '{machine.name}' XML configuration not changed."
    return Done(text, name=machine.name)


# -- dumps and jobs --------------------------------------------------------------------------


@verb(
    "dump",
    "save",
    "write its memory into a file, for looking at",
    ACTIVE,
    _FILE,
    flag("live", "without stopping it meanwhile"),
    flag("crash", "end it afterwards"),
    _BYPASS_CACHE,
    flag("reset", "reset it afterwards"),
    flag("verbose", "say how far it is"),
    flag("memory-only", "as an ELF or kdump file, for crash(8)"),
    option("format", f"of a memory-only dump: {', '.join(_FORMATS)}"),
    loop=True,
)
async def dump(
    terminal: Terminal,
    domain: str,
    file_: str,
    live: bool,
    crash: bool,
    bypass_cache: bool,
    reset: bool,
    verbose: bool,
    memory_only: bool,
    format_: str | None,
) -> Output:
    """`virsh dump`."""
    from virtory.cli.parse import Usage

    machine = await terminal.domain(domain)
    if format_ is not None and not memory_only:
        raise Usage("--format is only of a memory-only dump", "add --memory-only")
    if format_ is not None and format_ not in _FORMATS:
        raise Usage(f"unknown format '{format_}'", f"one of {', '.join(_FORMATS)}")
    flags = crash | live << 1 | bypass_cache << 2 | reset << 3 | memory_only << 4
    kind = _FORMATS[format_ or "elf"]
    dumping = machine.core_dump(_whole(file_), dump_format=kind, flags=flags)
    await _watched(terminal, machine, "Dump", dumping, verbose)
    return Done(f"Domain '{machine.name}' dumped to {file_}", name=machine.name)


@verb(
    "domjobabort",
    "monitor",
    "give its job up",
    ACTIVE,
    flag("postcopy", "of a migration in its post-copy phase"),
)
async def domjobabort(terminal: Terminal, domain: str, postcopy: bool) -> Output:
    """`virsh domjobabort`."""
    machine = await terminal.domain(domain)
    await machine.abort_job(flags=int(postcopy))
    return Done("", name=machine.name)
