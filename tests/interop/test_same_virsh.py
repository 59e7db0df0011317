"""virsh says the same of a machine of virtoryd as of one of a real libvirtd.

The rule kept here: `tests/data/clients/virsh.txt` is what is typed; what each daemon chooses by
itself is replaced by a word, and our errors may go on with a cure. One virsh says it all.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons

pytestmark = [pytest.mark.interop, pytest.mark.guest]

TYPED = Path(__file__).parents[1] / "data" / "clients" / "virsh.txt"
MACHINE = """<domain type='qemu'><name>m</name>
<uuid>11111111-2222-3333-4444-555555555555</uuid><title>A title</title>
<memory unit='MiB'>64</memory><vcpu current='1'>2</vcpu><iothreads>1</iothreads>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<cpu mode='custom'><model>qemu64</model></cpu>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='DIRECTORY/a.qcow2'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><source file='DIRECTORY/cd.iso'/><target dev='sda' bus='sata'/>
</disk>
<interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<graphics type='vnc' listen='127.0.0.1'/><memballoon model='virtio'/></devices></domain>"""
NETWORK = """<network><name>n</name><bridge name='vb77'/>
<ip address='10.99.1.1' netmask='255.255.255.0'><dhcp><range start='10.99.1.2' end='10.99.1.9'/>
</dhcp></ip></network>"""
CHANNEL = "<channel type='unix'><target type='virtio' name='another'/></channel>"
CPU = "<cpu><arch>x86_64</arch><model>{}</model></cpu>"
REPLACED = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"^(Id:  |CPU time:|CPU: |Time elapsed:|  vcpu\.\d+\.\w+=).*", re.M), r"\1 …"),
    (re.compile(r"(rss[ =]|_times )\d+"), r"\1…"),
)


def files(directory: Path) -> None:
    directory.chmod(0o777)
    image = directory / "a.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    (directory / "cd.iso").write_bytes(bytes(1 << 20))
    for file in (image, directory / "cd.iso"):
        file.chmod(0o666)
    (directory / "m.xml").write_text(MACHINE.replace("DIRECTORY", str(directory)))
    (directory / "n.xml").write_text(NETWORK)
    (directory / "channel.xml").write_text(CHANNEL)
    (directory / "cpu.xml").write_text(CPU.format("Nehalem"))
    (directory / "nocpu.xml").write_text(CPU.format("Nosuch"))


def conversation(daemon: daemons.Daemon, typed: list[str]) -> list[str]:
    """What virsh answered to each line."""
    with tempfile.TemporaryDirectory(prefix="q-", dir="/tmp") as name:
        files(Path(name))
        script = "".join(
            f"echo @{number}\n{line.replace('DIRECTORY', name)}\n"
            for number, line in enumerate(typed)
        )
        done = subprocess.run(
            ["stdbuf", "-o0", "virsh", "-q", "-c", daemon.uri],
            input=f"{script}echo @end\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
        text = done.stdout.replace(name, "DIRECTORY")
    for pattern, word in REPLACED:
        text = pattern.sub(word, text)
    return [answer.strip() for answer in re.split(r"@(?:\d+|end)\n", text)[1:-1]]


def uncured(theirs: str, ours: str) -> str:
    """Our answer without what an error of ours says beyond libvirt's."""
    lines = ours.splitlines()
    for number, line in enumerate(theirs.splitlines()[: len(lines)]):
        if line.startswith("error: ") and lines[number].startswith((f"{line}; ", f"{line} ")):
            lines[number] = line
    return "\n".join(lines)


def test_virsh_says_the_same_of_both() -> None:
    if reason := daemons.lacking():
        pytest.skip(reason)
    for program in ("virsh", "stdbuf"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    typed = [line for line in TYPED.read_text().splitlines() if line and line[0] != "#"]
    with (
        daemons.libvirtd() as libvirtd,
        daemons.virtoryd() as virtoryd,
        ThreadPoolExecutor(2) as both,
    ):
        theirs, ours = both.map(lambda each: conversation(each, typed), (libvirtd, virtoryd))
    assert len(theirs) == len(ours) == len(typed)
    told = []
    for line, one, other in zip(typed, theirs, ours, strict=True):
        pair = (one.splitlines(), uncured(one, other).splitlines())
        told += [f"$ {line}", *difflib.unified_diff(*pair, lineterm="", n=0)] * (pair[0] != pair[1])
    assert "\n".join(told) == ""
