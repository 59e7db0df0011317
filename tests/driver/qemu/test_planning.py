"""Plans: what a start takes, chosen without taking anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cases import CASES, KVM, defined, host, make_images, qcow2, qemu_7_2, text

from virtory.driver.network.attachment import Attachment
from virtory.driver.qemu.command_line import command_line, setup
from virtory.driver.qemu.host.host_memory import free_huge_pages
from virtory.driver.qemu.plan import Plan
from virtory.driver.qemu.planning.characters import plan_character
from virtory.driver.qemu.planning.choice import prepare
from virtory.driver.qemu.planning.draft import Draft
from virtory.driver.qemu.planning.firmware import variables_path
from virtory.driver.qemu.planning.host import FIRST_UID, can_bind
from virtory.driver.qemu.planning.hostdevs import usb_devices
from virtory.driver.qemu.planning.user import UID_COUNT, user_of
from virtory.errors import ConfigUnsupported, SystemCallFailed, VirtoryError
from virtory.model.domain import format_domain
from virtory.model.domain.devices.address import HostAddress
from virtory.model.domain.devices.channel import Channel, ChannelTarget
from virtory.model.domain.devices.hostdev import HostdevSource
from virtory.model.domain.seclabel import Seclabel
from virtory.model.values import Size

if TYPE_CHECKING:
    from virtory.model.domain import Domain

CAPABILITIES = qemu_7_2()


def definition(case: str, directory: Path) -> Domain:
    return defined(text(case, make_images(directory / "images")), CAPABILITIES)


def planned(case: str, directory: Path, number: int = 7, **settings: object) -> Plan:
    return prepare(definition(case, directory), host(**settings), number)[1]


def tree(directory: Path) -> set[str]:
    return {str(path) for path in directory.rglob("*")}


@pytest.mark.parametrize("case", CASES)
def test_a_plan_survives_json(case: str, tmp_path: Path) -> None:
    plan = planned(case, tmp_path, privileged=True)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_of_a_newer_version_is_read_without_what_is_unknown(tmp_path: Path) -> None:
    plan = planned("q35-cloud", tmp_path)
    data = plan.to_json()
    data["wires"] = ["red"]
    data["files"][0]["cache"] = "none"
    assert Plan.from_json(data) == plan


def test_planning_takes_nothing(tmp_path: Path) -> None:
    domain = definition("q35-cloud", tmp_path)
    before = tree(tmp_path)
    prepare(domain, host(), 1)
    assert tree(tmp_path) == before


def test_the_same_start_is_planned_the_same_way(tmp_path: Path) -> None:
    assert planned("q35-devices", tmp_path) == planned("q35-devices", tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_slots_and_purposes_are_unique(case: str, tmp_path: Path) -> None:
    plan = planned(case, tmp_path)
    taken = [*plan.files, *plan.listens, *plan.pairs]
    assert len({each.slot for each in taken}) == len(taken)
    assert len({each.purpose for each in taken}) == len(taken)


def test_only_the_top_of_a_chain_may_be_written(tmp_path: Path) -> None:
    plan = planned("q35-cloud", tmp_path)
    modes = {f.purpose: (f.mode, Path(f.path).name) for f in plan.files if "disk" in f.purpose}
    assert modes == {
        "disk:vda:0": ("rw", "overlay.qcow2"),
        "disk:vda:1": ("r", "base.qcow2"),
        "disk:sda:0": ("r", "c.iso"),
    }
    assert [image.depth for image in plan.chain("vda")] == [0, 1]


def test_symbolic_links_to_images_are_followed_when_planning(tmp_path: Path) -> None:
    domain = definition("pc-small", tmp_path)
    image = tmp_path / "images" / "a.qcow2"
    image.rename(tmp_path / "real.qcow2")
    image.symlink_to(tmp_path / "real.qcow2")
    plan = prepare(domain, host(), 1)[1]
    assert plan.path("disk:vda:0") == str(tmp_path / "real.qcow2")


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    domain = definition("pc-small", tmp_path)
    (tmp_path / "images" / "a.qcow2").unlink()
    with pytest.raises(SystemCallFailed, match=r"a\.qcow2.*No such file"):
        prepare(domain, host(), 1)


def test_an_optional_medium_that_is_missing_leaves_the_drive_empty(tmp_path: Path) -> None:
    xml = text("q35-cloud", make_images(tmp_path / "images"))
    (tmp_path / "images" / "c.iso").unlink()
    xml = xml.replace("c.iso'/>", "c.iso' startupPolicy='optional'/>")
    live, plan = prepare(defined(xml, CAPABILITIES), host(), 1)
    assert plan.chain("sda") == []
    assert live.devices.disks[1].source is None


def test_each_guest_of_a_root_daemon_is_a_user_of_its_own(tmp_path: Path) -> None:
    first = planned("pc-minimal", tmp_path, 1, privileged=True)
    second = planned("pc-minimal", tmp_path, 2, privileged=True)
    assert (first.uid, second.uid) == (FIRST_UID + 1, FIRST_UID + 2)
    assert first.uid == first.gid
    assert first.groups == ()
    late = planned("pc-minimal", tmp_path, UID_COUNT + 1, privileged=True)
    assert late.uid == first.uid


def test_guests_of_an_ordinary_user_are_that_user(tmp_path: Path) -> None:
    plan = planned("pc-minimal", tmp_path)
    assert (plan.uid, plan.gid) == (None, None)


def test_one_user_for_all_guests_may_be_configured(tmp_path: Path) -> None:
    plan = planned("pc-minimal", tmp_path, privileged=True, user=(64055, 994))
    assert (plan.uid, plan.gid) == (64055, 994)


def test_only_guests_that_use_kvm_are_in_its_group(tmp_path: Path) -> None:
    domain = replace(definition("pc-minimal", tmp_path), type="kvm")
    there = host(privileged=True, kvm_gid=104, verdict=KVM)
    assert prepare(domain, there, 1)[1].groups == (104,)
    assert prepare(replace(domain, type="qemu"), there, 1)[1].groups == ()


def test_type_kvm_where_kvm_is_not_fails_with_the_verdict(tmp_path: Path) -> None:
    domain = replace(definition("pc-minimal", tmp_path), type="kvm")
    with pytest.raises(ConfigUnsupported, match="does not exist") as caught:
        prepare(domain, host(), 1)
    assert caught.value.cure == "Run: sudo modprobe kvm_intel"


def test_a_socket_whose_path_is_too_long_is_refused_before_it_is_bound(tmp_path: Path) -> None:
    deep = replace(host(), run_directory=str(tmp_path / ("d" * 100)))
    with pytest.raises(ConfigUnsupported, match="107 bytes"):
        prepare(definition("pc-minimal", tmp_path), deep, 1)


def test_what_ports_print_is_kept_and_what_channels_carry_is_not(tmp_path: Path) -> None:
    plan = planned("pc-characters", tmp_path)
    logs = {each.purpose for each in plan.files if each.purpose.startswith("log:")}
    assert logs == {"log:serial0", "log:serial1", "log:serial2", "log:parallel0", "log:console1",
                    "log:console2"}  # fmt: skip
    assert all(each.mode == "append" and each.create for each in plan.files if each.purpose in logs)


def test_the_daemon_listens_where_the_definition_says_or_in_the_run_directory(
    tmp_path: Path,
) -> None:
    plan = planned("pc-characters", tmp_path)
    assert plan.path("char:serial0") == str(tmp_path / "images" / "s0.sock")
    assert plan.path("char:channel0") == f"{plan.directory}/org.qemu.guest_agent.0"
    assert plan.path("monitor") == f"{plan.directory}/monitor.sock"


def test_sockets_of_an_earlier_run_in_a_pasted_description_are_chosen_anew(tmp_path: Path) -> None:
    live, first = prepare(definition("q35-cloud", tmp_path), host(), 7)
    _, again = prepare(defined(format_domain(live), CAPABILITIES), host(), 8)
    assert first.path("char:channel0") != again.path("char:channel0")
    assert str(again.path("char:channel0")).startswith(again.directory)


def test_firmware_is_read_and_its_variables_are_written(tmp_path: Path) -> None:
    domain = definition("q35-uefi-secure", tmp_path)
    live, plan = prepare(domain, host(), 1)
    firmware, nvram = (next(f for f in plan.files if f.purpose == p) for p in ("firmware", "nvram"))
    assert (firmware.path, firmware.mode) == ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "r")
    assert (nvram.mode, nvram.create, nvram.remove) == ("rw", True, False)
    assert nvram.path == variables_path(domain, host())
    assert nvram.template == "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
    assert live.features is not None
    assert live.features.smm is not None
    assert live.features.smm.state is True


def test_passt_serves_who_asks_for_it_and_all_when_it_is_preferred(tmp_path: Path) -> None:
    plan = planned("q35-network", tmp_path)
    assert [helper.name for helper in plan.helpers] == ["passt-net1"]
    assert plan.helpers[0].argv[1:] == (
        "--foreground", "--quiet", "--fd", "{fd}", "-t", "127.0.0.1/43022:22", "-u",
        "43100-43110:100-110",
    )  # fmt: skip
    all_of_them = planned("q35-network", tmp_path, prefers_passt=True)
    assert "-a" not in all_of_them.helpers[2].argv  # that <ip> is meant as QEMU takes it
    assert [pair.purpose for pair in all_of_them.pairs] == ["net:net0", "net:net1", "net:net2"]


def test_passt_is_told_what_it_serves_and_what_not() -> None:
    card = (
        "<interface type='user'><backend type='passt'/><source dev='eth7'/>"
        "<ip family='ipv4' address='10.9.8.7' prefix='16'/><ip family='ipv6' address='fd00::7'/>"
        "<portForward proto='tcp' address='127.0.0.1' dev='lo'><range start='2000' end='2010'/>"
        "<range start='2005' exclude='yes'/></portForward><portForward proto='udp'/></interface>"
    )
    xml = (
        "<domain type='qemu'><name>m</name><memory unit='MiB'>64</memory>"
        f"<os><type machine='q35'>hvm</type></os><devices>{card}</devices></domain>"
    )
    _, plan = prepare(defined(xml, CAPABILITIES), host(), 1)
    assert plan.helpers[0].argv[5:] == (
        "-i", "eth7", "-a", "10.9.8.7", "-n", "16", "-a", "fd00::7",
        "-t", "127.0.0.1%lo/2000-2010,~2005", "-u", "all",
    )  # fmt: skip


def test_missing_helpers_are_named_with_their_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnsupported, match="passt") as caught:
        planned("q35-network", tmp_path, passt=None)
    assert "apt install passt" in str(caught.value)
    with pytest.raises(ConfigUnsupported, match="swtpm") as caught:
        planned("q35-devices", tmp_path, swtpm=None)
    assert "apt install swtpm" in str(caught.value)


def test_the_first_free_vnc_port_is_taken(tmp_path: Path) -> None:
    plan = planned("pc-ide-vga", tmp_path, port_is_free=lambda _, port: port >= 5903)
    assert plan.vnc_ports == (5903,)
    plan = planned("pc-ide-vga", tmp_path, given_ports=frozenset((5900, 5901)))
    assert plan.vnc_ports == (5902,)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("org.example.one", "org.example.one"),
        ("monitor.sock", "channel0.sock"),
        ("serial0.log", "channel0.sock"),
        ("..", "channel0.sock"),
        ("a/b", "channel0.sock"),
    ],
)
def test_a_channels_name_takes_no_other_files_place(tmp_path: Path, name: str, file: str) -> None:
    draft = Draft(definition("q35-devices", tmp_path), host(), 1)
    channel = Channel(type="unix", target=ChannelTarget(type="virtio", name=name), alias="channel0")
    plan_character(channel, draft)
    assert draft.listens[-1].path == f"{draft.directory}/{file}"


def test_a_port_that_somebody_listens_on_can_not_be_bound() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not can_bind("127.0.0.1", port)
    assert can_bind("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("xml", "free", "words"),
    [
        ("<hugepages/>", 3, "needs 16 huge pages of 4096 KiB, of which 3 are free"),
        ("<hugepages><page size='1' unit='G'/></hugepages>", None, "pages of 1048576 KiB, which"),
    ],
)
def test_missing_huge_pages_are_counted_before_anything_is_taken(
    xml: str, free: int | None, words: str
) -> None:
    definition = (
        f"<domain type='qemu'><name>big</name><memory unit='MiB'>64</memory>"
        f"<memoryBacking>{xml}</memoryBacking><os><type machine='pc'>hvm</type></os></domain>"
    )
    domain = defined(definition, qemu_7_2())
    pool = host(free_huge_pages=lambda size: (size or Size.of_mib(4), free))
    with pytest.raises(ConfigUnsupported, match=words) as caught:
        prepare(domain, pool, 1)
    assert "'big'" in str(caught.value)
    assert "/sys/kernel/mm/hugepages" in str(caught.value) or "nr_hugepages" in str(caught.value)
    prepare(domain, host(free_huge_pages=lambda size: (size or Size.of_mib(4), 16)), 1)


def test_free_huge_pages_are_those_of_the_kernel() -> None:
    for pool in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"):
        size = Size.of_kib(int(pool.name.removeprefix("hugepages-").removesuffix("kB")))
        assert free_huge_pages(size) == (size, int((pool / "free_hugepages").read_text()))
    assert free_huge_pages(Size.of_kib(12)) == (Size.of_kib(12), None)


def test_sockets_into_the_guest_need_the_kernels_module(tmp_path: Path) -> None:
    from virtory.model.domain.devices.vsock import Cid, Vsock

    domain = definition("pc-minimal", tmp_path)
    vsock = Vsock(model="virtio", cid=Cid(auto=True))
    domain = replace(domain, devices=replace(domain.devices, vsock=vsock))
    with pytest.raises(ConfigUnsupported, match="vhost-vsock") as caught:
        prepare(domain, host(), 1)
    assert "modprobe vhost_vsock" in str(caught.value)
    live, plan = prepare(domain, host(has_vsock=True), 9)
    assert plan.cids == (1009,)
    assert live.devices.vsock is not None
    assert live.devices.vsock.cid is not None
    assert live.devices.vsock.cid.address == 1009


def test_an_external_data_file_is_opened_beside_its_image(tmp_path: Path) -> None:
    domain = definition("pc-small", tmp_path)
    images = tmp_path / "images"
    (images / "a.qcow2").write_bytes(qcow2(data_file="a.data"))
    (images / "a.data").write_bytes(bytes(512))
    plan = prepare(domain, host(), 1)[1]
    assert plan.path("disk:vda:0:data") == str(images / "a.data")
    assert plan.chain("vda")[0].data_slot == plan.slot("disk:vda:0:data")


def test_the_hosts_smbios_is_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    xml = (
        "<domain type='qemu'><name>a</name><memory>65536</memory>"
        "<os><type>hvm</type><smbios mode='host'/></os></domain>"
    )
    tables = tmp_path / "id"
    tables.mkdir()
    world = host(smbios=str(tables))
    with pytest.raises(ConfigUnsupported, match="Host SMBIOS information is not available"):
        prepare(defined(xml, CAPABILITIES), world, 1)
    (tables / "sys_vendor").write_text("Acme, Inc.\n")
    (tables / "bios_vendor").write_text("Coreboot\n")
    plan = prepare(defined(xml, CAPABILITIES), world, 1)[1]
    assert plan.smbios == ("type=0,vendor=Coreboot", "type=1,manufacturer=Acme,, Inc.")


def test_usb_devices_are_found_by_their_numbers(tmp_path: Path) -> None:
    for name, numbers in (("1-1", (1, 3, "1d6b", "0002")), ("2-4", (2, 7, "1234", "beef"))):
        directory = tmp_path / name
        directory.mkdir()
        for file, value in zip(("busnum", "devnum", "idVendor", "idProduct"), numbers, strict=True):
            (directory / file).write_text(f"{value}\n")
    (tmp_path / "usb1").mkdir()

    def found(**fields: object) -> list[str]:
        return list(usb_devices(HostdevSource(**fields), str(tmp_path)))  # type: ignore[arg-type]

    assert found(vendor=0x1234, product=0xBEEF) == ["/dev/bus/usb/002/007"]
    assert found(address=HostAddress(bus="1", device=3)) == ["/dev/bus/usb/001/003"]
    assert found(address=HostAddress(bus="002", device=7)) == ["/dev/bus/usb/002/007"]
    assert found(vendor=0x1234, product=1) == []
    assert found(address=HostAddress(bus="9", device=9)) == []


HOSTDEV = "<hostdev mode='subsystem' type='{}'><source{}>{}</source></hostdev>"


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (HOSTDEV.format("usb", "", "<vendor id='0xffff'/><product id='0xfffe'/>"),
         "Did not find USB device ffff:fffe"),
        (HOSTDEV.format("pci", "", "<address domain='0' bus='0xff' slot='0x1f' function='7'/>"),
         "Device 0000:ff:1f.7 not found"),
        ("<filesystem><source dir='/no/such/directory'/><target dir='t'/></filesystem>",
         "cannot share '/no/such/directory'"),
        ("<filesystem><source dir='/dev/null'/><target dir='t'/></filesystem>", "no directory"),
    ],
)  # fmt: skip
def test_what_is_not_on_the_host_is_named(device: str, words: str) -> None:
    xml = (
        "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{device}</devices></domain>"
    )
    with pytest.raises(VirtoryError, match=words) as caught:
        prepare(defined(xml, CAPABILITIES), host(privileged=True), 1)
    assert caught.value.cure or "PCI" in device or "Device" in words or "no directory" in words


def test_an_optional_usb_device_may_be_absent() -> None:
    source = (" startupPolicy='optional'", "<vendor id='0xffff'/><product id='0xfffe'/>")
    xml = (
        "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{HOSTDEV.format('usb', *source)}</devices></domain>"
    )
    live, plan = prepare(defined(xml, CAPABILITIES), host(privileged=True), 1)
    assert plan.slot("hostdev:hostdev0") is None
    assert "usb-host" not in " ".join(command_line(live, plan, CAPABILITIES))


SHARE = (
    "<domain type='qemu'><name>a</name><memory>65536</memory><memoryBacking>"
    "<source type='memfd'/><access mode='shared'/></memoryBacking><os><type>hvm</type></os>"
    "<devices><filesystem><driver type='virtiofs' queue='512'/>{}<source dir='{}'/>"
    "<target dir='t'/></filesystem></devices></domain>"
)


def test_virtiofsd_serves_a_share_through_a_socket_that_has_no_path(tmp_path: Path) -> None:
    options = "<binary xattr='on'><cache mode='always'/><lock posix='on' flock='off'/></binary>"
    directory = tmp_path / "a,b"
    directory.mkdir()
    world = host(privileged=True, virtiofsd="/usr/lib/qemu/virtiofsd")
    live, plan = prepare(defined(SHARE.format(options, directory), CAPABILITIES), world, 1)
    (helper,), (pair,) = plan.helpers, plan.pairs
    assert helper.argv == (
        "/usr/lib/qemu/virtiofsd", "--fd={fd}", "-o",
        f"source={tmp_path}/a\\,b,cache=always,xattr,no_flock,posix_lock",
    )  # fmt: skip
    assert (pair.listening, pair.purpose, helper.as_guest) == (True, "fs:fs0", False)
    assert live.devices.filesystems[0].binary is not None
    assert live.devices.filesystems[0].binary.path == "/usr/lib/qemu/virtiofsd"
    arguments = " ".join(command_line(live, plan, CAPABILITIES))
    assert str(tmp_path) not in arguments
    assert '"vhost-user-fs-pci"' in arguments


def test_what_virtiofs_lacks_is_named(tmp_path: Path) -> None:
    bare = defined(SHARE.format("", tmp_path), CAPABILITIES)
    with pytest.raises(ConfigUnsupported, match="virtiofsd, which is not installed"):
        prepare(bare, host(privileged=True), 1)
    with pytest.raises(ConfigUnsupported, match="needs a daemon that runs as root") as caught:
        prepare(bare, host(virtiofsd="/usr/lib/qemu/virtiofsd"), 1)
    assert "9p" in str(caught.value)
    program = tmp_path / "virtiofsd"
    program.write_text("")
    program.chmod(0o777)
    named = defined(SHARE.format(f"<binary path='{program}'/>", tmp_path), CAPABILITIES)
    with pytest.raises(ConfigUnsupported, match="would run as root"):
        prepare(named, host(privileged=True), 1)


def test_a_directory_that_the_guests_user_can_not_read_is_not_shared_by_9p(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    xml = (
        "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices><filesystem><source dir='{closed}'/><target dir='t'/></filesystem></devices>"
        "</domain>"
    )
    with pytest.raises(ConfigUnsupported, match="may not read it") as caught:
        prepare(defined(xml, CAPABILITIES), host(privileged=True), 1)
    assert "virtiofs" in str(caught.value)
    assert prepare(defined(xml, CAPABILITIES), host(), 1)[1].path("fs:fs0") == str(closed)


def test_a_guest_runs_as_the_user_that_its_label_names(tmp_path: Path) -> None:
    domain = definition("pc-minimal", tmp_path)
    label = Seclabel(type="static", model="dac", label="+107:+64055")
    labelled = replace(domain, seclabels=(label,))
    plan = prepare(labelled, host(privileged=True), 1)[1]
    assert (plan.uid, plan.gid) == (107, 64055)
    assert prepare(labelled, host(), 1)[1].uid is None
    for root in ("+0:+0", "root:root", "+107", "nobody-of-this-name:x"):
        assert user_of(root) is None


def test_a_clock_starts_as_far_from_the_hosts_as_it_was(tmp_path: Path) -> None:
    plan = planned("pc-beeper", tmp_path)
    assert plan.clock_base == "2023-11-15T00:13:20"  # 1_700_000_000 and two hours
    assert plan.clock_adjustment == 7200


def test_a_node_that_the_host_has_not_is_named(tmp_path: Path) -> None:
    domain = definition("q35-memory", tmp_path)
    with pytest.raises(ConfigUnsupported, match="no NUMA node 0") as caught:
        prepare(domain, host(nodes=frozenset({3})), 1)
    assert caught.value.cure == "Name those that it has: 3."


def test_a_display_listens_on_the_hosts_address_of_a_network(tmp_path: Path) -> None:
    screen = "<graphics type='vnc'><listen type='network' network='default'/></graphics>"
    xml = (
        "<domain type='qemu'><name>a</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{screen}</devices></domain>"
    )
    stored = defined(xml, CAPABILITIES)
    there = Attachment(b"\0" * 16, "virbr0", address="192.168.122.1")
    live, plan = prepare(stored, host(attachment=lambda name, group: there), 1)
    assert live.devices.graphics[0].listen == "192.168.122.1"
    assert plan.vnc_ports == (5900,)
    steps = {step.command: step.arguments for step in setup(live, plan)}
    assert steps["display-update"]["addresses"][0]["host"] == "192.168.122.1"
    again = defined(format_domain(live), CAPABILITIES).devices.graphics[0].listens[0]
    assert again.address is None
    nowhere = there._replace(address=None)
    with pytest.raises(ConfigUnsupported, match="no address on network 'default'"):
        prepare(stored, host(attachment=lambda name, group: nowhere), 1)
