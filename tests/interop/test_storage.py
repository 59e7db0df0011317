"""Pools and volumes through libvirt's own programs: the real virsh and virt-install.

What is made is looked at with qemu-img, and compared with what a real libvirtd makes of the same.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]


class Host:
    """A daemon, a directory for what is made through it, and virsh."""

    def __init__(self, daemon: daemons.Daemon) -> None:
        self.daemon = daemon
        self.directory = daemon.directory / "work"
        self.directory.mkdir()

    def run(self, *words: str, status: int = 0) -> str:
        """What a program printed; its exit status must be `status`."""
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
        assert (done.returncode != 0) == (status != 0), done.stdout + done.stderr
        return done.stdout + done.stderr if status else done.stdout

    def virsh(self, *words: str, status: int = 0) -> str:
        return self.run("virsh", "-q", "-c", self.daemon.uri, *words, status=status).strip()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.virtoryd() as daemon:
        yield Host(daemon)


@pytest.fixture(scope="module")
def real() -> Iterator[Host]:
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.libvirtd() as daemon:
        yield Host(daemon)


@pytest.fixture
def pool(host: Host, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Path]]:
    """Make running pools, gone afterwards."""
    made: list[str] = []

    def make(name: str) -> Path:
        path = host.directory / name
        host.virsh("pool-define-as", name, "dir", "--target", str(path))
        host.virsh("pool-start", name, "--build")
        made.append(name)
        return path

    yield make
    for name in made:
        for line in host.virsh("vol-list", name).splitlines():
            host.virsh("vol-delete", line.split()[0], "--pool", name)
        host.virsh("pool-destroy", name)
        host.virsh("pool-delete", name)
        host.virsh("pool-undefine", name)


def info(path: Path | str) -> Any:
    shown = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", str(path)], check=True, capture_output=True
    )
    return json.loads(shown.stdout)


def test_a_file_goes_up_and_comes_down_with_its_holes(host: Host, pool: Any) -> None:
    path = pool("streams")
    source, back = host.directory / "source", host.directory / "back"
    with source.open("wb") as file:
        file.write(os.urandom(1 << 20))
        file.seek(31 << 20)
        file.write(os.urandom(1 << 20))
    for sparse in ([], ["--sparse"]):
        host.virsh("vol-create-as", "streams", "v", "32M", "--allocation", "0")
        host.virsh("vol-upload", "v", str(source), "--pool", "streams", *sparse)
        host.virsh("vol-download", "v", str(back), "--pool", "streams", *sparse)
        assert back.read_bytes() == source.read_bytes()
        if sparse:
            assert (path / "v").stat().st_blocks * 512 <= 3 << 20
            assert back.stat().st_blocks * 512 <= 3 << 20
        host.virsh("vol-download", "v", str(back), "streams", "5", "7")
        assert back.read_bytes() == source.read_bytes()[5:12]
        host.virsh("vol-delete", "v", "--pool", "streams")


def test_an_uploaded_image_is_known_for_what_it_is(host: Host, pool: Any) -> None:
    pool("images")
    image = host.directory / "image.qcow2"
    host.run("qemu-img", "create", "-q", "-f", "qcow2", str(image), "3G")
    host.virsh("vol-create-as", "images", "v", "1M", "--allocation", "0")
    host.virsh("vol-upload", "v", str(image), "--pool", "images")
    text = host.virsh("vol-dumpxml", "v", "--pool", "images")
    assert "<format type='qcow2'/>" in text
    assert "<capacity unit='bytes'>3221225472</capacity>" in text


@pytest.mark.parametrize("format", ["raw", "qcow2", "vmdk", "vdi", "qed"])
def test_a_copy_holds_the_same(host: Host, pool: Any, format: str) -> None:
    path = pool("copies")
    host.virsh("vol-create-as", "copies", "a", "8M", "--allocation", "0", "--format", format)
    host.run("qemu-io", "-f", format, "-c", "write -P 7 1M 1M", str(path / "a"))
    host.virsh("vol-clone", "a", "b", "--pool", "copies")
    host.run("qemu-img", "compare", "-f", format, "-F", format, str(path / "a"), str(path / "b"))
    if format in ("qcow2", "qed"):
        host.run("qemu-img", "check", "-f", format, str(path / "b"))
    assert info(path / "b")["format"] == format


@pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="this host has no loop devices")
def test_a_pool_in_an_image_is_mounted_and_unmounted(host: Host) -> None:
    image, place = host.directory / "fs.img", host.directory / "mounted"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    host.virsh(
        *("pool-define-as", "fs", "fs", "--source-dev", str(image)),
        *("--source-format", "ext4", "--target", str(place)),
    )
    host.virsh("pool-start", "fs", status=1)
    host.virsh("pool-build", "fs", "--no-overwrite")
    assert "already holds" in host.virsh("pool-build", "fs", "--no-overwrite", status=1)
    host.virsh("pool-start", "fs")
    host.virsh("vol-create-as", "fs", "v.qcow2", "10M", "--format", "qcow2")
    assert "v.qcow2" in host.virsh("vol-list", "fs")
    refused = host.virsh("vol-create-as", "fs", "big", "100M", status=1)
    assert "No space left on device; free some space there" in refused
    host.virsh("pool-destroy", "fs")
    assert os.listdir(place) == []
    host.virsh("pool-start", "fs")
    assert "v.qcow2" in host.virsh("vol-list", "fs") and "big" not in host.virsh("vol-list", "fs")
    host.virsh("pool-destroy", "fs")
    host.virsh("pool-delete", "fs")
    host.virsh("pool-undefine", "fs")


DOMAIN = """<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type machine='pc'>hvm</type></os><features><acpi/></features>
<devices>{disk}</devices></domain>"""
DISK = """<disk type='volume'><driver name='qemu' type='qcow2'/>
<source pool='{pool}' volume='{volume}'/><target dev='{target}' bus='virtio'/></disk>"""


def test_a_disk_may_name_a_volume(host: Host, pool: Any) -> None:
    path = pool("disks")
    for name in ("v", "w"):
        host.virsh("vol-create-as", "disks", name, "8M", "--format", "qcow2")
    disk = DISK.format(pool="disks", volume="v", target="vda")
    (host.directory / "d.xml").write_text(DOMAIN.format(name="d", disk=disk))
    (host.directory / "w.xml").write_text(DISK.format(pool="disks", volume="w", target="vdb"))
    host.virsh("define", str(host.directory / "d.xml"))
    host.virsh("start", "d")
    host.virsh("attach-device", "d", str(host.directory / "w.xml"), "--live")
    assert host.virsh("domblklist", "d").split() == ["vda", "v", "vdb", "w"]
    assert f"block.0.path={path}/v" in host.virsh("domstats", "d", "--block")
    assert "8388608" in host.virsh("domblkinfo", "d", "vdb")
    assert "written by a running machine" in host.virsh(
        "vol-clone", "v", "x", "--pool", "disks", status=1
    )
    host.virsh("destroy", "d")
    assert "8388608" in host.virsh("domblkinfo", "d", "vda")
    for name in ("v", "w"):
        host.run("qemu-img", "check", str(path / name))
    host.virsh("pool-destroy", "disks")
    assert "storage pool 'disks' is not active" in host.virsh("start", "d", status=1)
    host.virsh("pool-start", "disks")
    host.virsh("vol-delete", "v", "--pool", "disks")
    assert "no storage vol with matching name 'v'" in host.virsh("start", "d", status=1)
    host.virsh("undefine", "d")


@pytest.mark.skipif(shutil.which("virt-install") is None, reason="virt-install is not installed")
def test_virt_install_makes_its_pools_and_volumes(host: Host) -> None:
    images = host.directory / "images"
    images.mkdir()
    host.run("qemu-img", "create", "-q", "-f", "qcow2", str(images / "first.qcow2"), "8M")
    host.run(
        *("virt-install", "--connect", host.daemon.uri, "--name", "vi", "--memory", "32"),
        *("--osinfo", "generic", "--virt-type", "qemu", "--graphics", "none", "--import"),
        *("--noautoconsole", "--network", "none"),
        *("--disk", f"path={images}/first.qcow2", "--disk", f"path={images}/second.qcow2,size=1"),
    )
    assert "images" in host.virsh("pool-list", "--name").split()
    assert info(images / "first.qcow2")["format"] == "qcow2"
    host.virsh("destroy", "vi")
    host.run(
        *("virt-install", "--connect", host.daemon.uri, "--name", "vj", "--memory", "32"),
        *("--osinfo", "generic", "--virt-type", "qemu", "--graphics", "none", "--import"),
        *("--noautoconsole", "--network", "none"),
        *("--disk", "pool=images,size=1,format=raw"),
    )
    assert str(images / "vj") in host.virsh("domblklist", "vj")
    host.virsh("destroy", "vj")
    for name in ("vi", "vj"):
        host.virsh("undefine", name, "--remove-all-storage")
    assert host.virsh("vol-list", "images") == ""
    host.virsh("pool-destroy", "images")
    host.virsh("pool-delete", "images")
    host.virsh("pool-undefine", "images")


VOLUMES = (
    ("raw", "<capacity unit='MiB'>8</capacity>", ""),
    ("sparse", "<capacity unit='MiB'>8</capacity><allocation>0</allocation>", ""),
    ("q", "<capacity unit='MiB'>8</capacity>", "<format type='qcow2'/>"),
    ("odd", "<capacity>1000001</capacity>", "<format type='qcow2'/>"),
    ("new", "<capacity>1048576</capacity>", "<format type='qcow2'/><compat>1.1</compat>"),
    (
        "lazy",
        "<capacity unit='MiB'>8</capacity>",
        "<format type='qcow2'/><compat>1.1</compat><features><lazy_refcounts/></features>"
        "<permissions><mode>0644</mode><owner>1</owner><group>1</group></permissions>",
    ),
    (
        "cluster",
        "<capacity unit='MiB'>8</capacity>",
        "<format type='qcow2'/><clusterSize unit='KiB'>4</clusterSize>",
    ),
    ("vmdk", "<capacity unit='MiB'>8</capacity>", "<format type='vmdk'/>"),
    ("vdi", "<capacity unit='MiB'>8</capacity>", "<format type='vdi'/>"),
    ("vpc", "<capacity unit='MiB'>8</capacity>", "<format type='vpc'/>"),
    ("qed", "<capacity unit='MiB'>8</capacity>", "<format type='qed'/>"),
    ("dir", "<capacity>0</capacity>", "<format type='dir'/>"),
)


def told(host: Host) -> dict[str, str]:
    """Every volume as it is described when made, and after a refresh; and the images' own words."""
    said: dict[str, str] = {}
    path = host.directory / "same"
    host.virsh("pool-create-as", "same", "dir", "--target", str(path), "--build")
    for name, sizes, target in VOLUMES:
        xml = f"<volume><name>{name}</name>{sizes}<target>{target}</target></volume>"
        (host.directory / "v.xml").write_text(xml)
        host.virsh("vol-create", "same", str(host.directory / "v.xml"))
        said[f"{name} made"] = host.virsh("vol-dumpxml", name, "--pool", "same")
    host.virsh("pool-refresh", "same")
    said["pool"] = re.sub(">[0-9]{9,}<", "><", host.virsh("pool-dumpxml", "same"))
    for name, *_ in VOLUMES:
        said[f"{name} found"] = host.virsh("vol-dumpxml", name, "--pool", "same")
        if name not in ("dir", "vmdk"):
            said[f"{name} image"] = json.dumps(info(path / name), indent=1, sort_keys=True)
        host.virsh("vol-delete", name, "--pool", "same")
    host.virsh("pool-destroy", "same")
    return {key: comparable(text, host) for key, text in said.items()}


def comparable(text: str, host: Host) -> str:
    """Without what is generated, and without what QEMU's and our own way to write differ in."""
    text = text.replace(str(host.directory), "DIRECTORY")
    text = re.sub(r"<([amc]time)>[\d.]+</", r"<\1></", text)
    text = re.sub(r"<uuid>[\w-]+</uuid>", "<uuid/>", text)
    text = re.sub(r"<allocation unit='bytes'>\d+</", "<allocation></", text)
    return re.sub(r'"actual-size": \d+', "", text)


def test_volumes_are_made_and_described_as_libvirtd_does(host: Host, real: Host) -> None:
    assert told(host) == told(real)
