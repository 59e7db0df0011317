"""What can not be had is said, all at once, each with its XPath."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cases import CASES, KVM, NO_KVM, defined, qemu_7_2, text

from virtory.driver.qemu.definition import device_unsupported
from virtory.driver.qemu.definition.unsupported import unsupported

if TYPE_CHECKING:
    from pathlib import Path

CAPABILITIES = qemu_7_2()


def found(
    devices: str = "", *, kind: str = "q35", rest: str = "", domain: str = "qemu"
) -> dict[str, str]:
    xml = (
        f"<domain type='{domain}'><name>a</name><memory>65536</memory>"
        f"<os><type arch='x86_64' machine='{kind}'>hvm</type></os>{rest}"
        f"<devices>{devices}</devices></domain>"
    )
    return dict(unsupported(defined(xml, CAPABILITIES), CAPABILITIES, NO_KVM))


@pytest.mark.parametrize("case", CASES)
def test_every_golden_case_is_served(case: str, tmp_path: Path) -> None:
    domain = defined(text(case, tmp_path), CAPABILITIES)
    assert unsupported(domain, CAPABILITIES, NO_KVM) == []


def test_all_problems_come_at_once() -> None:
    problems = found(
        "<disk type='network'><source protocol='nbd' name='x'><host name='h'/></source>"
        "<target dev='vda'/></disk>"
        "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>"
        "<graphics type='sdl'/><sound model='sb16'/>",
        rest="<cputune><shares>1024</shares></cputune>",
    )
    assert set(problems) == {
        "/domain/cputune/shares",
        "/domain/devices/disk[1]/@type",
        "/domain/devices/interface[1]/@type",
        "/domain/devices/graphics[1]/@type",
    }


def test_kvm_is_refused_with_the_verdict_and_its_cure() -> None:
    assert "sudo modprobe kvm_intel" in found(domain="kvm")["/domain/@type"]


def test_kvm_is_not_refused_where_it_works() -> None:
    xml = (
        "<domain type='kvm'><name>a</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    assert unsupported(defined(xml, CAPABILITIES), CAPABILITIES, KVM) == []


@pytest.mark.parametrize(
    ("kind", "devices", "xpath"),
    [
        ("q35", "<disk><source file='/a'/><target dev='hda'/></disk>",
         "/domain/devices/disk[1]/target/@bus"),
        ("microvm", "<video><model type='vga'/></video>", "/domain/devices/video[1]"),
        ("microvm", "<input type='tablet' bus='usb'/>", "/domain/devices/input[1]/@bus"),
        ("microvm", "<interface type='user'><model type='e1000'/></interface>",
         "/domain/devices/interface[1]/model/@type"),
        ("pc", "<interface type='user'><backend type='passt' logFile='/l'/></interface>",
         "/domain/devices/interface[1]/backend/@logFile"),
        ("pc", "<watchdog model='itco'/>", "/domain/devices/watchdog[1]/@model"),
        ("pc", "<disk device='lun' type='block'><source dev='/dev/sda'/><target dev='sda'/></disk>",
         "/domain/devices/disk[1]/@device"),
        ("pc", "<serial type='pipe'><source path='/p'/></serial>",
         "/domain/devices/serial[1]/@type"),
        ("pc", "<redirdev bus='usb' type='spicevmc'/>", "/domain/devices/redirdev[1]/@type"),
        ("pc", "<graphics type='spice' tlsPort='5901'/>", "/domain/devices/graphics[1]/@tlsPort"),
        ("pc", "<graphics type='vnc' passwd='x' passwdValidTo='noon'/>",
         "/domain/devices/graphics[1]/@passwdValidTo"),
        ("pc", "<graphics type='vnc'/><audio id='1' type='spice'/>",
         "/domain/devices/audio[1]/@type"),
        ("pc", "<disk><driver type='vmdk'/><source file='/a'/><target dev='vda'/></disk>",
         "/domain/devices/disk[1]/driver/@type"),
        ("pc", "<graphics type='vnc'/><graphics type='vnc'/>", "/domain/devices/graphics[2]"),
        ("q35", "<controller type='usb' model='none'/><input type='tablet' bus='usb'/>",
         "/domain/devices/input[1]"),
        ("pc", "<video><model type='xen'/></video>", "/domain/devices/video[1]/model/@type"),
    ],
)  # fmt: skip
def test_what_a_machine_has_no_bus_or_driver_for_is_refused(
    kind: str, devices: str, xpath: str
) -> None:
    assert xpath in found(devices, kind=kind)


@pytest.mark.parametrize(
    ("rest", "xpath"),
    [
        ("<cpu mode='host-passthrough'/>", "/domain/cpu/@mode"),
        ("<cpu><model>Pentium9</model></cpu>", "/domain/cpu/model"),
        ("<vcpu>400</vcpu>", "/domain/vcpu"),
        ("<vcpu>2</vcpu><cputune><quota>-1</quota></cputune>", "/domain/cputune/quota"),
        ("<vcpu>2</vcpu><vcpus><vcpu id='0' enabled='no'/><vcpu id='1' enabled='yes'/></vcpus>",
         "/domain/vcpus/vcpu[@id='0']/@enabled"),
        ("<numatune><memory mode='restrictive' nodeset='0'/></numatune>",
         "/domain/numatune/memory/@mode"),
        ("<blkiotune><weight>500</weight></blkiotune>", "/domain/blkiotune"),
        ("<seclabel type='static' model='dac'><label>+0:+0</label></seclabel>",
         "/domain/seclabel[1]/label"),
        ("<maxMemory slots='2'>131072</maxMemory>", "/domain/maxMemory"),
        ("<on_crash>rename-restart</on_crash>", "/domain/on_crash"),
        ("<memoryBacking><hugepages/><source type='file'/></memoryBacking>",
         "/domain/memoryBacking/source/@type"),
        ("<memoryBacking><discard/></memoryBacking>", "/domain/memoryBacking/discard"),
    ],
)  # fmt: skip
def test_wishes_about_the_machine_that_are_not_served_are_refused(rest: str, xpath: str) -> None:
    assert xpath in found(rest=rest)


def test_uefi_without_acpi_is_refused() -> None:
    xml = (
        "<domain type='qemu'><name>a</name><memory>65536</memory>"
        "<os firmware='efi'><type machine='q35'>hvm</type></os></domain>"
    )
    problems = dict(unsupported(defined(xml, CAPABILITIES), CAPABILITIES, NO_KVM))
    assert set(problems) == {"/domain/features"}


def test_a_microvm_needs_a_kernel() -> None:
    assert set(found(kind="microvm")) == {"/domain/os/kernel"}


def test_names_of_fields_that_are_looked_up_are_fields() -> None:
    """`getattr` with a name is not seen by the type checker."""
    import ast
    import inspect

    from virtory.model.domain.devices.disk import Disk, Source
    from virtory.model.domain.devices.graphics import Graphics
    from virtory.model.domain.devices.interface import Interface

    fields = {field.name for cls in (Disk, Source, Graphics, Interface) for field in cls.declared()}
    tree = ast.parse(inspect.getsource(device_unsupported))
    looked_up = {
        constant.value
        for loop in ast.walk(tree)
        if isinstance(loop, ast.For) and isinstance(loop.iter, ast.Tuple)
        for constant in loop.iter.elts
        if isinstance(constant, ast.Constant)
    }
    assert looked_up
    assert looked_up <= fields
