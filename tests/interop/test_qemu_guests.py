"""virsh and libvirt-python drive real QEMU guests through virtoryd; the guests outlive it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

XML = """<domain type='qemu'><name>vm</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
<memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='{machine}'>hvm</type></os>
<devices><serial type='pty'/><console type='pty'/><graphics type='vnc' socket='auto'/>
<video><model type='vga'/></video></devices></domain>"""


@pytest.fixture
def start_qemu_daemon(virtoryd: Any, virsh: Any) -> Iterator[Any]:
    """Start a daemon of the QEMU driver; every one of a test has the same state.

    However the test ends, a daemon then ends the guests that are left.
    """
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    with tempfile.TemporaryDirectory(prefix="v") as directory:
        Path(directory).chmod(0o711)
        started: list[Any] = []

        def start() -> Any:
            started.append(virtoryd(Path(directory), "qemu", "qemu+unix:///system"))
            return started[-1]

        yield start
        if started[-1].process.poll() is not None:
            start()
        for name in virsh(started[-1].uri, "list", "--name")[1].split():
            virsh(started[-1].uri, "destroy", name)
        started[-1].stop()


@pytest.fixture
def running(start_qemu_daemon: Any, virsh: Any, tmp_path: Path) -> Any:
    """A daemon with a paused guest."""
    daemon = start_qemu_daemon()
    (tmp_path / "vm.xml").write_text(XML.format(machine="pc"))
    for words in (("define", str(tmp_path / "vm.xml")), ("start", "vm", "--paused")):
        status, printed = virsh(daemon.uri, *words)
        assert status == 0, printed
    return daemon


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_a_guest_lives_through_virshs_verbs(
    start_qemu_daemon: Any, virsh: Any, tmp_path: Path, machine: str
) -> None:
    daemon = start_qemu_daemon()
    (tmp_path / "vm.xml").write_text(XML.format(machine=machine))
    script = [
        (f"define {tmp_path}/vm.xml", "Domain 'vm' defined"),
        ("start vm --paused", "Domain 'vm' started"),
        ("domstate vm --reason", "paused (user)"),
        ("resume vm", "Domain 'vm' resumed"),
        ("domstate vm --reason", "running (unpaused)"),
        ("domid vm", "1"),
        ("suspend vm", "Domain 'vm' suspended"),
        ("domstate vm --reason", "paused (user)"),
        ("qemu-monitor-command vm --hmp info status", "VM status: paused"),
        ("dommemstat vm", "actual 32768"),
        ("domcontrol vm", "ok"),
        ("vcpuinfo vm", "VCPU:"),
        ("domdisplay vm", "vnc"),
        ("domstats vm --state --vcpu", "vcpu.current=1"),
        ("reset vm", "Domain 'vm' was reset"),
        (f"screenshot vm {tmp_path}/shot", "Screenshot saved"),
        ("undefine vm", "Domain 'vm' has been undefined"),
        ("list --transient --name", "vm"),
        ("destroy vm", "Domain 'vm' destroyed"),
        ("domstate vm", "failed to get domain 'vm'"),
    ]
    for line, expected in script:
        _, printed = virsh(daemon.uri, *line.split(" "))
        assert expected in printed, line


def test_term_leaves_the_guest_and_the_next_daemon_finds_it(
    running: Any, start_qemu_daemon: Any, virsh: Any
) -> None:
    before = [virsh(running.uri, *words) for words in (("domid", "vm"), ("dumpxml", "vm"))]
    running.stop()
    again = start_qemu_daemon()
    assert [virsh(again.uri, *w) for w in (("domid", "vm"), ("dumpxml", "vm"))] == before
    assert virsh(again.uri, "resume", "vm")[0] == 0


def test_a_killed_daemon_is_followed_by_one_that_knows_the_guest(
    running: Any, start_qemu_daemon: Any, virsh: Any
) -> None:
    before = virsh(running.uri, "domid", "vm")
    running.process.kill()
    running.process.wait()
    again = start_qemu_daemon()
    assert virsh(again.uri, "domid", "vm") == before
    assert virsh(again.uri, "domstate", "vm")[1].strip() == "paused"


def test_the_display_and_the_console_are_handed_over(running: Any, system_python: Any) -> None:
    system_python(
        """
import libvirt, socket, sys
c = libvirt.open(sys.argv[1])
d = c.lookupByName("vm")
for turn in range(2):
    with socket.socket(fileno=d.openGraphicsFD(0, 1)) as display:
        display.settimeout(60)
        assert display.recv(12).startswith(b"RFB ")
stream = c.newStream()
d.openConsole(None, stream, 0)
stream.abort()
d.openConsole(None, c.newStream(), libvirt.VIR_DOMAIN_CONSOLE_FORCE)
""",
        running.uri,
    )


def test_events_of_a_guest_come_in_libvirts_order(running: Any, system_python: Any) -> None:
    system_python(
        """
import libvirt, sys, threading
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)],
                 daemon=True).start()
c = libvirt.open(sys.argv[1])
d = c.lookupByName("vm")
seen, stopped = [], threading.Event()
def lifecycle(conn, dom, event, detail, opaque):
    seen.append((event, detail))
    if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
        stopped.set()
c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
d.resume(); d.suspend(); d.destroy()
assert stopped.wait(60)
assert seen == [(4, 0), (3, 0), (6, 2), (5, 1)], seen
""",
        running.uri,
    )


def test_a_guest_that_is_killed_is_announced_and_can_be_started_again(
    running: Any, system_python: Any
) -> None:
    system_python(
        """
import libvirt, os, signal, subprocess, sys, threading
libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=lambda: [libvirt.virEventRunDefaultImpl() for _ in iter(int, 1)],
                 daemon=True).start()
c = libvirt.open(sys.argv[1])
d = c.lookupByName("vm")
stopped = threading.Event()
c.domainEventRegisterAny(d, 0, lambda c, d, event, detail, o: event == 5 and stopped.set(), None)
mark = b"VIRTORY_RUN=" + os.path.dirname(sys.argv[1].partition("socket=")[2]).encode()
def words(pid):
    try:
        return open("/proc/%s/environ" % pid, "rb").read().split(b"\\0")
    except OSError:  # it has just ended
        return []
mine = [pid for pid in os.listdir("/proc") if pid.isdigit()
        and any(word.startswith(mark) for word in words(pid))]
assert len(mine) == 1, mine
os.kill(int(mine[0]), signal.SIGKILL)
assert stopped.wait(60)
assert d.state()[0] == libvirt.VIR_DOMAIN_SHUTOFF
d.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
assert d.state()[0] == libvirt.VIR_DOMAIN_PAUSED
""",
        running.uri,
    )
