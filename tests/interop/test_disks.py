"""virsh's jobs on disks, virt-clone and our own clone, on real images through virtoryd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "guests"))

import daemons
from test_block_jobs import DISK, Images

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.interop,
    pytest.mark.guest,
    pytest.mark.skipif(
        any(shutil.which(p) is None for p in ("virsh", "virt-clone", "qemu-img")),
        reason="needs virsh, virt-clone and qemu-img",
    ),
]
XML = """<domain type='qemu'><name>m</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<genid>11111111-2222-3333-4444-555555555555</genid>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{}
<interface type='user'><mac address='52:54:00:11:22:33'/></interface></devices></domain>"""


class Place:
    """A virtoryd, and images for the machine `m` that it has defined."""

    def __init__(self, uri: str, directory: Path) -> None:
        self.uri = uri
        self.images = Images(directory)
        definition = directory / "m.xml"
        definition.write_text(XML.format(DISK.format(self.images.path("top"))))
        self.virsh("define", str(definition))

    def run(self, *words: str) -> str:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def virsh(self, *words: str) -> str:
        return self.run("virsh", "-c", self.uri, *words)

    def virtory(self, *words: str) -> str:
        return self.run(sys.executable, "-m", "virtory.cli.main", "-c", self.uri, *words)

    def refused(self, *words: str) -> str:
        program = (sys.executable, "-m", "virtory.cli.main", "-c", self.uri)
        done = subprocess.run([*program, *words], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def source(self, name: str, *more: str) -> str:
        lines = self.virsh("domblklist", name, *more).splitlines()
        return next(line.split()[1] for line in lines if line.split()[:1] == ["vda"])


@pytest.fixture
def place() -> Iterator[Place]:
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.virtoryd() as daemon, tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        yield Place(daemon.uri, Path(directory))


def test_virsh_waits_for_commits_pulls_and_copies(place: Place) -> None:
    images = place.images
    place.virsh("start", "m")
    assert place.virsh("blockjob", "m", "vda") == "No current block job for vda\n"
    done = place.virsh("blockcommit", "m", "vda", "--top", "vda[2]", "--wait", "--verbose")
    assert "Commit complete" in done
    done = place.virsh("blockcommit", "m", "vda", "--active", "--pivot", "--verbose")
    assert "Successfully pivoted" in done
    assert place.source("m") == place.source("m", "--inactive") == str(images.path("base"))
    copy = images.path("copy")
    words = ("blockcopy", "m", "vda", "--dest", str(copy), "--transient-job", "--wait")
    assert "Now in mirroring phase" in place.virsh(*words)
    assert "type=Block Copy" in place.virsh("blockjob", "m", "vda", "--raw")
    assert "job='copy' ready='yes'" in place.virsh("dumpxml", "m")
    place.virsh("blockjob", "m", "vda", "--bandwidth", "10")
    place.virsh("blockjob", "m", "vda", "--pivot")
    assert place.source("m") == str(copy)
    assert "Pull complete" in place.virsh("blockpull", "m", "vda", "--wait")
    place.virsh("destroy", "m")
    assert images.hash("copy") == images.content
    assert images.chain("copy") == ["copy.qcow2"]


def test_virt_clone_clones_by_name_and_by_itself(place: Place) -> None:
    images = place.images
    flat = images.path("flat")
    place.run("qemu-img", "convert", "-O", "qcow2", str(images.path("top")), str(flat))
    definition = images.directory / "m.xml"
    definition.write_text(XML.format(DISK.format(flat)).replace("<name>m<", "<name>one<"))
    place.virsh("define", str(definition))
    clone = ("virt-clone", "--connect", place.uri, "--original", "one")
    place.run(*clone, "--name", "two", "--file", str(images.path("two")))
    place.run(*clone, "--auto-clone")
    names = place.virsh("list", "--all", "--name").split()
    assert {"one", "two", "one-clone"} <= set(names)
    assert images.hash("two") == images.hash(Path(place.source("one-clone"))) == images.content
    seen = {place.virsh("domuuid", name) for name in ("one", "two", "one-clone")}
    assert len(seen) == 3
    place.virsh("start", "two")
    place.virsh("destroy", "two")


@pytest.mark.parametrize("state", ["off", "running"])
def test_our_clone_makes_machines_that_start(place: Place, state: str) -> None:
    images = place.images
    if state == "running":
        place.virsh("start", "m")
    told: dict[str, Any] = json.loads(place.virtory("--json", "clone", "m", "n"))
    assert told["disks"] == {"vda": str(images.directory / "top-n.qcow2")}
    place.virtory("clone", "m", "p", "--linked", "--mac", "52:54:00:aa:bb:cc")
    assert "52:54:00:aa:bb:cc" in place.virsh("dumpxml", "p")
    genids = {place.virsh("dumpxml", name).split("<genid>")[1][:36] for name in ("m", "n", "p")}
    assert len(genids) == 3
    for name in ("n", "p"):
        assert images.hash(Path(place.source(name))) == images.content
        place.virsh("start", name)
        place.virsh("destroy", name)
    if state == "running":
        place.virsh("destroy", "m")
    place.virsh("start", "m")
    place.virsh("destroy", "m")
    assert images.hash(Path(place.source("m"))) == images.content
    assert images.chain("top-n") == ["top-n.qcow2"]


def on_a_volume(place: Place) -> Path:
    """The directory of the pool `p`, on whose volume the machine `one` is."""
    images = place.images
    pool = images.directory / "pool"
    pool.mkdir()
    place.virsh("pool-create-as", "p", "dir", "--target", str(pool))
    place.virsh("vol-create-as", "p", "one.qcow2", "8M", "--format", "qcow2")
    disk = (
        "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
        "<source pool='p' volume='one.qcow2'/><target dev='vda' bus='virtio'/></disk>"
    )
    definition = images.directory / "one.xml"
    definition.write_text(XML.format(disk).replace("<name>m<", "<name>one<"))
    place.virsh("define", str(definition))
    return pool


def test_a_clone_is_removed_with_what_was_made_for_it(place: Place) -> None:
    """Of a machine on a volume: the copies are volumes of the same pool, and go with the clone."""
    images = place.images
    pool = on_a_volume(place)
    told = json.loads(place.virtory("--json", "clone", "one", "two"))
    assert told["disks"] == {"vda": str(pool / "two.qcow2")}
    place.virtory("clone", "two", "three", "--linked")
    three = place.source("three")
    assert {"one.qcow2", "two.qcow2"} <= set(place.virsh("vol-list", "p").split())
    place.virsh("start", "three")
    refused = place.refused("rm", "three")
    assert "machine 'three' is running" in refused
    assert "machine 'three' uses" in place.refused("rm", "-f", "two")
    copied = place.virsh("dumpxml", "three", "--inactive").replace("<name>three<", "<name>four<")
    uuid = place.virsh("domuuid", "three").strip()
    definition = images.directory / "four.xml"
    definition.write_text(copied.replace(f"<uuid>{uuid}</uuid>", ""))
    place.virsh("define", str(definition))
    assert "copied from a clone" in place.refused("rm", "four")
    place.virsh("undefine", "four")
    gone = json.loads(place.virtory("--json", "rm", "-f", "three"))
    assert gone["removed"] == ["the domain 'three'", three]
    assert f"the disk {pool / 'two.qcow2'}" in gone["kept"]
    place.virtory("rm", "two")
    assert not Path(three).exists()
    assert not (pool / "two.qcow2").exists()
    assert (pool / "one.qcow2").exists()
    assert "was not made by" in place.refused("rm", "one")
    assert "two" not in place.virsh("list", "--all", "--name")
    place.virsh("start", "one")
    place.virsh("destroy", "one")
    place.virsh("pool-destroy", "p")


def test_a_running_machine_on_a_volume_needs_its_pool_no_more(place: Place) -> None:
    pool = on_a_volume(place)
    place.virsh("start", "one")
    place.virsh("snapshot-create-as", "one", "inside")
    place.virsh("pool-destroy", "p")
    place.virsh("snapshot-create-as", "one", "again")
    place.virsh("snapshot-revert", "one", "inside")
    place.virsh("snapshot-delete", "one", "again")
    place.virsh("snapshot-delete", "one", "inside")
    place.virsh("snapshot-create-as", "one", "outside", "--disk-only")
    assert place.source("one") == place.source("one", "--inactive") == str(pool / "one.outside")
    place.virsh("snapshot-delete", "one", "outside")
    place.virsh("destroy", "one")
    place.run("qemu-img", "check", str(pool / "one.qcow2"))


def test_refusals_say_what_to_do(place: Place) -> None:
    pool = on_a_volume(place)
    place.virsh("start", "one")
    said = place.refused("vol-resize", "one.qcow2", "16M", "--pool", "p")
    assert "a running machine or another program has it open" in said
    assert "cure: of a running machine's disk: virsh blockresize" in said
    said = place.refused("blockresize", "one", "vda", "4M")
    assert "its last 4194304 are lost for good" in said
    assert "cure: " in said
    place.virtory("blockresize", "one", "vda", "16M")
    assert "the maximum is 32768 KiB" in place.refused("setmem", "one", "64M", "--live")
    assert "the maximum is 32768 KiB" in place.refused("setmem", "one", "64M", "--config")
    for where in ("--live", "--config"):
        assert "cure: name one of 0 to 0" in place.refused("vcpupin", "one", "7", "0", where)
    missing = place.images.directory / "missing.xml"
    said = place.refused("attach-device", "one", str(missing))
    assert str(missing) in said
    assert "cure: " in said
    missing.write_text(DISK.format(pool / "gone").replace("vda", "vdb"))
    said = place.refused("attach-device", "one", str(missing), "--live")
    assert f"{pool}/gone" in said
    assert "cure: " in said
    place.virsh("destroy", "one")
