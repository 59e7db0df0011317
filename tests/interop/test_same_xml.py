"""What the everyday clients write, defined and started in both daemons and read back from both.

`data/clients/*.xml` is what `virt-install --print-xml` wrote (4.1.0) for many operating systems and
options, `nova.xml`, `vagrant.xml` and `terraform.xml` what those do, `old.xml` what was typed when
disks had no buses; `devices.txt` and `machines.txt` are single devices and
wishes about the machine as people write them with `virsh edit`, in libvirt's own
spellings and shortcuts, one to a paragraph.

The rule kept here: a difference is either mended or named below with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons

import virtory
from virtory.errors import VirtoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

CLIENTS = Path(__file__).parents[1] / "data" / "clients"
CASES = sorted(path.stem for path in CLIENTS.glob("*.xml"))

# The variables of UEFI are named when a machine starts, by its UUID, so that a rename keeps them.
NAMED_AT_START = {
    "-    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/loader_VARS"
    ".fd</nvram>",
    "+    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>",
}
DIFFERENT: dict[str, set[str]] = {"loader": NAMED_AT_START}

# A libvirtd without swtpm_setup, which virtoryd does without.
TAKEN = {"os-win11": "TPM version '2.0' is not supported", "tpm-crb": "TPM version '2.0'"}

# Single devices and wishes that libvirtd stores (whether it could start them or not) and virtoryd
# refuses by XPath, since it could not do what they ask for.
REFUSED_DEVICES = (
    "type='egl-headless'", "type='sdl'", "websocket=", "smartcard mode='host'", "type='mdev'",
    "type='hostdev'", "<shmem", "device='lun'", "<transient/>", "type='network' device=",
    "pcie-expander", "<bandwidth>", "openvswitch", "<coalesce>", "type='vhostuser'",
    "type='network' network=", "type='volume'", "discard_no_unref", "virtiofs'/><source socket",
)  # fmt: skip
REFUSED_MACHINES = (
    "<shares>", "placement='auto'", "<catchup", "<memtune>",
    "<blkiotune>", "apparmor", "<perf>", "<keywrap>",
)  # fmt: skip


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[daemons.Daemon, daemons.Daemon]]:
    """A real libvirtd and a virtoryd, each alone in its namespaces."""
    if reason := daemons.lacking():
        pytest.skip(reason)
    with daemons.libvirtd() as theirs, daemons.virtoryd() as ours:
        yield theirs, ours


@pytest.fixture(scope="module")
def images() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="x-", dir="/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        for file in ("b.raw", "c.iso"):
            (directory / file).write_bytes(bytes(1 << 20))
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", str(directory / "a.qcow2"), "16M"],
            check=True,
        )
        yield name


# -- reading back --------------------------------------------------------------------------------


async def read_back(daemon: daemons.Daemon, texts: list[str]) -> list[str]:
    """What each text is stored as; the error's words for one that is refused."""
    answers = []
    async with virtory.connect(daemon.uri) as host:
        for text in texts:
            try:
                domain = await host.define_domain(text)
            except VirtoryError as error:
                answers.append(f"refused: {error}")
                continue
            answers.append(await domain.xml(inactive=True, secure=True))
            await domain.undefine(nvram=True)
    return answers


async def run(daemon: daemons.Daemon, text: str) -> str:
    """Its live description, started and paused."""
    async with virtory.connect(daemon.uri) as host:
        try:
            domain = await host.create_domain(text, paused=True)
        except VirtoryError as error:
            return f"refused: {error}"
        try:
            return await domain.xml(secure=True)
        finally:
            with contextlib.suppress(VirtoryError):
                await domain.destroy()


def compared(theirs: str, ours: str) -> set[str]:
    lines = difflib.unified_diff(theirs.splitlines(), ours.splitlines(), n=0, lineterm="")
    return {line for line in lines if not line.startswith(("---", "+++", "@@"))}


@pytest.fixture(scope="module")
def stored(both: Any, images: str) -> dict[str, tuple[str, str]]:
    """Every case as both daemons store it."""
    read = ((CLIENTS / f"{case}.xml").read_text() for case in CASES)
    texts = [t.replace("@IMAGES@", images).replace('type="kvm"', 'type="qemu"') for t in read]
    theirs, ours = (asyncio.run(read_back(daemon, texts)) for daemon in both)
    return {case: (t, o) for case, t, o in zip(CASES, theirs, ours, strict=True)}


@pytest.mark.parametrize("case", CASES)
def test_what_virt_install_writes_is_stored_as_libvirtd_stores_it(
    stored: dict[str, tuple[str, str]], case: str
) -> None:
    theirs, ours = stored[case]
    if case in TAKEN and TAKEN[case] in theirs:
        assert ours.startswith("<domain")
        return
    assert theirs.startswith("<domain"), theirs
    assert ours.startswith("<domain"), ours
    assert compared(theirs, ours) == DIFFERENT.get(case, set())


def fragments(name: str) -> list[str]:
    return [each.strip() for each in (CLIENTS / name).read_text().split("\n\n") if each.strip()]


def around(fragment: str) -> str:
    """The smallest machine with these devices, on q35 or (`pc:`) on i440fx."""
    machine, devices = ("pc", fragment[3:]) if fragment.startswith("pc:") else ("q35", fragment)
    return (
        "<domain type='qemu'><name>vv</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"
        f"<memory>65536</memory><os><type machine='{machine}'>hvm</type></os>"
        f"<devices>{devices}</devices></domain>"
    )


def beside(fragment: str) -> str:
    """The smallest machine that asks for this."""
    os = "" if "<os" in fragment else "<os><type machine='q35'>hvm</type></os>"
    memory = "" if "<memory>" in fragment else "<memory>65536</memory>"
    return (
        "<domain type='qemu'><name>vv</name><uuid>11111111-2222-3333-4444-555555555555</uuid>"
        f"{memory}{os}{fragment}</domain>"
    )


@pytest.mark.parametrize(
    ("name", "whole", "refused"),
    [("devices.txt", around, REFUSED_DEVICES), ("machines.txt", beside, REFUSED_MACHINES)],
)
def test_single_devices_and_wishes_are_stored_as_libvirtd_stores_them(
    both: Any, name: str, whole: Any, refused: tuple[str, ...]
) -> None:
    """What libvirtd refuses, virtoryd may serve; what it stores, virtoryd stores alike or refuses
    by name."""
    texts = fragments(name)
    wholes = [whole(each if "<mac " in each else INTERFACE.sub(MAC, each)) for each in texts]
    theirs, ours = (asyncio.run(read_back(daemon, wholes)) for daemon in both)
    wrong = []
    for fragment, their, our in zip(texts, theirs, ours, strict=True):
        if their.startswith("refused"):
            continue
        if our.startswith("refused"):
            if "/domain/" not in our or not any(each in fragment for each in refused):
                wrong.append((fragment, our))
        elif differing := compared(their, our):
            wrong.append((fragment, differing))
    assert wrong == []


INTERFACE = re.compile("(<interface [^>]*>)")
MAC = r"\1<mac address='52:54:00:00:77:01'/>"


# -- running -------------------------------------------------------------------------------------

RUNNING = [
    "os-debian11", "os-win10", "os-generic", "os-rhel9.0", "bios-pc", "char-channel", "ctrl-ccid",
    "char-parallel", "disk-ide", "disk-iotune", "disk-lsi", "disk-scsi", "uefi-secure", "iothreads",
    "video-two", "vcpu-pin", "fs-9p-mapped", "spice-socket", "vnc-socket", "vcpu-current",
    "nova",
]  # fmt: skip


def started_with(case: str, images: str) -> str:
    """On what both daemons have here: software emulation, and a network of QEMU's own."""
    text = (CLIENTS / f"{case}.xml").read_text().replace("@IMAGES@", images)
    text = re.sub(r'<source network="default"[^>]*/>', "", text)
    text = text.replace('interface type="network"', 'interface type="user"')
    text = text.replace('<mtu size="1450"/>', "")
    return text.replace('type="kvm"', 'type="qemu"').replace('<cpu mode="host-passthrough"/>', "")


def settled(text: str) -> str:
    """Without what each start chooses, and what virtoryd has not: control groups, labelled files,
    libvirt's own lists of what a CPU model should have."""
    for pattern, instead in (
        (r"<domain type='(\w+)' id='\d+'", r"<domain type='\1' id='N'"),
        (r"/dev/pts/\d+", "/dev/pts/N"),
        (r"<(label|imagelabel)>\+\d+:\+\d+", r"<\1>+U:+G"),
        (r"'/var/lib/libvirt/qemu/channel/target/domain-[^/']*/", "'RUN/"),
        (r"'/(tmp/v-[^/]*|run/virtory)/[^']*/\d+-[0-9a-f]{8}/", "'RUN/"),
        (r">/[^<]*nvram/[^<]*_VARS.fd<", ">VARS<"),
        (r"port='59\d\d'", "port='59NN'"),
        (r" index='\d+'/>", " index='I'/>"),
        (r"  <resource>\n.*\n  </resource>\n", ""),
        (r" *<feature policy='require' name='lahf_lm'/>\n", ""),
        (r"relabel='no'", "relabel='yes'"),
    ):
        text = re.sub(pattern, instead, text)
    return text


@pytest.mark.parametrize("case", RUNNING)
def test_a_running_machine_is_described_as_libvirtd_describes_it(
    both: Any, images: str, case: str
) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    text = started_with(case, images)
    theirs, ours = (settled(asyncio.run(run(daemon, text))) for daemon in both)
    for path in Path(images).glob("*.sock"):
        path.unlink()
    assert theirs.startswith("<domain"), theirs
    assert compared(theirs, ours) == set()
