"""`virtory inspect`, `publish`, `top` and `host` of a real machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests import lacking

sys.path.insert(0, str(Path(__file__).parent))

import daemons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

XML = """<domain type='qemu'><name>vm</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>
<iothreads>1</iothreads><os><type arch='x86_64' machine='q35'>hvm</type></os>
<features><acpi/></features><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' iothread='1'/>
<source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
<interface type='user'><model type='virtio'/>{backend}</interface>
<serial type='pty'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
<graphics type='vnc' socket='auto'/><video><model type='vga'/></video></devices></domain>"""
Ran = tuple[int, str, str]
ORDINARY = 64323
"""A uid that nobody else has."""


@pytest.fixture(scope="module")
def daemon() -> Iterator[daemons.Daemon]:
    """A daemon with one running machine."""
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.virtoryd() as ours:
        disk, xml = ours.directory / "d.qcow2", ours.directory / "vm.xml"
        subprocess.run(["qemu-img", "create", "-qf", "qcow2", disk, "64M"], check=True)
        disk.chmod(0o666)
        xml.write_text(XML.format(disk=disk, backend=""))
        for words in (("define", str(xml)), ("start", "vm")):
            done = subprocess.run(["virsh", "-c", ours.uri, *words], capture_output=True)
            assert done.returncode == 0, done.stderr
        yield ours
        subprocess.run(["virsh", "-c", ours.uri, "destroy", "vm"], check=True, capture_output=True)


@pytest.fixture
def virtory(daemon: daemons.Daemon) -> Callable[..., Ran]:
    """Our own command line, on that daemon."""

    return partial(ask, daemon)


def ask(daemon: daemons.Daemon, *words: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "virtory.cli.main", "-c", daemon.uri, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(daemons.SOURCE)},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_machine_is_explained(virtory: Callable[..., Ran]) -> None:
    status, told, error = virtory("inspect", "vm", "--features")
    assert (status, error) == (0, "")
    for wanted in (
        "TCG: QEMU translates the guest's instructions",
        "a PC with PCI Express",
        "firmware        BIOS",
        "2, model",
        "vCPU 1        thread ",
        "I/O thread 1  thread ",
        "anonymous memory of QEMU's process, in ordinary pages",
        "2 promised to 1 running machine",
        "virtio-disk0: virtio-blk",
        "d.qcow2 (qcow2), cache default, I/O by threads in I/O thread 1",
        "QEMU's own user-mode network",
        "/dev/urandom of the host",
        "VIRTIO_NET_F_MAC: Device has given MAC address",
        "sda           cdrom, sata",
        "screen          vnc",
    ):
        assert wanted in told, told


def while_no_thread_came_or_went(virtory: Callable[..., Ran]) -> tuple[Any, list[str]]:
    """A report, and QEMU's threads: those that read a disk are made for it, and end when idle."""
    before: list[str] = []
    while True:
        report = json.loads(virtory("inspect", "vm", "--json")[1])
        tasks = sorted(os.listdir(f"/proc/{report['pid']}/task"))
        if tasks == before:
            return report, tasks
        before = tasks


def test_the_facts_are_what_the_kernel_says(virtory: Callable[..., Ran]) -> None:
    report, tasks = while_no_thread_came_or_went(virtory)
    cpus = report["processors"]["vcpus"]
    assert [cpu["number"] for cpu in cpus] == [0, 1]
    for cpu in cpus:
        assert str(cpu["thread"]) in tasks
        assert set(cpu["affinity"]) == os.sched_getaffinity(cpu["thread"])
        assert cpu["thread_name"].startswith(f"CPU {cpu['number']}/")
    assert report["processors"]["threads"] == len(tasks)
    assert report["memory"]["resident_kib"] > 0
    kinds = {one["alias"]: one["kind"] for one in report["virtio"]}
    assert kinds["net0"] == "virtio-net"
    assert kinds["rng0"] == "virtio-rng"


def test_firmware_negotiates_with_the_disk(virtory: Callable[..., Ran], daemon: Any) -> None:
    """SeaBIOS drives virtio disks: what it chose is seen as soon as it looks for a boot."""
    script = f"""
import json, subprocess, sys, time
end = time.monotonic() + 180
while time.monotonic() < end:
    told = subprocess.run([sys.executable, "-m", "virtory.cli.main", "-c", {daemon.uri!r},
                           "inspect", "vm", "--json"], capture_output=True, check=True).stdout
    disk = next(one for one in json.loads(told)["virtio"] if one["alias"] == "virtio-disk0")
    if disk["driver_running"]:
        taken = [one["name"] for one in disk["features"] if one["negotiated"]]
        assert "VIRTIO_F_VERSION_1" in taken and disk["modern"], disk
        sys.exit(0)
    time.sleep(0.1)  # a guest's progress can only be watched
sys.exit(1)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(daemons.SOURCE)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_machine_that_is_off_is_explained_by_its_definition(
    virtory: Callable[..., Ran], daemon: daemons.Daemon
) -> None:
    xml = daemon.directory / "off.xml"
    text = (daemon.directory / "vm.xml").read_text()
    xml.write_text(text.replace("<name>vm<", "<name>off<").replace("d.qcow2", "e.qcow2"))
    assert virtory("define", str(xml))[0] == 0
    status, told, _ = virtory("inspect", "off")
    assert status == 0
    assert "shut off" in told.splitlines()[0]
    assert "thread " not in told
    assert virtory("undefine", "off")[0] == 0


def listening(daemon: daemons.Daemon, port: int) -> bool:
    return f":{port} " in daemon.inside("ss", "-lnt").stdout


def test_a_port_is_published_live_and_kept(
    virtory: Callable[..., Ran], daemon: daemons.Daemon
) -> None:
    assert virtory("publish", "vm", "8080:80", "5353:53/udp")[0] == 0
    assert listening(daemon, 8080)
    for flags in ((), ("--inactive",)):
        kept = virtory("dumpxml", "vm", *flags)[1]
        assert "<portForward proto='tcp' address='127.0.0.1'>" in kept
        assert "<range start='8080' to='80'/>" in kept
    assert " tcp        127.0.0.1   8080        80" in virtory("publish", "vm")[1]
    status, _, error = virtory("publish", "vm", "8080:81")
    assert status == 1
    assert "leads to its port 80 already" in error
    assert virtory("publish", "vm", "8080", "5353/udp", "--remove")[0] == 0
    assert not listening(daemon, 8080)
    assert "portForward" not in virtory("dumpxml", "vm", "--inactive")[1]


def test_a_port_that_is_taken_is_told_and_nothing_is_kept(
    virtory: Callable[..., Ran], daemon: daemons.Daemon
) -> None:
    assert virtory("publish", "vm", "8181:80", "--live", "--address", "127.0.0.1")[0] == 0
    assert "portForward" not in virtory("dumpxml", "vm", "--inactive")[1]
    status, _, error = virtory("publish", "vm", "8181:99", "--address", "127.0.0.2")
    assert status == 0, error  # another address of the host
    assert virtory("publish", "vm", "8181", "--remove", "--address", "127.0.0.2")[0] == 0
    assert virtory("publish", "vm", "8181", "--remove", "--live")[0] == 0
    holder = (
        "import socket, subprocess, sys; s = socket.create_server(('0.0.0.0', 8282)); "
        "sys.exit(subprocess.call(sys.argv[1:]))"
    )
    done = daemon.inside(
        *(sys.executable, "-c", holder, sys.executable, "-m", "virtory.cli.main"),
        *("-c", daemon.uri, "publish", "vm", "8282:80"),
    )
    assert done.returncode == 1, done.stdout
    assert "can not forward tcp port 127.0.0.1:8282" in done.stderr
    assert "ss -lnp" in done.stderr
    assert "8282" not in virtory("publish", "vm")[1]


def test_what_all_machines_do_and_what_was_promised(virtory: Callable[..., Ran]) -> None:
    status, told, _ = virtory("top", "--once")
    assert status == 0
    assert " vm     running" in told
    (use,) = json.loads(virtory("top", "--json")[1])
    assert use["vcpus"] == 2
    assert use["memory"] == 64 << 20
    report = json.loads(virtory("host", "--json")[1])
    assert report["running"] == {
        "machines": 1,
        "vcpus": 2,
        "memory_kib": 65536,
        "resident_kib": report["running"]["resident_kib"],
    }
    assert report["kvm"]["found"]


def test_an_ordinary_users_machine_is_explained_and_published() -> None:
    if reason := daemons.lacking() or lacking.for_user(ORDINARY):
        pytest.skip(reason)
    with daemons.virtoryd(user=ORDINARY) as ours:
        xml = ours.directory / "vm.xml"
        xml.write_text(
            "<domain type='qemu'><name>mine</name><memory unit='MiB'>48</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>"
            "<devices><interface type='user'><model type='virtio'/></interface></devices></domain>"
        )
        ask(ours, "define", str(xml))
        ask(ours, "start", "mine")
        told = ask(ours, "inspect", "mine")[1]
        assert "net0: virtio-net" in told
        assert "in RAM now" in told
        assert ask(ours, "publish", "mine", "8081:80")[0] == 0
        assert listening(ours, 8081)
        status, _, error = ask(ours, "publish", "mine", "80:80")
        assert (status, "an ordinary user takes a port from 1024 on" in error) == (1, True)
        assert " mine" in ask(ours, "top")[1]
        assert ask(ours, "destroy", "mine")[0] == 0
