"""The real virsh changes a machine that runs, and the guest in it sees each change."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "guests"))

import initramfs

import virtory

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

PORTS = "".join("<controller type='pci' model='pcie-root-port'/>" for _ in range(8))
XML = """<domain type='qemu'><name>vm</name><memory unit='MiB'>160</memory>
<vcpu current='1'>2</vcpu><os><type arch='x86_64' machine='q35'>hvm</type>
<kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>console=ttyS0 quiet</cmdline></os>
<features><acpi/></features><devices>{ports}<controller type='scsi' model='virtio-scsi'/>
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{one}'/>
<target dev='sda' bus='scsi'/><readonly/></disk>
<serial type='pty'/><graphics type='vnc' socket='auto' passwd='old'/>
<video><model type='vga'/></video></devices></domain>"""


class Machine:
    """A guest with a shell on its first serial port, and virsh on its daemon."""

    def __init__(self, uri: str, virsh: Any) -> None:
        self.uri = uri
        self._virsh = virsh
        terminal = re.search(r"path='(/dev/pts/\d+)'", self.virsh("dumpxml", "vm"))
        assert terminal is not None
        self._console = os.open(terminal[1], os.O_RDWR | os.O_NOCTTY)
        self.said = b""

    def virsh(self, *words: str) -> str:
        """What it printed; it must succeed."""
        status, printed = self._virsh(self.uri, *words)
        assert status == 0, printed
        return str(printed)

    def detach(self, *words: str) -> str:
        """What virsh printed, once the guest has let go: virsh waits for some seconds only."""
        with virtory.open_sync(self.uri) as host, host.events("device-removed") as events:
            printed = self.virsh(*words)
            assert events.next(180) is not None
        return printed

    def fails(self, *words: str) -> str:
        """What it complained of."""
        status, printed = self._virsh(self.uri, *words)
        assert status != 0, printed
        return str(printed)

    def until(self, wanted: bytes) -> bytes:
        """What the guest says up to and with this."""
        deadline = time.monotonic() + 180
        while wanted not in self.said:
            ready, _, _ = select.select([self._console], [], [], deadline - time.monotonic())
            assert ready, f"the guest fell silent after {self.said!r}"
            self.said += os.read(self._console, 4096)
        head, _, self.said = self.said.partition(wanted)
        return head + wanted

    def shell(self, command: str) -> bytes:
        """Run it in the guest until it is done; what it printed."""
        os.write(self._console, f"{command}; echo DO''NE\n".encode())
        return self.until(b"DONE")

    def close(self) -> None:
        os.close(self._console)


@pytest.fixture(scope="module")
def files() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="v") as name:
        directory = Path(name)
        directory.chmod(0o711)
        initramfs.build(directory / "initrd")
        for number in ("one", "two"):
            (directory / number).write_text(f"content of {number}")
            subprocess.run(
                ["xorriso", "-as", "mkisofs", "-quiet", "-r",
                 "-o", str(directory / f"{number}.iso"), str(directory / number)],
                check=True, capture_output=True,
            )  # fmt: skip
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", str(directory / "disk.qcow2"), "16M"],
            check=True,
        )
        yield directory


@pytest.fixture
def machine(virtoryd: Any, virsh: Any, files: Path) -> Iterator[Machine]:
    kernel = initramfs.kernel()
    if kernel is None:
        pytest.skip("needs a kernel in /boot")
    daemon = virtoryd(files, "qemu", "qemu+unix:///system")
    (files / "vm.xml").write_text(
        XML.format(kernel=kernel, initrd=files / "initrd", ports=PORTS, one=files / "one.iso")
    )
    try:
        for words in (("define", str(files / "vm.xml")), ("start", "vm", "--paused")):
            status, printed = virsh(daemon.uri, *words)
            assert status == 0, printed
        made = Machine(daemon.uri, virsh)
        try:
            made.virsh("resume", "vm")
            made.until(initramfs.READY)
            yield made
        finally:
            made.close()
    finally:
        virsh(daemon.uri, "destroy", "vm")
        daemon.stop()


def test_virsh_changes_a_running_machine(machine: Machine, files: Path) -> None:
    virsh, shell = machine.virsh, machine.shell
    disk = str(files / "disk.qcow2")

    # a disk, live and in the definition
    words = ("--driver", "qemu", "--subdriver", "qcow2", "--live", "--config")
    assert virsh("attach-disk", "vm", disk, "vdb", *words) == "Disk attached successfully\n\n"
    assert disk in virsh("domblklist", "vm") and disk in virsh("dumpxml", "vm", "--inactive")
    shell("while [ ! -b /dev/vda ]; do usleep 50000; done; echo wri''tten > /dev/vda; sync")
    assert b"written" in shell("head -c 7 /dev/vda")
    assert "resized" in virsh("blockresize", "vm", "vdb", "32M")
    shell("while [ $(cat /sys/block/vda/size) != 65536 ]; do usleep 50000; done")
    virsh("blkdeviotune", "vm", "vdb", "--total-bytes-sec", "1048576", "--live", "--config")
    assert re.search(r"total_bytes_sec: 1048576", virsh("blkdeviotune", "vm", "vdb"))
    assert "<total_bytes_sec>1048576<" in virsh("dumpxml", "vm", "--inactive")
    assert "already exists" in machine.fails("attach-disk", "vm", disk, "vdb", "--config")
    words = ("detach-disk", "vm", "vdb", "--live", "--config")
    assert machine.detach(*words) == "Disk detached successfully\n\n"
    shell("while [ -b /dev/vda ]; do usleep 50000; done")
    assert disk not in virsh("dumpxml", "vm") + virsh("dumpxml", "vm", "--inactive")
    assert "No disk found" in machine.fails("detach-disk", "vm", "vdb")

    # a card
    mac = "52:54:00:00:00:42"
    card = files / "card.xml"
    card.write_text(
        f"<interface type='user'><mac address='{mac}'/><model type='virtio'/></interface>"
    )
    assert virsh("attach-device", "vm", str(card), "--live") == "Device attached successfully\n\n"
    shell("while [ ! -d /sys/class/net/eth0 ]; do usleep 50000; done; ifconfig eth0 up")
    assert virsh("domif-setlink", "vm", mac, "down") == "Device updated successfully\n\n"
    assert virsh("domif-getlink", "vm", mac).split()[-1] == "down"
    shell("while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 50000; done")
    virsh("domif-setlink", "vm", mac, "up")
    words = ("detach-interface", "vm", "user", "--mac", mac, "--live")
    assert machine.detach(*words) == "Interface detached successfully\n\n"
    shell("while [ -d /sys/class/net/eth0 ]; do usleep 50000; done")

    # a medium
    two = str(files / "two.iso")
    printed = virsh("change-media", "vm", "sda", two, "--update", "--live", "--config")
    assert printed == "Successfully updated media.\n"
    shell("until mount /dev/sr0 /tmp; do usleep 100000; done")
    assert b"content of two" in shell("cat /tmp/two; umount /tmp")
    assert virsh("change-media", "vm", "sda", "--eject", "--live") == (
        "Successfully ejected media.\n"
    )
    assert two not in virsh("domblklist", "vm")
    assert virsh("change-media", "vm", "sda", two, "--insert", "--live") == (
        "Successfully inserted media.\n"
    )

    # processors and memory
    virsh("setvcpus", "vm", "2", "--live")
    shell("while [ ! -d /sys/devices/system/cpu/cpu1 ]; do usleep 50000; done")
    shell("echo 1 > /sys/devices/system/cpu/cpu1/online")
    assert b"2" in shell("nproc")
    virsh("vcpupin", "vm", "1", "0", "--live", "--config")
    assert re.search(r"1\s+0\n", virsh("vcpupin", "vm"))
    virsh("emulatorpin", "vm", "0", "--live")
    virsh("iothreadadd", "vm", "7", "--live", "--config")
    assert re.search(r"7\s+0", virsh("iothreadinfo", "vm"))
    virsh("iothreadpin", "vm", "7", "0", "--live")
    virsh("iothreaddel", "vm", "7", "--live", "--config")
    virsh("setmem", "vm", "130M", "--live")
    virsh("setmaxmem", "vm", "256M", "--config")
    virsh("set-lifecycle-action", "vm", "reboot", "destroy", "--live", "--config")
    assert "<on_reboot>destroy</on_reboot>" in virsh("dumpxml", "vm")

    # a display's password
    screen = files / "screen.xml"
    screen.write_text("<graphics type='vnc' socket='auto' passwd='new'/>")
    virsh("update-device", "vm", str(screen), "--live")
    assert "passwd='new'" in virsh("dumpxml", "vm", "--security-info")
