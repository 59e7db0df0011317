"""The connection and what its host can do.

The rule kept here: XML is shown as the daemon sent it.
"""

from __future__ import annotations

from virtory.cli.output import Data, Lines, Output, Text
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_FILE = argument("file", "an XML file", complete="file")


@verb("uri", "host", "which daemon answers")
async def uri(terminal: Terminal) -> Output:
    """`virsh uri`."""
    found = terminal.host.address.text
    named = await terminal.host.uri()
    return Data(f"{found}\n\n", {"uri": found, "daemon": named})


@verb("hostname", "host", "the host's name")
async def hostname(terminal: Terminal) -> Output:
    """`virsh hostname`."""
    found = await terminal.host.hostname()
    return Text(f"{found}\n\n", key="hostname", value=found)


@verb("version", "host", "versions of all that takes part", flag("daemon", "of the daemon too"))
async def version(terminal: Terminal, daemon: bool) -> Output:
    """`virsh version`."""
    from virtory.cli.manual import version as ours

    host = terminal.host
    kind, level = await host.hypervisor(), await host.library_version()
    raw = {
        "client": ours(),
        "api": str(level),
        "hypervisor": kind,
        "version": str(await host.version()),
    }
    lines = [
        f"Using client: {raw['client']}",
        f"Using API: {kind} {level}",
        f"Running hypervisor: {kind} {raw['version']}",
    ]
    if daemon:
        lines.append(f"Running against daemon: {level}")
    return Data("\n".join(lines) + "\n\n", raw)


@verb("capabilities", "host", "the host's capabilities, as XML")
async def capabilities(terminal: Terminal) -> Output:
    """`virsh capabilities`."""
    return Text(f"{await terminal.host.capabilities()}\n\n", key="xml")


@verb(
    "domcapabilities",
    "host",
    "what a domain can have here, as XML",
    option("virttype", "kvm or qemu"),
    option("emulatorbin", "path of a QEMU"),
    option("arch", "architecture"),
    option("machine", "machine type"),
)
async def domcapabilities(
    terminal: Terminal,
    virttype: str | None,
    emulatorbin: str | None,
    arch: str | None,
    machine: str | None,
) -> Output:
    """`virsh domcapabilities`."""
    xml = await terminal.host.domain_capabilities(
        emulator=emulatorbin, arch=arch, machine=machine, virt_type=virttype
    )
    return Text(f"{xml}\n\n", key="xml")


@verb("maxvcpus", "host", "the most virtual CPUs of a domain", option("type", "kvm or qemu"))
async def maxvcpus(terminal: Terminal, type_: str | None) -> Output:
    """`virsh maxvcpus`."""
    most = await terminal.host.max_vcpus(type_)
    return Data(f"{most}\n\n", {"maxvcpus": most})


@verb("sysinfo", "host", "the host's SMBIOS tables, as XML")
async def sysinfo(terminal: Terminal) -> Output:
    """`virsh sysinfo`."""
    return Text(f"{(await terminal.host.sysinfo()).rstrip()}\n\n", key="xml")


@verb("cpu-models", "host", "CPU models by name", argument("arch", "architecture"))
async def cpu_models(terminal: Terminal, arch: str) -> Output:
    """`virsh cpu-models`."""
    return Lines(await terminal.host.cpu_models(arch))


@verb(
    "cpu-baseline",
    "host",
    "the CPU that all of several hosts have",
    _FILE,
    flag("features", "name every feature"),
    flag("migratable", "only those that migrate"),
)
async def cpu_baseline(terminal: Terminal, file_: str, features: bool, migratable: bool) -> Output:
    """`virsh cpu-baseline`."""
    from virtory.cli.files import elements

    cpus = elements(file_, "cpu")
    return Text(await terminal.host.baseline_cpu(cpus, flags=features | migratable << 1))


@verb(
    "cpu-compare",
    "host",
    "does this host's CPU have all of another's?",
    _FILE,
    flag("error", "fail when it has not"),
    flag("validate", "against libvirt's schema first"),
)
async def cpu_compare(terminal: Terminal, file_: str, error: bool, validate: bool) -> Output:
    """`virsh cpu-compare`."""
    from virtory.cli.files import elements

    flags = error | validate << 1
    result = await terminal.host.compare_cpu(elements(file_, "cpu")[0], flags=flags)
    words = {
        0: f"CPU described in {file_} is incompatible with host CPU",
        1: f"CPU described in {file_} is identical to host CPU",
        2: f"Host CPU is a superset of CPU described in {file_}",
    }
    return Data(f"{words.get(result, 'unknown result')}\n\n", {"result": result})
