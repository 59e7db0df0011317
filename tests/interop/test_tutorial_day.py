"""The tutorial's second part: virsh's everyday on one installed machine, and changes that stay."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import media
import tutorial

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]


@pytest.fixture(scope="module")
def host() -> Iterator[tutorial.Host]:
    """A host with a machine `vm` that is up: imported, on the default network, with an agent."""
    if reason := tutorial.missing():
        pytest.skip(reason)
    if lacking := media.missing():
        pytest.skip(f"missing: {lacking}")
    with tutorial.hosted() as made:
        system = media.build(made.places).system
        disk = made.places / "vm.qcow2"
        words = ("-f", "raw", "-O", "qcow2", str(system), str(disk))
        made.run("qemu-img", "convert", *words)
        made.run("qemu-img", "resize", str(disk), "64M")
        disk.chmod(0o666)
        command = made.install_words(
            *("--name", "vm", "--memory", "256", "--vcpus", "1,maxvcpus=2", "--import"),
            *("--disk", str(disk), "--network", "network=default", "--graphics", "vnc"),
            *("--channel", "unix,target.type=virtio,target.name=org.qemu.guest_agent.0"),
            *("--autoconsole", "text"),
        )
        with made.terminal("virt-install", *command) as terminal:
            terminal.until(media.UP)
            terminal.type("\x1d")
            terminal.end()
        yield made


def test_it_is_looked_at(host: tutorial.Host) -> None:
    assert re.search(r"\d+ +vm +running", host.virsh("list"))
    assert "vm" in host.virsh("list", "--all", "--title")
    assert "State:          running" in host.virsh("dominfo", "vm")
    assert re.search(r"virtio +52:54:00", host.virsh("domiflist", "vm"))
    assert re.search(r"vda +/.*vm.qcow2", host.virsh("domblklist", "vm"))
    assert "actual 262144" in host.virsh("dommemstat", "vm")
    assert re.search(r"VCPU: +0", host.virsh("vcpuinfo", "vm"))
    assert host.virsh("vncdisplay", "vm").startswith("127.0.0.1:")
    assert host.virsh("domdisplay", "vm").startswith("vnc://")
    assert "Capacity" in host.virsh("domblkinfo", "vm", "vda")
    assert "rd_req" in host.virsh("domblkstat", "vm", "vda")
    card = host.find(r"(vnet\d+|\S+) +network +default", "domiflist", "vm")
    assert "rx_bytes" in host.virsh("domifstat", "vm", card)
    assert "state.state=1" in host.virsh("domstats", "vm")
    assert "<domain type='qemu'" in host.virsh("dumpxml", "vm")


def test_its_address_is_known_by_its_lease(host: tutorial.Host) -> None:
    address = host.find(r"ipv4 +(192\.168\.\d+\.\d+)/24", "domifaddr", "vm")
    assert address in host.virsh("net-dhcp-leases", "default")
    assert address in host.virsh("domifaddr", "vm", "--source", "lease")
    card = host.find(r"(\S+) +network +default", "domiflist", "vm")
    assert card in host.virsh("domifaddr", "vm")
    assert "lo" in host.virsh("domifaddr", "vm", "--source", "agent", "--full")


def test_its_console_is_a_shell(host: tutorial.Host) -> None:
    assert host.ask("vm", "uname -s") == "Linux\n"


def test_it_is_paused_reset_rebooted_and_shut_down(host: tutorial.Host) -> None:
    host.virsh("suspend", "vm")
    assert host.virsh("domstate", "vm", "--reason").strip() == "paused (user)"
    host.virsh("resume", "vm")
    assert host.state("vm") == "running"
    with host.events("vm") as watching:
        for verb in ("reset", "reboot"):
            with host.console("vm") as console:
                console.prompt()
                host.virsh(verb, "vm")
                watching.until(b"reboot")
                console.until(media.UP)
        host.virsh("shutdown", "vm", "--mode", "acpi")
        watching.until(b"Stopped")
    assert host.virsh("domstate", "vm", "--reason").strip() == "shut off (shutdown)"
    host.start("vm", media.UP)


def test_it_is_described_renamed_and_started_with_the_host(host: tutorial.Host) -> None:
    host.virsh("desc", "vm", "--title", "A machine", "--config", "--live")
    assert "A machine" in host.virsh("list", "--title")
    host.virsh("desc", "vm", "of the tutorial", "--config")
    assert host.virsh("desc", "vm", "--config").strip() == "of the tutorial"
    host.virsh("autostart", "vm")
    assert "vm" in host.virsh("list", "--autostart")
    assert re.search(r"Autostart: +enable", host.virsh("dominfo", "vm"))
    host.virsh("autostart", "vm", "--disable")
    assert "vm" not in host.virsh("list", "--autostart")
    host.virsh("domrename", "vm", "other", fails=True)


def test_its_description_is_edited(host: tutorial.Host) -> None:
    editor = host.places / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/<on_crash>.*</<on_crash>restart</' \"$1\"\n")
    editor.chmod(0o755)
    host.virsh("edit", "vm", EDITOR=str(editor))
    assert "<on_crash>restart</on_crash>" in host.virsh("dumpxml", "vm", "--inactive")
    editor.write_text("#!/bin/sh\ntrue\n")
    assert "not changed" in host.virsh("edit", "vm", EDITOR=str(editor))


def test_a_second_disk_is_made_and_attached_for_good(host: tutorial.Host) -> None:
    disk = host.places / "second.qcow2"
    host.run("qemu-img", "create", "-f", "qcow2", str(disk), "8M")
    disk.chmod(0o666)
    words = ("vm", str(disk), "vdb", "--persistent", "--subdriver", "qcow2")
    assert "attached successfully" in host.virsh("attach-disk", *words)
    assert "16384" in host.ask("vm", "until [ -b /dev/vdb ]; do :; done; cat /sys/block/vdb/size")
    for words in ((), ("--inactive",)):
        assert "second.qcow2" in host.virsh("domblklist", "vm", *words)
    with host.events("vm") as watching:
        assert "detached" in host.virsh("detach-disk", "vm", "vdb", "--persistent")
        watching.until(b"device-removed")  # of a slow guest it was only asked for
    for words in ((), ("--inactive",)):
        assert "second.qcow2" not in host.virsh("domblklist", "vm", *words)
    host.run("qemu-img", "check", str(disk))


def test_a_card_is_attached_unplugged_and_its_cable_pulled(host: tutorial.Host) -> None:
    words = ("vm", "network", "default", "--model", "virtio", "--mac", "52:54:00:11:22:33")
    host.virsh("attach-interface", *words, "--live", "--config")
    assert host.virsh("domiflist", "vm").count("default") == 2
    up = "until grep -ql 52:54:00:11:22:33 /sys/class/net/*/address; do :; done; echo seen"
    assert "seen" in host.ask("vm", up)
    host.virsh("domif-setlink", "vm", "52:54:00:11:22:33", "down")
    assert "down" in host.virsh("domif-getlink", "vm", "52:54:00:11:22:33")
    host.virsh("domif-setlink", "vm", "52:54:00:11:22:33", "up")
    words = ("vm", "network", "--mac", "52:54:00:11:22:33", "--live", "--config")
    host.virsh("detach-interface", *words)
    assert "52:54:00:11:22:33" not in host.virsh("domiflist", "vm", "--inactive")


def test_it_is_changed_with_virt_xml(host: tutorial.Host) -> None:
    disk = host.places / "third.qcow2"
    host.run("qemu-img", "create", "-f", "qcow2", str(disk), "8M")
    disk.chmod(0o666)
    words = ("vm", "--add-device", "--disk", f"{disk},target.bus=virtio", "--update")
    said = host.virt_xml(*words)
    assert "hotplug successful" in said and "defined successfully" in said, said
    assert "third.qcow2" in host.virsh("domblklist", "vm")
    said = host.virt_xml("vm", "--remove-device", "--disk", "target.dev=vdb", "--update")
    assert "hotunplug successful" in said, said
    assert "third.qcow2" not in host.virsh("domblklist", "vm", "--inactive")
    host.virt_xml("vm", "--edit", "--memory", "192,maxmemory=320")
    assert "327680" in host.virsh("dumpxml", "vm", "--inactive")
    assert "changed" not in host.virt_xml("vm", "--edit", "--metadata", "title=By virt-xml")
    assert "By virt-xml" in host.virsh("desc", "vm", "--title", "--config")
    added = host.virt_xml("vm", "--add-device", "--rng", "/dev/urandom", "--print-diff")
    assert "+    <rng" in added
    host.virt_xml("vm", "--edit", "--graphics", "nosuchtype,typo=1", fails=True)


def test_its_memory_and_processors_are_changed(host: tutorial.Host) -> None:
    host.virsh("setmem", "vm", "200M", "--live")
    host.virsh("setvcpus", "vm", "2", "--config")
    assert "2" in host.virsh("vcpucount", "vm", "--current", "--config")
    host.virsh("setmaxmem", "vm", "384M", "--config")
    assert "393216" in host.virsh("dumpxml", "vm", "--inactive")


def test_snapshots_bring_back_what_was(host: tutorial.Host) -> None:
    mark = "dd of=/dev/vda bs=512 seek=60000 conv=notrunc,fsync 2>/dev/null"
    read = "dd if=/dev/vda bs=512 skip=60000 count=1 2>/dev/null | head -c 3"
    assert host.ask("vm", f"echo one | {mark}; {read}") == "one"
    host.virsh("snapshot-create-as", "vm", "first", "The first")
    host.ask("vm", f"echo two | {mark}; VAR=changed")
    host.virsh("snapshot-create-as", "vm", "second")
    listed = host.virsh("snapshot-list", "vm", "--tree")
    assert listed.index("first") < listed.index("second")
    assert re.search(r"first +\d{4}-.* +running", host.virsh("snapshot-list", "vm"))
    assert host.virsh("snapshot-current", "vm", "--name").strip() == "second"
    assert "The first" in host.virsh("snapshot-dumpxml", "vm", "first")
    assert re.search(r"Parent: +first", host.virsh("snapshot-info", "vm", "second"))
    host.virsh("snapshot-revert", "vm", "first")
    assert host.state("vm") == "running"
    assert host.ask("vm", f"{read}; echo $VAR") == "one\n"
    host.virsh("snapshot-revert", "vm", "--snapshotname", "second")
    host.virsh("snapshot-revert", "vm", "--current")
    assert host.ask("vm", f"{read}") == "two"
    host.virsh("snapshot-delete", "vm", "first")
    assert host.virsh("snapshot-list", "vm", "--name").split() == ["second"]
    host.virsh("snapshot-delete", "vm", "--current")
    assert host.virsh("snapshot-list", "vm", "--name").split() == []


def test_its_state_is_kept_over_a_night(host: tutorial.Host) -> None:
    host.ask("vm", "export KEPT=yes")
    host.virsh("managedsave", "vm")
    assert host.state("vm") == "shut off"
    assert "vm" in host.virsh("list", "--all", "--with-managed-save")
    assert "<name>vm</name>" in host.virsh("managedsave-dumpxml", "vm")
    host.virsh("start", "vm")
    assert host.ask("vm", "echo $KEPT") == "yes\n"
    file = host.places / "vm.save"
    host.virsh("save", "vm", str(file))
    host.virsh("restore", str(file))
    assert host.ask("vm", "echo $KEPT") == "yes\n"


def test_it_is_cloned_renamed_and_removed(host: tutorial.Host) -> None:
    with host.events("vm") as watching:
        host.virsh("shutdown", "vm")
        watching.until(b"Stopped")
    said = host.virt_clone("--original", "vm", "--auto-clone")
    assert "Clone 'vm-clone' created successfully" in said
    copy = host.places / "copy.qcow2"
    host.virt_clone("--original", "vm", "--name", "copy", "--file", str(copy))
    for clone in ("vm-clone", "copy"):
        for field in ("<uuid>(.*)</uuid>", "<mac address='(.*)'/>"):
            mine, theirs = (host.find(field, "dumpxml", name) for name in ("vm", clone))
            assert mine != theirs
    host.start("copy", media.UP)
    with host.console("copy") as console:
        console.prompt()
        host.virsh("destroy", "copy")
        assert console.end()[0] == 0
    host.run("qemu-img", "check", str(copy))
    host.virsh("domrename", "copy", "renamed")
    assert host.state("renamed") == "shut off"
    host.virsh("undefine", "renamed", "--storage", "vda", "--wipe-storage")
    assert not copy.exists()
    flags = ("--managed-save", "--snapshots-metadata", "--checkpoints-metadata", "--keep-nvram")
    host.virsh("undefine", "vm-clone", "--remove-all-storage", *flags)
    assert not (host.places / "vm-clone.qcow2").exists()
    assert host.virsh("list", "--all", "--name").split() == ["vm"]
    assert shutil.which("qemu-img") and "No errors" in host.run(
        "qemu-img", "check", str(host.places / "vm.qcow2")
    )
