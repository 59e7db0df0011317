"""This host's facts against other sources of them; its XML; the doctor's report."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import pytest
from cases import KVM, NO_KVM, OVMF, defined, qemu_7_2

from virtory.driver.qemu.definition.unsupported import unsupported
from virtory.driver.qemu.domain_capabilities import domain_capabilities
from virtory.driver.qemu.host import hardware
from virtory.driver.qemu.host.host_capabilities import host_capabilities
from virtory.driver.qemu.host.host_report import checks, host_report, install
from virtory.errors import ConfigUnsupported, InvalidArgument
from virtory.model.capabilities import parse_capabilities
from virtory.model.domain_capabilities import DomainCapabilities, parse_domain_capabilities

if TYPE_CHECKING:
    from pathlib import Path

CAPABILITIES = qemu_7_2()


def test_node_facts_agree_with_the_c_library() -> None:
    info = hardware.node_info()
    assert info.cpus == os.sysconf("SC_NPROCESSORS_ONLN")
    assert info.nodes * info.sockets * info.cores * info.threads == info.cpus
    assert info.model == os.uname().machine
    assert info.memory_kib > 1 << 17
    assert hardware.hostname() == socket.gethostname()


def test_node_facts_are_not_read_again_for_each_call() -> None:
    assert hardware.node_info() is hardware.node_info()


def test_the_cpu_map_has_a_bit_for_each_processor_that_runs() -> None:
    bitmap, online, present = hardware.cpu_map()
    assert sum(byte.bit_count() for byte in bitmap) == online <= present


def test_processor_times_add_up() -> None:
    total = dict(hardware.cpu_stats(-1))
    assert set(total) == {"kernel", "user", "idle", "iowait"}
    first = dict(hardware.cpu_stats(hardware.cpus_online()[0]))
    assert all(first[name] <= dict(hardware.cpu_stats(-1))[name] for name in total)
    with pytest.raises(InvalidArgument, match="4096"):
        hardware.cpu_stats(4096)


def test_memory_is_told_for_the_host_and_for_a_cell() -> None:
    whole = dict(hardware.memory_stats(-1))
    assert set(whole) == {"total", "free", "buffers", "cached"}
    cell = dict(hardware.memory_stats(0))
    assert 0 < cell["free"] <= cell["total"] <= whole["total"]
    assert len(hardware.cells_free_memory(0, 10)) == len(hardware.numa_nodes())
    with pytest.raises(InvalidArgument):
        hardware.memory_stats(77)
    with pytest.raises(InvalidArgument):
        hardware.cells_free_memory(77, 1)


@pytest.mark.parametrize(
    ("text", "numbers"), [("0-2,8\n", [0, 1, 2, 8]), ("0", [0]), ("", []), ("\n", [])]
)
def test_the_kernels_lists_are_read(text: str, numbers: list[int]) -> None:
    assert hardware.parse_list(text) == numbers


def test_the_hosts_uuid_stays() -> None:
    assert hardware.host_uuid() == hardware.host_uuid()
    assert len(hardware.host_uuid()) == 36


def test_the_capabilities_say_what_clients_look_for() -> None:
    said = parse_capabilities(host_capabilities([CAPABILITIES], NO_KVM, None))
    assert str(said.host.uuid) == hardware.host_uuid()
    assert said.host.cpu.arch == os.uname().machine
    assert said.host.topology is not None
    assert said.host.topology.cells.num == len(hardware.numa_nodes())
    cell = said.host.topology.cells.cells[0]
    assert cell.cpus is not None
    assert cell.cpus.num == len(hardware.node_cpus(0))
    arch = said.guests[0].arch
    assert (arch.name, arch.wordsize, arch.emulator) == (
        "x86_64",
        64,
        "/usr/bin/qemu-system-x86_64",
    )
    assert [each.name for each in arch.machines[:2]] == ["pc-i440fx-7.2", "pc"]  # the default first
    aliases = {each.name: each.canonical for each in arch.machines if each.canonical}
    assert aliases["q35"] == "pc-q35-7.2"
    assert [each.type for each in arch.domains] == ["qemu"]


def test_kvm_is_offered_only_where_it_works() -> None:
    with_kvm = {**CAPABILITIES.data["cpus"], "kvm": CAPABILITIES.data["cpus"]["tcg"]}
    both = type(CAPABILITIES)({**CAPABILITIES.data, "cpus": with_kvm})
    said = parse_capabilities(host_capabilities([both], KVM, (64055, 64055)))
    assert [each.type for each in said.guests[0].arch.domains] == ["qemu", "kvm"]
    labels = {label.label for each in said.host.secmodels for label in each.baselabels}
    assert labels == {"+64055:+64055"}


def offered(machine: str | None = "q35", kind: str | None = "qemu") -> DomainCapabilities:
    text = domain_capabilities(CAPABILITIES, machine, kind, None, NO_KVM, OVMF, swtpm=True)
    return parse_domain_capabilities(text)


def test_an_emulator_offers_its_machine_under_its_whole_name() -> None:
    assert (offered().machine, offered().vcpu_max, offered().domain) == ("pc-q35-7.2", 288, "qemu")
    assert offered(None, None).machine == "pc-i440fx-7.2"


def test_firmware_is_offered_where_it_fits() -> None:
    loader = offered().os.loader
    assert loader is not None
    assert "/usr/share/OVMF/OVMF_CODE_4M.fd" in loader.values
    microvm = offered("microvm").os.loader
    assert microvm is not None
    assert microvm.values == ()


def test_kvm_that_does_not_work_is_refused_with_the_verdict() -> None:
    with pytest.raises(ConfigUnsupported, match="does not exist"):
        offered(kind="kvm")
    with pytest.raises(InvalidArgument):
        offered(kind="xen")


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
def test_what_is_offered_is_served(machine: str) -> None:
    """Every value of these enums is accepted in a definition."""
    said = offered(machine).devices
    assert said.disk is not None
    assert said.video is not None
    assert said.channel is not None
    values = {c.name: c.values for d in (said.disk, said.video, said.channel) for c in d.choices}
    drives = zip("abcdefgh", values["bus"], strict=False)
    names = {bus: "fda" if bus == "fdc" else f"sd{letter}" for letter, bus in drives}
    devices = "".join(
        f"<disk><source file='/a'/><target dev='{name}' bus='{bus}'/></disk>"
        for bus, name in names.items()
    )
    models = (each for each in values["modelType"] if each != "none")
    devices += "".join(f"<video><model type='{each}'/></video>" for each in models)
    devices += "".join(
        f"<channel type='{each}'><source path='/s{each}' mode='bind' host='h' service='1'/>"
        f"<target type='virtio' name='{each}'/></channel>"
        for each in values["type"]
    )
    devices += "<graphics type='spice'/>" if machine != "microvm" else ""
    text = (
        "<domain type='qemu'><name>a</name><memory>65536</memory>"
        f"<os><type machine='{machine}'>hvm</type><kernel>/k</kernel></os>"
        f"<devices>{devices}</devices></domain>"
    )
    assert unsupported(defined(text, CAPABILITIES), CAPABILITIES, NO_KVM) == []


def test_every_check_says_what_was_found_and_every_lack_has_a_cure(tmp_path: Path) -> None:
    found = checks(NO_KVM, str(tmp_path / "state"), str(tmp_path / "run"))
    names = {each.name for each in found}
    assert {"KVM", "UEFI firmware", "qemu-img", "passt", "memory", "disk space", "limits"} <= names
    assert all(each.found for each in found)
    assert [each.name for each in found if each.status != "ok" and not each.cure] == []
    assert next(each for each in found if each.name == "KVM").cure == NO_KVM.cure


def test_the_report_is_json(tmp_path: Path) -> None:
    report = json.loads(host_report(NO_KVM, str(tmp_path), str(tmp_path)))
    assert {frozenset(each) for each in report["checks"]} == {
        frozenset({"name", "status", "found", "cure"})
    }


def test_a_package_is_installed_with_a_command() -> None:
    assert "qemu-utils" in install("qemu-utils") or "qemu-img" in install("qemu-utils")
