"""A machine with much of what people ask for at once: the guest sees it, the host keeps to it."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import time
from pathlib import Path

import pytest

from virtory.driver.qemu import affinity
from virtory.model.domain import parse_domain

DAY_S = 86400
PERMISSION_DENIED = 7  # SPICE_LINK_ERR_PERMISSION_DENIED
SKIP_AUTHENTICATION = 1
MORE = """
<maxMemory slots='2' unit='GiB'>1</maxMemory>
<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
<iothreads>1</iothreads>
<cputune><vcpupin vcpu='0' cpuset='{last}'/><emulatorpin cpuset='{first}'/>
<iothreadpin iothread='1' cpuset='{first}'/></cputune>
<sysinfo type='smbios'><system><entry name='manufacturer'>Acme, Inc.</entry></system></sysinfo>
<cpu mode='host-model'><numa><cell id='0' cpus='0' memory='160' unit='MiB'/></numa></cpu>
<clock offset='variable' adjustment='{adjustment}' basis='utc'/>
"""
DEVICES = """
<filesystem type='mount'><driver type='virtiofs'/><binary><sandbox mode='chroot'/></binary>
<source dir='{directory}'/><target dir='share'/></filesystem>
<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>
<disk type='file' device='disk'><driver name='qemu' type='raw' copy_on_read='on' iothread='1'/>
<source file='{directory}/disk.raw'/><target dev='vda' bus='virtio'/>
<iotune><total_iops_sec>5000</total_iops_sec></iotune></disk>
<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
<graphics type='spice' passwd='secret'><listen type='socket'/></graphics>
<video><model type='qxl'/></video><sound model='ich9'/>
<redirdev bus='usb' type='spicevmc'/>
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory to share, with a disk's image in it."""
    (tmp_path / "word").write_text("from-host")
    (tmp_path / "disk.raw").write_bytes(bytes(1 << 20))
    return tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="virtiofsd needs root")
async def test_the_guest_sees_it_and_the_host_keeps_to_it(driver, linux, boot, shared):
    here = sorted(os.sched_getaffinity(0))
    more = MORE.format(first=here[0], last=here[-1], adjustment=3 * DAY_S)
    text = linux.xml("m", more=more, devices=DEVICES.format(directory=shared))
    text = text.replace("</os>", "<smbios mode='sysinfo'/></os>")
    uuid, console = await boot(text)
    guest = driver.domain._table.get(uuid).guest

    await console.type("mount -t virtiofs share /tmp && echo word-$(cat /tmp/word)-end\n")
    await console.until(b"word-from-host-end")
    await console.type("echo from-guest > /tmp/answer; sync; umount /tmp; echo wrote-$((1+1))\n")
    await console.until(b"wrote-2")
    assert (shared / "answer").read_text() == "from-guest\n"

    await console.type("echo vendor-$(cat /sys/class/dmi/id/sys_vendor)-end\n")
    await console.until(b"vendor-Acme, Inc.-end")
    await console.type("hwclock -s -u; echo seconds-$(date +%s)-e''nd\n")
    said = await console.until(b"-end")
    ahead = int(said.rpartition(b"seconds-")[2].removesuffix(b"-end")) - time.time()
    assert abs(ahead - 3 * DAY_S) < 300

    (vcpu,) = guest.vcpu_threads.values()
    assert os.sched_getaffinity(vcpu) == {here[-1]}
    assert os.sched_getaffinity(guest.pid) == {here[0]}
    assert affinity.threads_of(guest.pid)
    live = parse_domain(await driver.domain.xml(uuid, 1))
    assert live.devices.memories[0].target.size == 128 << 20
    assert live.devices.filesystems[0].binary.path.endswith("virtiofsd")
    for password, verdict in (("wrong", PERMISSION_DENIED), ("secret", 0)):
        with socket.socket(socket.AF_UNIX) as viewer:
            viewer.connect(live.devices.graphics[0].listens[0].socket)
            assert spice_verdict(viewer, password) == verdict
    ours, theirs = socket.socketpair()
    with ours, theirs:
        await driver.domain.open_graphics(uuid, 0, theirs.fileno(), SKIP_AUTHENTICATION)
        assert spice_verdict(ours, "") == 0
    await driver.domain.destroy(uuid, 0)
    assert not Path(live.devices.graphics[0].listens[0].socket).exists()


def spice_verdict(viewer: socket.socket, password: str) -> int:
    """What SPICE answers to a viewer of the main channel with this password (its protocol's
    `RedLinkMess`, `RedLinkReply` and ticket)."""
    viewer.settimeout(60)
    message = struct.pack("<IBBIII", 0, 1, 0, 0, 0, 18)
    viewer.sendall(b"REDQ" + struct.pack("<III", 2, 2, len(message)) + message)
    magic, _, _, size = struct.unpack("<4sIII", received(viewer, 16))
    assert magic == b"REDQ"
    reply = received(viewer, size)
    assert struct.unpack_from("<I", reply) == (0,)
    viewer.sendall(ticket(reply[4:166], password.encode() + b"\0"))
    (verdict,) = struct.unpack("<I", received(viewer, 4))
    return int(verdict)


def ticket(key: bytes, password: bytes) -> bytes:
    """The password for one session's key: RSA with OAEP (RFC 8017 §7.1.1)."""
    modulus, seed = int.from_bytes(key[-133:-5], "big"), os.urandom(20)
    block = hashlib.sha1(b"").digest() + bytes(86 - len(password)) + b"\1" + password
    masked = xored(block, mask(seed, 107))
    encoded = xored(seed, mask(masked, 20)) + masked
    return pow(int.from_bytes(encoded, "big"), 65537, modulus).to_bytes(128, "big")


def mask(seed: bytes, length: int) -> bytes:
    digests = (hashlib.sha1(seed + n.to_bytes(4, "big")).digest() for n in range(-(-length // 20)))
    return b"".join(digests)[:length]


def xored(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def received(viewer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = viewer.recv(count - len(data))
        assert more, data
        data += more
    return data
