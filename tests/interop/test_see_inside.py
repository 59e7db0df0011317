"""What a running machine uses and how it is limited, beside a real libvirtd's answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

XML = """<domain type='qemu'><name>vm</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
<memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu><iothreads>2</iothreads>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
<interface type='user'><model type='virtio'/></interface>
<interface type='ethernet'><target dev='t0'/><model type='virtio'/></interface>
<serial type='pty'/><channel type='unix'>
<target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<graphics type='vnc'><listen type='none'/></graphics>
<video><model type='vga'/></video><memballoon model='virtio'/></devices></domain>"""

# What only changes with time, or was measured.
VOLATILE = ("cpu.", "vcpu.0.time", "vcpu.0.wait", "vcpu.0.delay", "balloon.rss", "block.")


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[str, str]]:
    """Two daemons with the same machine, paused at its power-on."""
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.libvirtd() as theirs, daemons.virtoryd() as ours:
        for daemon in (theirs, ours):
            # Else the kernel says something on t0 once it is up, which is counted, or not yet.
            quiet = "cd /proc/sys/net/ipv6/conf/default 2>/dev/null && echo 1 > disable_ipv6"
            daemon.inside("sh", "-c", quiet)
            disk, xml = daemon.directory / "d.qcow2", daemon.directory / "vm.xml"
            for name, chain in (("base", ()), ("mid", ("base",)), ("d", ("mid",))):
                below = [word for one in chain for word in ("-F", "qcow2", "-b", f"{one}.qcow2")]
                size = [] if chain else ["64M"]
                command = ["qemu-img", "create", "-qf", "qcow2", *below, f"{name}.qcow2", *size]
                subprocess.run(command, check=True, cwd=daemon.directory)
                (daemon.directory / f"{name}.qcow2").chmod(0o666)
            xml.write_text(XML.format(disk=disk))
            command = ["virsh", "-c", daemon.uri, "create", "--paused", str(xml)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        yield theirs.uri, ours.uri
        for daemon in (theirs, ours):
            subprocess.run(
                ["virsh", "-c", daemon.uri, "destroy", "vm"], check=True, capture_output=True
            )


def stats(text: str) -> dict[str, str]:
    return dict(line.strip().split("=", 1) for line in text.splitlines() if "=" in line)


def test_all_statistics_have_libvirts_names_and_values(both: tuple[str, str], virsh: Any) -> None:
    told, said = (stats(virsh(uri, "domstats", "vm")[1]) for uri in both)
    assert list(said) == list(told)
    fixed = [name for name in told if not name.startswith(VOLATILE)]
    assert {name: said[name] for name in fixed} == {name: told[name] for name in fixed}
    for name in ("block.0.capacity", "block.0.physical", "block.0.rd.reqs", "block.1.rd.reqs"):
        assert said[name] == told[name], name


@pytest.mark.parametrize(
    "words",
    [
        "numatune vm",
        "iothreadinfo vm",
        "perf vm",
        "domlaunchsecinfo vm",
        "domblkinfo vm --all",
        "domblkinfo vm sda",
        "domblkerror vm",
        "domcontrol vm",
        "domifstat vm t0",
        "domifstat vm nope",
        "domblkstat vm",
        "domblkstat vm sda",
        "guest-agent-timeout vm --timeout 5",
        "guest-agent-timeout vm --timeout -3",
        "domstats vm --iothread --enforce",
        "domstats vm --vm --memory --perf --dirtyrate --enforce",
    ],
)
def test_an_answer_is_libvirts(both: tuple[str, str], virsh: Any, words: str) -> None:
    told, said = (virsh(uri, *words.split()) for uri in both)
    assert said == told


def test_backing_images_are_told_after_the_disk_they_are_below(
    both: tuple[str, str], virsh: Any
) -> None:
    """Each daemon numbers the images of a machine in an order of its own."""
    told, said = (stats(virsh(uri, "domstats", "vm", "--block", "--backing")[1]) for uri in both)
    assert said["block.count"] == told["block.count"] == "4"
    assert list(said) == list(told)
    for name in told:
        if not name.endswith((".path", ".backingIndex", ".times")):
            assert said[name] == told[name], name
    for number, image in enumerate(("d", "mid", "base")):
        assert said[f"block.{number}.path"].endswith(f"/{image}.qcow2")


def test_without_limits_none_are_told(both: tuple[str, str], virsh: Any) -> None:
    """The libvirtd of this test has no control groups and refuses; ours never has any."""
    _, ours = both
    assert "hard_limit     : unlimited" in virsh(ours, "memtune", "vm")[1]
    assert "weight         : 100" in virsh(ours, "blkiotune", "vm")[1]
    told = virsh(ours, "schedinfo", "vm")[1]
    assert "Scheduler      : posix" in told
    assert "vcpu_quota     : -1" in told


def test_what_is_not_done_is_refused_by_name(both: tuple[str, str], virsh: Any) -> None:
    _, ours = both
    for words, expected in (
        ("memtune vm --hard-limit 999999", "cannot limit the memory of domain 'vm'"),
        ("blkiotune vm --weight 100", "cannot limit the disk traffic of domain 'vm'"),
        ("numatune vm --nodeset 0", "cannot limit the NUMA nodes of domain 'vm'"),
        ("schedinfo vm --set cpu_shares=10", "cannot limit the processor time of domain 'vm'"),
        ("perf vm --enable cpu_cycles", "unable to enable host cpu perf event for cpu_cycles"),
        ("perf vm --enable nope", "nope"),
        ("domdirtyrate-calc vm --seconds 99", "[1, 60]"),
        ("domfsinfo vm", "domain is not running"),  # it is paused: no agent could answer
        ("get-user-sshkeys vm root", "domain is not running"),
    ):
        status, printed = virsh(ours, *words.split())
        assert status == 1, words
        assert expected in printed, words


def test_the_dirty_rate_is_measured_and_told(both: tuple[str, str], system_python: Any) -> None:
    """A paused machine writes nothing; the measurement ends by itself after a second."""
    script = """
import libvirt, sys, time
d = libvirt.open(sys.argv[1]).lookupByName("vm")
d.startDirtyRateCalc(1, 0)
end = time.monotonic() + 30
while True:
    told = d.connect().domainListGetStats([d], libvirt.VIR_DOMAIN_STATS_DIRTYRATE)[0][1]
    if told["dirtyrate.calc_status"] == 2:
        break
    assert time.monotonic() < end, told
    time.sleep(0.05)  # another program's progress can only be watched
told.pop("dirtyrate.calc_start_time")
print(sorted(told.items()))
"""
    told, said = (system_python(script, uri) for uri in both)
    assert said == told
