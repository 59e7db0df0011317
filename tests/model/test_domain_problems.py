"""Every problem of a description is found, at its place, and all of them at once."""

from __future__ import annotations

import time

import pytest

from virtory.model.domain import parse_domain, problems
from virtory.model.domain.problems import LONGEST_NAME

HEAD = "<name>m</name><memory>1024</memory>"
OS = "<os><type>hvm</type></os>"


def found(
    inner: str = "", devices: str = "", head: str = HEAD, os: str = OS
) -> list[tuple[str, str]]:
    text = f"<domain type='qemu'>{head}{os}{inner}<devices>{devices}</devices></domain>"
    return problems(parse_domain(text))


def disk(inner: str = "", dev: str = "vda", attributes: str = "") -> str:
    return f"<disk {attributes}><source file='/a'/><target dev='{dev}'/>{inner}</disk>"


def test_a_sound_description_has_none() -> None:
    assert found(devices=disk() + "<interface type='user'/>") == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (" ", "the name is empty"),
        ("a/b", "the name 'a/b' contains '/', which is not allowed"),
        ("a\nb", "the name 'a\\nb' contains a line break, which is not allowed"),
        ("..", "the name '..' means a directory, which is not allowed"),
        ("é" * LONGEST_NAME, f"the name is longer than {LONGEST_NAME} bytes"),
    ],
)
def test_bad_names(name: str, said: str) -> None:
    head = f"<name>{name}</name><memory>1024</memory>"
    assert found(head=head) == [("/domain/name", said)]


@pytest.mark.parametrize(
    ("inner", "place"),
    [
        ("<title>a\nb</title>", "/domain/title"),
        ("<maxMemory slots='1'>1</maxMemory>", "/domain/maxMemory"),
        ("<maxMemory slots='0'>2048</maxMemory>", "/domain/maxMemory/@slots"),
        (
            "<memoryBacking><hugepages><page size='4'/><page size='0'/></hugepages>"
            "</memoryBacking>",
            "/domain/memoryBacking/hugepages/page[2]/@size",
        ),
        ("<vcpu current='3'>2</vcpu>", "/domain/vcpu/@current"),
        (
            "<cpu mode='maximum'><topology sockets='1' cores='2' threads='1'/></cpu>",
            "/domain/cpu/topology",
        ),
        ("<cpu><feature name='vmx'/></cpu>", "/domain/cpu/model"),
        ("<cpu mode='maximum'><feature name='vmx,pmu'/></cpu>", "/domain/cpu/feature[1]/@name"),
        ("<cpu><model vendor_id='a,b'>qemu64</model></cpu>", "/domain/cpu/model/@vendor_id"),
        (
            "<features><hyperv><vendor_id state='on' value='a,b'/></hyperv></features>",
            "/domain/features/hyperv/vendor_id/@value",
        ),
        (
            "<cpu mode='maximum'><feature name='a'/><feature name='a'/></cpu>",
            "/domain/cpu/feature[2]",
        ),
        ("<clock offset='timezone'/>", "/domain/clock/@timezone"),
        ("<clock offset='absolute'/>", "/domain/clock/@start"),
        (
            "<clock><timer name='pit'/><timer name='pit'/></clock>",
            "/domain/clock/timer[@name='pit']",
        ),
        ("<resource><partition>machine</partition></resource>", "/domain/resource/partition"),
        ("<seclabel type='static' model='dac'/>", "/domain/seclabel[1]"),
        (
            "<seclabel type='none' model='dac'/><seclabel type='none' model='dac'/>",
            "/domain/seclabel[2]",
        ),
        (
            "<iothreadids><iothread id='2'/><iothread id='2'/></iothreadids>",
            "/domain/iothreadids/iothread[@id='2']",
        ),
        (
            "<uuid>11111111-0000-4000-8000-000000000001</uuid><sysinfo type='smbios'><system>"
            "<entry name='uuid'>11111111-0000-4000-8000-000000000002</entry></system></sysinfo>",
            "/domain/sysinfo[1]/system/entry[@name='uuid']",
        ),
    ],
)
def test_problems_of_the_machine(inner: str, place: str) -> None:
    assert [where for where, _ in found(inner)] == [place]


def test_no_memory() -> None:
    head = "<name>m</name><memory>0</memory>"
    assert [where for where, _ in found(head=head)] == ["/domain/memory"]


@pytest.mark.parametrize(
    ("os", "place"),
    [
        ("<initrd>/i</initrd>", "/domain/os/initrd"),
        ("<cmdline>quiet</cmdline>", "/domain/os/cmdline"),
        ("<smbios mode='sysinfo'/>", "/domain/os/smbios/@mode"),
        ("<loader secure='yes' type='pflash'>/f</loader>", "/domain/os/loader/@secure"),
        ("<nvram>/v<source file='/w'/></nvram>", "/domain/os/nvram"),
    ],
)
def test_problems_of_the_start(os: str, place: str) -> None:
    assert [where for where, _ in found(os=f"<os><type>hvm</type>{os}</os>")] == [place]


def test_secure_boot_needs_pflash() -> None:
    os = "<os><type>hvm</type><loader secure='yes' type='rom'>/f</loader></os>"
    smm = "<features><smm state='on'/></features>"
    assert [where for where, _ in found(smm, os=os)] == ["/domain/os/loader/@secure"]


def test_boot_classes_and_boot_numbers_exclude_each_other() -> None:
    os = "<os><type>hvm</type><boot dev='hd'/></os>"
    assert found(devices=disk("<boot order='1'/>"), os=os)[0][0] == "/domain/os/boot"


def test_a_boot_number_is_given_once() -> None:
    devices = disk("<boot order='1'/>") + "<interface type='user'><boot order='1'/></interface>"
    assert found(devices=devices) == [
        (
            "/domain/devices/interface/boot/@order",
            "boot order 1 is also that of /domain/devices/disk",
        )
    ]


@pytest.mark.parametrize(
    ("devices", "place"),
    [
        ("<emulator>qemu</emulator>", "emulator"),
        (disk(dev="foo"), "disk/target/@dev"),
        ("<disk type='block'><source file='/a'/><target dev='vda'/></disk>", "disk/source/@dev"),
        ("<disk><target dev='vda'/></disk>", "disk/source/@file"),
        (
            "<disk type='volume'><source pool='p'/><target dev='vda'/></disk>",
            "disk/source/@volume",
        ),
        ("<disk device='floppy'><target dev='fda' bus='ide'/></disk>", "disk/target/@bus"),
        ("<disk device='cdrom'><target dev='fda' bus='fdc'/></disk>", "disk/target/@bus"),
        ("<disk device='cdrom'><target dev='vda' bus='virtio'/></disk>", "disk/target/@bus"),
        (
            "<disk><source file='/a'/><target dev='vda' tray='open'/></disk>",
            "disk/target/@tray",
        ),
        (
            disk(
                "<iotune><total_bytes_sec>1</total_bytes_sec><read_bytes_sec>1</read_bytes_sec></iotune>"
            ),
            "disk/iotune/total_bytes_sec",
        ),
        (disk("<driver iothread='1'/>"), "disk/driver/@iothread"),
        ("<interface type='network'/>", "interface/source/@network"),
        ("<interface type='bridge'><source dev='x'/></interface>", "interface/source/@bridge"),
        (
            "<interface type='user'><mac address='01:00:00:00:00:00'/></interface>",
            "interface/mac/@address",
        ),
        (
            "<interface type='user'><portForward proto='tcp'><range start='9' end='8'/>"
            "</portForward></interface>",
            "interface/portForward[1]/range[1]/@end",
        ),
        ("<serial type='file'/>", "serial/source/@path"),
        ("<serial type='unix'/>", "serial/source/@path"),
        ("<serial type='tcp'><source host='h'/></serial>", "serial/source/@service"),
        ("<channel type='pty'><target type='guestfwd'/></channel>", "channel/target"),
        ("<graphics type='vnc' passwd='123456789'/>", "graphics/@passwd"),
        ("<filesystem><source dir='/'/></filesystem>", "filesystem/target/@dir"),
        ("<filesystem><target dir='t'/></filesystem>", "filesystem/source"),
        ("<rng model='virtio'><backend model='egd'/></rng>", "rng/backend/source"),
        ("<hostdev type='pci'/>", "hostdev/source"),
        ("<vsock><cid address='2'/></vsock>", "vsock/cid/@address"),
        ("<memballoon model='none'><stats period='1'/></memballoon>", "memballoon/stats"),
    ],
)
def test_problems_of_one_device(devices: str, place: str) -> None:
    assert [where for where, _ in found(devices=devices)] == [f"/domain/devices/{place}"]


RNG = "<rng model='virtio'><backend model='builtin'/>{}</rng>"


@pytest.mark.parametrize(
    ("devices", "place"),
    [
        (disk() + disk(), "disk[2]/target/@dev"),
        (
            "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>"
            "<interface type='user'><mac address='52:54:0:0:0:1'/></interface>",
            "interface[2]/mac/@address",
        ),
        (
            "<controller type='scsi' index='1'/><controller type='scsi' index='1'/>",
            "controller[2]/@index",
        ),
        (
            "<filesystem><source dir='/'/><target dir='t'/></filesystem>" * 2,
            "filesystem[2]/target/@dir",
        ),
        ("<audio id='1' type='none'/><audio id='1' type='none'/>", "audio[2]/@id"),
        (RNG.format("<alias name='ua-x'/>") + disk("<alias name='ua-x'/>"), "rng/alias/@name"),
        (RNG.format("<address type='pci' slot='1'/>") * 2, "rng[2]/address"),
        (
            "<memballoon model='virtio'><address type='pci' slot='1'/></memballoon>"
            + RNG.format("<address type='pci' slot='0x01'/>"),
            "memballoon/address",
        ),
        (
            disk("<address type='drive' unit='1'/>")
            + disk("<address type='drive' unit='1'/>", "vdb"),
            "disk[2]/address",
        ),
        (
            "<channel type='null'><target type='virtio'/>"
            "<address type='virtio-serial' port='1'/></channel>" * 2,
            "channel[2]/address",
        ),
        ("<hub type='usb'><address type='usb' bus='0' port='1'/></hub>" * 2, "hub[2]/address"),
        ("<smartcard mode='host'><address type='ccid'/></smartcard>" * 2, "smartcard[2]/address"),
    ],
)
def test_what_two_devices_claim(devices: str, place: str) -> None:
    assert [where for where, _ in found(devices=devices)] == [f"/domain/devices/{place}"]


@pytest.mark.parametrize(
    "devices",
    [
        "<disk device='cdrom'><target dev='sda'/></disk>",
        disk("<driver iothread='2'/>"),
        RNG.format("<alias name='rng0'/>") * 2,
        RNG.format("<address type='pci' slot='1'/>") + RNG.format("<address type='pci' slot='2'/>"),
        "<serial type='pty'><target port='0'/><address type='isa'/></serial>"
        "<console type='pty'><target type='serial' port='0'/></console>",
        "<controller type='usb' index='0' model='ich9-ehci1'/>"
        "<controller type='usb' index='0' model='ich9-uhci1'><master startport='0'/></controller>",
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
    ],
)
def test_what_is_allowed(devices: str) -> None:
    assert found("<iothreads>2</iothreads>", devices) == []


def test_threads_without_a_number_take_the_lowest_that_are_free() -> None:
    threads = "<iothreads>3</iothreads><iothreadids><iothread id='7'/></iothreadids>"
    good = "".join(
        disk(f"<driver iothread='{thread}'/>", f"vd{letter}")
        for thread, letter in ((7, "a"), (1, "b"), (2, "c"))
    )
    assert found(threads, good) == []
    assert len(found(threads, disk("<driver iothread='3'/>"))) == 1


def test_all_problems_come_at_once() -> None:
    places = [
        where
        for where, _ in found(
            "<title>a\nb</title><vcpu current='9'>1</vcpu>",
            disk() + disk() + "<serial type='file'/>",
            head="<name>a/b</name><memory>0</memory>",
        )
    ]
    assert places == [
        "/domain/name",
        "/domain/title",
        "/domain/memory",
        "/domain/vcpu/@current",
        "/domain/devices/serial/source/@path",
        "/domain/devices/disk[2]/target/@dev",
    ]


@pytest.mark.parametrize(
    ("inner", "place"),
    [
        ("<vcpu cpuset='0-'>2</vcpu>", "/domain/vcpu/@cpuset"),
        ("<cputune><vcpupin vcpu='0' cpuset='x'/></cputune>", "/domain/cputune/vcpupin[1]/@cpuset"),
        ("<cputune><vcpupin vcpu='0' cpuset='0'/><vcpupin vcpu='0' cpuset='1'/></cputune>",
         "/domain/cputune/vcpupin[2]/@vcpu"),
        ("<cputune><emulatorpin cpuset='^1'/></cputune>", "/domain/cputune/emulatorpin/@cpuset"),
        ("<cputune><iothreadpin iothread='1' cpuset='0'/></cputune>",
         "/domain/cputune/iothreadpin[1]/@iothread"),
        ("<iothreads>1</iothreads><cputune><iothreadpin iothread='1' cpuset=''/></cputune>",
         "/domain/cputune/iothreadpin[1]/@cpuset"),
        ("<cputune><vcpusched vcpus='9-1' scheduler='batch'/></cputune>",
         "/domain/cputune/vcpusched[1]/@vcpus"),
        ("<numatune><memory mode='strict' nodeset='a'/></numatune>",
         "/domain/numatune/memory/@nodeset"),
        ("<numatune><memnode cellid='0' mode='strict' nodeset='0'/></numatune>",
         "/domain/numatune/memnode[1]/@cellid"),
        ("<cpu><numa><cell cpus='0,' memory='1024'/></numa></cpu>",
         "/domain/cpu/numa/cell[1]/@cpus"),
        ("<memoryBacking><hugepages><page size='4' nodeset='!'/></hugepages></memoryBacking>",
         "/domain/memoryBacking/hugepages/page[1]/@nodeset"),
        ("<clock offset='variable' adjustment='soon'/>", "/domain/clock/@adjustment"),
        ("<clock offset='variable' adjustment='99999999999999'/>", "/domain/clock/@adjustment"),
        ("<clock offset='absolute' start='99999999999999'/>", "/domain/clock/@start"),
    ],
)  # fmt: skip
def test_sets_pins_and_clocks_that_mean_nothing(inner: str, place: str) -> None:
    assert place in dict(found(inner))


@pytest.mark.parametrize(
    ("devices", "place"),
    [
        ("<memory model='dimm'><target><size>1024</size><node>1</node></target></memory>",
         "/domain/devices/memory[1]/target/node"),
        ("<controller type='usb' model='none'/><controller type='usb' model='ehci'/>",
         "/domain/devices/controller[1]/@model"),
        ("<console type='pty'/><console type='pty'><target type='serial'/></console>",
         "/domain/devices/console[2]/target/@type"),
        ("<redirfilter><usbdev class='8|0' allow='yes'/></redirfilter>",
         "/domain/devices/redirfilter/usbdev[1]/@class"),
        ("<redirfilter><usbdev version='two' allow='no'/></redirfilter>",
         "/domain/devices/redirfilter/usbdev[1]/@version"),
        ("<controller type='scsi' model='virtio-scsi'><driver iothread='3'/></controller>",
         "/domain/devices/controller/driver/@iothread"),
        ("<disk><source file='/a'/><target dev='sdzzz'/></disk>",
         "/domain/devices/disk/target/@dev"),
    ],
)  # fmt: skip
def test_devices_that_contradict_each_other_or_the_machine(devices: str, place: str) -> None:
    assert place in dict(found(devices=devices))


def test_modules_need_slots() -> None:
    module = "<memory model='dimm'><target><size>1024</size></target></memory>"
    inner = "<maxMemory slots='1'>4096</maxMemory>"
    assert "/domain/maxMemory/@slots" in dict(found(inner, devices=module * 2))


@pytest.mark.parametrize(
    ("inner", "devices", "place"),
    [
        ("<iothreads>2147483647</iothreads>", "", "/domain/iothreads"),
        ("<cpu><numa><cell memory='1' unit='lots'/></numa></cpu>", "",
         "/domain/cpu/numa/cell[1]/@unit"),
        ("<memoryBacking><hugepages><page size='2' unit='miles'/></hugepages></memoryBacking>", "",
         "/domain/memoryBacking/hugepages/page[1]/@unit"),
        ("", "<controller type='usb' model='qemu-xhci' ports='1000000000000'/>",
         "/domain/devices/controller/@ports"),
        ("", "<controller type='virtio-serial' ports='512'/>", "/domain/devices/controller/@ports"),
        ("", "<disk><source file='/a'/><target dev='sda'/><wwn>no</wwn></disk>",
         "/domain/devices/disk/wwn"),
        ("", "<disk><source file='/a'/><target dev='sda'/>"
         "<address type='drive' controller='2147483647'/></disk>",
         "/domain/devices/disk/address/@controller"),
        ("", "<interface type='user'><driver queues='2147483647'/></interface>",
         "/domain/devices/interface/driver/@queues"),
        ("", "<hostdev mode='subsystem' type='usb'><source><address bus='nan' device='1'/></source>"
         "</hostdev>", "/domain/devices/hostdev/source/address/@bus"),
    ],
)  # fmt: skip
def test_numbers_beyond_what_there_can_be(inner: str, devices: str, place: str) -> None:
    assert place in dict(found(inner, devices))


@pytest.mark.parametrize(
    "inner",
    [
        "<iothreadids>"
        + "".join(f"<iothread id='{i}'/>" for i in range(1, 30_000))
        + "</iothreadids>",
        "<clock>" + "<timer name='rtc'/>" * 30_000 + "</clock>",
        "<seclabel type='none' model='dac'/>" * 30_000,
        "<cpu><numa>"
        + "".join(f"<cell id='{i}' cpus='{i % 16000}' memory='1'/>" for i in range(10_000))
        + "</numa></cpu>",
    ],
    ids=["iothreads", "timers", "seclabels", "cells"],
)
def test_floods_are_judged_in_a_time_that_goes_with_their_length(inner: str) -> None:
    start = time.process_time()
    found(inner)
    assert time.process_time() - start < 4
