"""CPUs held against what the hypervisor can give here.

The rule kept here: words are virsh's.
"""

from __future__ import annotations

from virtory.cli.output import Data, Output, Text
from virtory.cli.parse import Usage
from virtory.cli.verb import argument, flag, option, verb
from virtory.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from virtory.cli.terminal import Terminal

_OF = (
    option("virttype", "kvm or qemu"),
    option("emulator", "path of a QEMU"),
    option("arch", "architecture"),
    option("machine", "machine type"),
)


@verb(
    "hypervisor-cpu-compare",
    "host",
    "can guests here have all of a CPU?",
    argument("file", "XML file with a CPU, `-` for standard input"),
    *_OF,
    flag("error", "fail when they can not"),
    flag("validate", "against libvirt's schema first"),
)
async def hypervisor_cpu_compare(
    terminal: Terminal,
    file_: str,
    virttype: str | None,
    emulator: str | None,
    arch: str | None,
    machine: str | None,
    error: bool,
    validate: bool,
) -> Output:
    """`virsh hypervisor-cpu-compare`."""
    result = await terminal.host.compare_hypervisor_cpu(
        _cpus(file_)[0],
        emulator=emulator,
        arch=arch,
        machine=machine,
        virt_type=virttype,
        flags=error | validate << 1,
    )
    here = "provided by hypervisor on the host"
    words = {
        0: f"CPU described in {file_} is incompatible with the CPU {here}",
        1: f"CPU described in {file_} is identical to the CPU {here}",
        2: f"The CPU {here} is a superset of CPU described in {file_}",
    }
    return Data(f"{words.get(result, 'unknown result')}\n\n", {"result": result})


@verb(
    "hypervisor-cpu-baseline",
    "host",
    "the CPU that guests can have on all of several hosts",
    option("file", "XML file with CPUs, `-` for standard input"),
    *_OF,
    flag("features", "name every feature"),
    flag("migratable", "only those that migrate"),
    option("model", "of just this model"),
)
async def hypervisor_cpu_baseline(
    terminal: Terminal,
    file_: str | None,
    virttype: str | None,
    emulator: str | None,
    arch: str | None,
    machine: str | None,
    features: bool,
    migratable: bool,
    model: str | None,
) -> Output:
    """`virsh hypervisor-cpu-baseline`."""
    if (file_ is None) is (model is None):
        raise Usage("one of --file and --model says which CPU is meant")
    cpus = [f"<cpu><model>{model}</model></cpu>"] if file_ is None else _cpus(file_)
    xml = await terminal.host.baseline_hypervisor_cpu(
        cpus,
        emulator=emulator,
        arch=arch,
        machine=machine,
        virt_type=virttype,
        flags=features | migratable << 1,
    )
    return Text(xml)


def _cpus(path: str) -> list[str]:
    """The CPUs in a file; of domain capabilities it is their host-model."""
    from xml.etree import ElementTree

    from virtory.cli.files import elements

    found = []
    for text in elements(path, "cpu"):
        cpu = ElementTree.fromstring(text)
        mode = cpu.find("mode[@name='host-model']")
        if mode is not None:
            mode.tag, mode.attrib = "cpu", {}
            text = ElementTree.tostring(mode, "unicode").strip()
        found.append(text)
    return found
