"""The real virsh, verb by verb, against virtoryd's in-memory driver and libvirt's own."""

from __future__ import annotations

import re
import select
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.conftest import Virtoryd

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.interop

XML = """<domain type='test'><name>vm</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
<memory>32768</memory><vcpu current='1'>2</vcpu><os><type>hvm</type></os></domain>"""

# What virtoryd and libvirt's own test driver must answer word for word the same.
SAME = """
list --all
list --inactive --name
domstate vm
start vm
domstate --reason vm
domid vm
suspend vm
domstate --reason vm
resume vm
start vm
domname 2
domuuid vm
autostart vm
list --autostart
autostart --disable vm
desc vm --title "A title"
desc vm --new-desc "words"
desc vm
desc vm --title
list --title
metadata vm http://x.org/1 --key k --set "<a/>"
metadata vm http://x.org/1
metadata vm http://x.org/2
metadata vm http://x.org/1 --remove
metadata vm http://x.org/1
setmem vm 20000 --live
setmaxmem vm 64000 --config
vcpucount vm
setvcpus vm 1 --live
vcpucount vm
vcpucount vm --maximum --config
undefine vm
list --all
list --transient
define vm.xml
list --persistent
domrename vm other
shutdown vm
domstate --reason vm
domrename vm other
list --all
domrename other test
define vm.xml
undefine vm
reset nix
list --all
create vm.xml
create vm.xml
dumpxml vm --xpath //name
destroy vm
list --all
start nix
domuuid nix
domname 77
snapshot-list test
checkpoint-list test
net-info nix
pool-info nix
vol-info /nix
maxvcpus
hostname
domcontrol test
"""


def transcript(virsh: Any, uri: str, directory: Path) -> dict[str, str]:
    """The answers to every line above, by the line and its position."""
    (directory / "vm.xml").write_text(XML)
    lines = SAME.strip().splitlines()
    script = "".join(
        f"echo @{number}\n{line.replace('vm.xml', str(directory / 'vm.xml'))}\n"
        for number, line in enumerate(lines)
    )
    _, printed = virsh(uri, "-q", script=f"{script}echo @end\n")
    answers = re.split(r"@(?:\d+|end)\n", printed)[1:]
    assert len(answers) == len(lines) + 1
    return {f"{n}: {line}": answers[n] for n, line in enumerate(lines)}


def test_virsh_can_not_tell_virtoryd_from_libvirt(
    memory_daemon: Any, virsh: Any, tmp_path: Path
) -> None:
    theirs = transcript(virsh, "test:///default", tmp_path)
    ours = transcript(virsh, memory_daemon.uri, tmp_path)
    assert ours == theirs


@pytest.fixture(scope="module")
def asked() -> Iterator[Virtoryd]:
    """A daemon for what leaves its machine running."""
    with tempfile.TemporaryDirectory() as directory:
        daemon = Virtoryd(Path(directory), "memory", "test+unix:///default")
        yield daemon
        daemon.stop()


@pytest.mark.parametrize(
    "words",
    [
        "version --daemon",
        "nodeinfo",
        "nodecpumap",
        "nodecpustats",
        "nodememstats",
        "freecell --all",
        "sysinfo",
        "capabilities",
        "domcapabilities",
        "cpu-models x86_64",
        "dominfo test",
        "dumpxml test",
        "dumpxml test --inactive --security-info",
        "domstats",
        "domstats --raw --list-active",
        "domblklist test --details",
        "domblkinfo test vda",
        "domblkstat test vda",
        "domblkerror test",
        "domiflist test",
        "domifstat test testnet0",
        "domifaddr test --source agent",
        "dommemstat test",
        "dommemstat test --period 5 --live",
        "vcpuinfo test",
        "vcpupin test",
        "emulatorpin test",
        "guestinfo test",
        "domhostname test",
        "domtime test",
        "domtime test --now",
        "domfsfreeze test",
        "domfsthaw test",
        "domfstrim test",
        "set-user-password test root secret",
        "send-key test KEY_LEFTCTRL KEY_LEFTALT KEY_DELETE",
        "inject-nmi test",
        "domdisplay test",
        "vncdisplay test",
        "ttyconsole test",
        "domjobinfo test",
        "reboot test",
        "reset test",
        "qemu-monitor-command test --hmp info",
        'qemu-agent-command test \'{"execute":"guest-ping"}\'',
        "net-list --all",
        "pool-list --all --details",
        "nodedev-list --tree",
        "secret-list",
        "nwfilter-list",
        "iface-list --all",
        "uri",
    ],
)
def test_a_verb_of_virsh_works(asked: Virtoryd, virsh: Any, words: str) -> None:
    works(virsh(asked.uri, *shlex.split(words)))


def works(answer: tuple[int, str]) -> None:
    status, printed = answer
    assert status == 0, printed
    assert "error" not in printed.lower().replace("no errors found", "").replace("errs", "")


def test_virsh_shuts_a_machine_down(memory_daemon: Any, virsh: Any) -> None:
    works(virsh(memory_daemon.uri, "shutdown", "test", "--mode", "agent"))


def test_a_screenshot_arrives_as_a_file(memory_daemon: Any, virsh: Any, tmp_path: Path) -> None:
    file = tmp_path / "shot"
    status, printed = virsh(memory_daemon.uri, "screenshot", "test", str(file))
    assert status == 0, printed
    assert file.stat().st_size > 10


@pytest.mark.parametrize(
    ("words", "function"),
    [
        (("destroy", "test"), "virDomainDestroy"),
        (("define", "vm.xml"), "virDomainDefineXML"),
        (("desc", "test", "x"), "virDomainSetMetadata"),
    ],
)
def test_read_only_virsh_is_refused_what_changes(
    memory_daemon: Any, virsh: Any, tmp_path: Path, words: tuple[str, ...], function: str
) -> None:
    (tmp_path / "vm.xml").write_text(XML)
    words = tuple(word.replace("vm.xml", str(tmp_path / "vm.xml")) for word in words)
    status, printed = virsh(memory_daemon.uri, "-r", *words)
    assert status == 1
    assert f"operation forbidden: read only access prevents {function}" in printed


def test_what_is_not_served_is_told_as_such(memory_daemon: Any, virsh: Any) -> None:
    status, printed = virsh(memory_daemon.uri, "migrate-compcache", "test")
    assert status == 1
    function = "virDomainMigrateGetCompressionCache"
    assert f"this function is not supported by the connection driver: {function}" in printed


def test_a_network_can_be_defined_and_started(
    memory_daemon: Any, virsh: Any, tmp_path: Path
) -> None:
    (tmp_path / "net.xml").write_text("<network><name>n</name></network>")
    status, printed = virsh(memory_daemon.uri, "net-define", str(tmp_path / "net.xml"))
    assert (status, printed.split()[:3]) == (0, ["Network", "n", "defined"])
    assert virsh(memory_daemon.uri, "net-start", "n")[0] == 0
    assert "<bridge name='virbr1'" in virsh(memory_daemon.uri, "net-dumpxml", "n")[1]


def test_virsh_sees_events_of_another_client(memory_daemon: Any, virsh: Any) -> None:
    with subprocess.Popen(
        ["virsh", "-c", memory_daemon.uri, "event", "--all", "--loop"],
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        try:  # nothing tells when it listens: suspend until the first line comes
            while not select.select([watching.stdout], [], [], 0.1)[0]:
                virsh(memory_daemon.uri, "suspend", "test")
                virsh(memory_daemon.uri, "resume", "test")
            line = watching.stdout.readline()
        finally:
            watching.terminate()
    assert re.match(r"event 'lifecycle' for domain '?test'?: (Suspended|Resumed)", line)
