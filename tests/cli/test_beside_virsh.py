"""The real virsh and virtory, side by side, each against a fresh host of its own.

Answers must be equal; of an error only the status and the cause, since virtory says more.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from daemon_thread import DaemonThread

from virtory.cli.main import main
from virtory.cli.verbs import INDEX, load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("virsh") is None, reason="virsh is not installed"),
]

ENVIRONMENT = {**os.environ, "LC_ALL": "C", "VIRSH_HISTSIZE": "0"}

ANSWERS = """
list
list --all
list --all --name
list --all --uuid
list --all --id
list --all --id --name
list --all --title
list --all --name --uuid
list --inactive
list --state-running
list --state-paused --state-running
list --state-shutoff --all
list --state-other
list --autostart
list --no-autostart
list --persistent
list --transient
list --with-snapshot
list --without-managed-save
list --managed-save --all
dominfo test
dominfo small
domstate test
domstate test --reason
domstate small --reason
domid test
domid small
domuuid test
domname 1
domname 6695eb01-f6a4-8304-79aa-97f2502e193f
domcontrol test
domblklist test
domblklist test --details
domblklist test --inactive
domblklist small
domiflist test
domblkinfo test vda
domblkinfo test vda --human
domblkinfo test --all
domblkstat test vda
domblkstat test vda --human
domblkerror test
domifstat test testnet0
domifaddr test
domifaddr test --full
domifaddr test --source agent
domifaddr test testnet0 --source arp
domif-getlink test testnet0
domif-getlink test 52:54:00:6b:3c:58
dommemstat test
domstats
domstats test --state --balloon
domstats --state test small
domstats --block --interface test
domstats --vcpu --list-inactive
domstats --raw --state
vcpucount test
vcpucount small
vcpucount test --maximum
vcpucount test --active --live
vcpucount test --current --config
vcpuinfo test
vcpuinfo test --pretty
vcpupin test
emulatorpin test
cpu-stats test
cpu-stats test --total
cpu-stats test --start 2 --count 3
maxvcpus
nodeinfo
nodecpumap
nodecpumap --pretty
nodecpustats
nodecpustats --cpu 1
nodememstats
nodememstats --cell 0
freecell
freecell --all
freecell 1
hostname
sysinfo
capabilities
domcapabilities
domcapabilities --virttype test --arch x86_64
cpu-models x86_64
domjobinfo test
vncdisplay test
domdisplay test
domdisplay test --type vnc
domdisplay test --all
ttyconsole test
domhostname test
domtime test
domtime test --pretty
guestinfo test --os
guestinfo test --hostname --timezone
domfsfreeze test
domfsfreeze test --mountpoint /
domfstrim test
set-user-password test root secret
qemu-monitor-command test --hmp info status
qemu-monitor-command test '{"execute":"query-status"}'
qemu-monitor-command test --pretty '{"execute":"query-status"}'
qemu-monitor-command test '{"execute":"nonsense"}'
qemu-agent-command test '{"execute":"guest-ping"}'
desc test
desc test --title
dumpxml test
dumpxml test --inactive
dumpxml small --security-info
net-list
net-list --all
net-list --inactive
net-list --name
net-list --uuid --transient
net-info default
net-name dd8fe884-6c02-601e-7551-cca97df1c5df
net-uuid default
net-dumpxml default
net-dumpxml default --inactive
net-dumpxml default --xpath //bridge
net-dhcp-leases default
net-dhcp-leases default 52:54:00:00:00:00
net-port-list default
net-event --list
pool-list
pool-list --all
pool-list --inactive
pool-list --all --details
pool-list --all --uuid
pool-list --name
pool-list --all --type dir,fs
pool-list --all --type logical
pool-info default-pool
pool-info default-pool --bytes
pool-name dfe224cb-28fb-8dd0-c4b2-64eb3f0f4566
pool-uuid default-pool
pool-dumpxml default-pool
pool-dumpxml default-pool --inactive
pool-dumpxml default-pool --xpath //path
pool-capabilities
pool-event --list
pool-define-as p dir --target /p --print-xml
pool-define-as p fs --source-dev /dev/vg/p --source-format ext4 --target /p --print-xml
pool-create-as p netfs h /x d - /p --source-format nfs --print-xml
pool-define-as p logical --source-name vg --print-xml
vol-list default-pool
vol-list default-pool --details
vol-create-as default-pool v 1G --allocation 5 --format qcow2 --print-xml
"""

CHANGES = """
start small; domstate small --reason; list
start small --paused; domstate small --reason; resume small; domstate small
suspend test; domstate test --reason; resume test; domstate test --reason
shutdown test; domid test
destroy test; domstate test --reason; undefine test; list --all
destroy test --graceful; domstate test --reason
reboot test
reboot test --mode acpi,agent
reset test
autostart small; list --all --autostart; autostart small --disable; list --all --autostart
domrename small tiny; list --all; dumpxml tiny
desc small some words; desc small; desc small --title A title; list --all --title
desc test --live --title Alive; desc test --title; desc test --title --config
metadata test http://app --key a --set '<x y="1"/>'; metadata test http://app; dumpxml test
metadata small http://app --key a --set '<x/>'; metadata small http://app --remove
setmem test 1G; dominfo test
setmem test 1048576 --live; dominfo test
setmaxmem small 4M; dominfo small
setvcpus test 1; vcpucount test
setvcpus test 1 --config; vcpucount test
setvcpus small 4 --maximum --config; vcpucount small
define FILE; list --all; define FILE; dominfo third
create FILE; list; destroy third; list --all
create FILE --paused; domstate third --reason
create --file FILE; domstate third
domfsfreeze test; domfsthaw test; domfsthaw test
send-key test KEY_LEFTCTRL KEY_A; send-key test --codeset linux 30 31
inject-nmi test
domtime test --time 1000; domtime test
undefine test; dominfo test
pool-destroy default-pool; pool-list --all --details; pool-start default-pool; pool-list
pool-autostart default-pool --disable; pool-list --no-autostart; pool-autostart default-pool
pool-refresh default-pool; pool-destroy default-pool; pool-build default-pool
pool-destroy default-pool; pool-delete default-pool; pool-undefine default-pool; pool-list --all
pool-define POOL; pool-list --all; pool-start wet --build; pool-dumpxml wet; pool-info wet
pool-create POOL; pool-list --all --transient; pool-uuid wet; pool-destroy wet; pool-list --all
pool-define-as dry dir --target /dry; pool-start dry; pool-destroy dry; pool-undefine dry
pool-create-as dry dir --target /dry --build; pool-list; vol-list dry
vol-create default-pool VOLUME; vol-list default-pool; vol-dumpxml drop --pool default-pool
vol-create-as default-pool v 1G; vol-info v --pool default-pool; vol-list default-pool --details
vol-create-as default-pool v 1M --allocation 0; vol-info /default-pool/v --bytes --physical
vol-create-as default-pool v 1M; vol-clone v w --pool default-pool; vol-list default-pool
vol-create-as default-pool v 1M; vol-create-from default-pool VOLUME v --inputpool default-pool
vol-create-as default-pool v 1M; vol-path v --pool default-pool; vol-key v --pool default-pool
vol-create-as default-pool v 1M; vol-name /default-pool/v; vol-pool /default-pool/v
vol-create-as default-pool v 1M; vol-pool /default-pool/v --uuid; vol-delete v --pool default-pool
vol-create-as default-pool v 1M; vol-resize v 2M --pool default-pool; vol-info /default-pool/v
vol-create-as default-pool v 1M; vol-resize /default-pool/v 1M --delta; vol-info /default-pool/v
vol-create-as default-pool v 2M --allocation 0; vol-resize /default-pool/v -1M --delta --shrink
vol-create-as default-pool v 1M; vol-wipe v --pool default-pool; vol-wipe v default-pool zero
vol-create-as default-pool v 1M; vol-upload v DATA --pool default-pool; vol-list default-pool
vol-create-as default-pool v 1M; vol-upload v DATA default-pool 5 --sparse; vol-list default-pool
vol-create-as default-pool v 1M; vol-download v down --pool default-pool; vol-list default-pool
net-destroy default; net-list; net-list --all; net-info default; net-start default; net-list
net-autostart default; net-list --autostart; net-autostart default --disable; net-list
net-undefine default; net-list; net-destroy default; net-list --all
net-define NETWORK; net-list --all; net-start wire; net-info wire; net-dumpxml wire
net-create NETWORK; net-list; net-destroy wire; net-list --all
net-update default add ip-dhcp-host '<host mac="52:54:00:00:00:09" ip="192.168.122.9"/>'
net-update default add dns-host '<host ip="192.168.122.9"><hostname>h</hostname></host>' --live
net-update default add dns-txt '<txt name="a" value="b"/>' --live --config; net-dumpxml default
net-update default add portgroup '<portgroup name="p"/>' --config; net-dumpxml default --inactive
"""

REFUSALS = """
pool-info nope
pool-start default-pool
pool-define /nonexistent/file.xml
vol-list nope
vol-info nope --pool default-pool
vol-info /nope
vol-create-as default-pool v 1G --format nope
vol-wipe x --pool default-pool --algorithm nope
start test
start nope
resume test
suspend small
destroy small
shutdown small
reboot small
reset small
undefine nope
domrename test other
domrename small test
domid nope
domuuid nope
dumpxml nope
dominfo nope
domcontrol small
domblkinfo test vdz
domblkstat test vdz
domblkstat small vda
domifstat test eth9
domifaddr small
domif-getlink test eth9
dommemstat small
vcpupin nope
cpu-stats small
setmem test 100G
setvcpus test 9
vncdisplay small
domjobinfo small
domhostname small
metadata test http://none
set-user-password test nobody secret
qemu-agent-command small '{"execute":"guest-ping"}'
qemu-monitor-command small '{"execute":"query-status"}'
domxml-to-native qemu-argv --domain test
domcapabilities --virttype nonsense
cpu-models nonsense
nodecpustats 99
send-key test KEY_NONSENSE
screenshot small
define /nonexistent/file.xml
create /nonexistent/file.xml
net-start default
net-start nope
net-info nope
net-destroy nope
net-update default modify ip-dhcp-range '<range start="192.168.122.2" end="192.168.122.3"/>'
net-update default add bridge '<bridge name="x"/>'
net-update default delete dns-txt '<txt name="a" value="b"/>'
net-define /nonexistent/file.xml
nonsense
list --nonsense
domstate
dominfo test more
setvcpus test many
"""

THIRD = """<domain type='test'><name>third</name><uuid>33333333-3333-3333-3333-333333333333</uuid>
<memory>2048</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>"""

POOL = """<pool type='dir'><name>wet</name><uuid>33333333-3333-3333-3333-333333333335</uuid>
<target><path>/wet</path></target></pool>
"""
VOLUME = """<volume><name>drop</name><capacity unit='MiB'>3</capacity><allocation>0</allocation>
<target><format type='qcow2'/></target></volume>
"""
NETWORK = """<network><name>wire</name><uuid>33333333-3333-3333-3333-333333333334</uuid>
<bridge name='virbr9'/><mac address='52:54:00:00:00:99'/><ip address='192.168.99.1'/></network>"""

SMALL = """<domain type='test'><name>small</name><uuid>22222222-2222-2222-2222-222222222222</uuid>
<memory>1024</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>"""


class Beside:
    """Runs the same lines with both programs."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._directory = directory
        self._capsys = capsys
        self._file = str(directory / "third.xml")
        (directory / "third.xml").write_text(THIRD)
        (directory / "small.xml").write_text(SMALL)
        (directory / "wire.xml").write_text(NETWORK)
        (directory / "wet.xml").write_text(POOL)
        (directory / "drop.xml").write_text(VOLUME)
        (directory / "data").write_bytes(b"virtory" * 1000)

    def virsh(self, lines: list[str]) -> list[tuple[int, str, str]]:
        """What virsh does, each line a process of its own."""
        with DaemonThread(self._directory / "virsh") as daemon:
            self._define_small(daemon.uri)
            return [self._virsh(daemon.uri, words) for words in self._words(lines)]

    def virtory(self, lines: list[str]) -> list[tuple[int, str, str]]:
        """What virtory does."""
        with DaemonThread(self._directory / "virtory") as daemon:
            self._define_small(daemon.uri)
            return [self._virtory(daemon.uri, words) for words in self._words(lines)]

    def _define_small(self, uri: str) -> None:
        status, _, err = self._virsh(uri, ["define", str(self._directory / "small.xml")])
        assert status == 0, err

    def _words(self, lines: list[str]) -> list[list[str]]:
        names = {"NETWORK": "wire.xml", "POOL": "wet.xml", "VOLUME": "drop.xml", "DATA": "data"}
        files = {word: str(self._directory / name) for word, name in names.items()}
        files["FILE"] = self._file
        files["down"] = str(self._directory / "down")
        return [[files.get(word, word) for word in shlex.split(line)] for line in lines]

    def _virsh(self, uri: str, words: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(
            ["virsh", "-c", uri, *words],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self._directory,
        )
        return done.returncode, done.stdout, done.stderr

    def _virtory(self, uri: str, words: list[str]) -> tuple[int, str, str]:
        self._capsys.readouterr()
        status = main(["-c", uri, *words])
        return status, *self._capsys.readouterr()


@pytest.fixture
def beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Beside:
    return Beside(tmp_path, capsys)


def plain(text: str) -> str:
    """Without blank ends of lines and blank lines at the end, which differ from verb to verb."""
    return re.sub(r"[ \t\r]+$", "", text, flags=re.MULTILINE).rstrip("\n")


@pytest.mark.parametrize("line", ANSWERS.strip().splitlines())
def test_an_answer_is_virshs(beside: Beside, line: str) -> None:
    ((status, out, err),) = beside.virsh([line])
    assert status == 0, err
    assert [(0, plain(out))] == [(s, plain(o)) for s, o, _ in beside.virtory([line])]


@pytest.mark.parametrize("line", CHANGES.strip().splitlines())
def test_a_change_has_virshs_effect_and_words(beside: Beside, line: str) -> None:
    lines = line.split("; ")
    expected = [(s, plain(o)) for s, o, _ in beside.virsh(lines)]
    assert [s for s, _ in expected] == [0] * len(lines)
    assert [(s, plain(o)) for s, o, _ in beside.virtory(lines)] == expected


@pytest.mark.parametrize("line", REFUSALS.strip().splitlines())
def test_a_refusal_has_virshs_status_and_begins_with_error(beside: Beside, line: str) -> None:
    ((status, _, err),) = beside.virsh([line])
    ((ours, out, said),) = beside.virtory([line])
    assert (status, ours) == (1, 1)
    assert said.startswith("error: ")
    assert out == ""
    cause = err.strip().splitlines()[-1]
    if not OTHER_WORDS.search(cause):
        assert cause[-15:] in said


OTHER_WORDS = re.compile(
    "failed to get domain|failed to get vol|Unsupported algorithm|unexpected data|requires"
    "|support option|already active|Numeric value|pool of its directory"
)
"""Where virtory words a refusal in its own way: it names what was not found, and cures."""

KNOWN_TO_LACK = {
    # Passed descriptors come with the procedures they need.
    "start": {"pass-fds"},
    "create": {"pass-fds", "reset-nvram"},
    "qemu-monitor-command": {"pass-fds"},
    # Disks over the network are not served.
    "attach-disk": {
        "source-protocol", "source-host-name", "source-host-transport", "source-host-socket",
    },
    "metadata": {"edit"},
}  # fmt: skip


OUR_OWN = {
    "clone", "completion", "demo", "doctor", "dommessages", "host", "image", "inspect", "net-desc",
    "net-metadata", "proxy", "publish", "revert", "rm", "snapshot", "snapshots", "ssh", "top",
    "wait",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OUR_OWN))
def test_our_own_verbs_take_no_name_of_virshs(name: str) -> None:
    """`virsh help` knows names of groups, too: those are no verbs."""
    shown = subprocess.run(["virsh", "help", name], capture_output=True, text=True, env=ENVIRONMENT)
    assert shown.returncode != 0 or "SYNOPSIS" not in shown.stdout


@pytest.mark.parametrize("name", sorted(set(INDEX) - OUR_OWN))
def test_a_verb_has_virshs_options(name: str) -> None:
    shown = subprocess.run(["virsh", "help", name], capture_output=True, text=True, env=ENVIRONMENT)
    assert shown.returncode == 0
    verb = load(name)
    assert verb is not None
    theirs = set(re.findall(r"^    (?:-\w \| |\[)?--([\w-]+)", shown.stdout, re.MULTILINE))
    assert theirs - {item.name for item in verb.options} == KNOWN_TO_LACK.get(name, set())
