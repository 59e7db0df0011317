"""The real virt-manager on its own display: list, wizard, console, details; virt-viewer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import daemons
import screens

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.interop, pytest.mark.guest]

XML = """<domain type='qemu'><name>vm</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
<interface type='user'><model type='virtio'/></interface><serial type='pty'/>
<graphics type='{graphics}' autoport='yes'/><video><model type='vga'/></video>
</devices></domain>"""

# Looking whether something exists that may not is how these programs find a free name.
EXPECTED = re.compile(r"failed: (Storage volume|Domain|Network|Storage pool|metadata) not found")
NEW = (25, 46)
FORWARD = (440, 471)
STEP = (60, 30, 150, 50)  # where the wizard says which page it is at; no cursor blinks there


@pytest.fixture
def daemon() -> Iterator[daemons.Daemon]:
    if reason := daemons.lacking() or screens.lacking("virt-manager", "virt-viewer", "dnsmasq"):
        pytest.skip(reason)
    with daemons.virtoryd("--log-level", "debug") as ours:
        yield ours
        for name in run(ours, "list", "--name").split():
            run(ours, "destroy", name)
        for name in run(ours, "net-list", "--name").split():
            run(ours, "net-destroy", name)


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[screens.Screen]:
    made = screens.Screen(tmp_path)
    yield made
    made.close()


def run(daemon: daemons.Daemon, *words: str) -> str:
    done = subprocess.run(
        ["virsh", "-c", daemon.uri, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def local(daemon: daemons.Daemon) -> str:
    """A URI without a transport: with one, virt-manager takes the daemon for a distant one."""
    return daemon.uri.replace("qemu+unix:", "qemu:")


def trace(daemon: daemons.Daemon) -> str:
    return (daemon.directory / "errors").read_text()


def calls(daemon: daemons.Daemon) -> set[str]:
    return set(re.findall(r": ([A-Z_]+), call", trace(daemon)))


def called(screen: screens.Screen, daemon: daemons.Daemon, *wanted: str) -> None:
    """Until these calls were made: a window is drawn before all that fills it is asked for."""
    screen.until(lambda: calls(daemon).issuperset(wanted), f"calls of {wanted}")


def unexpected(daemon: daemons.Daemon) -> list[str]:
    failed = [line for line in trace(daemon).splitlines() if " failed" in line]
    return [line for line in failed if not EXPECTED.search(line)]


def created(daemon: daemons.Daemon, graphics: str) -> None:
    """A running machine."""
    xml = daemon.directory / "vm.xml"
    xml.write_text(XML.format(graphics=graphics))
    run(daemon, "create", str(xml))


def test_virt_manager_lists_creates_shows_and_explains(
    daemon: daemons.Daemon, screen: screens.Screen
) -> None:
    created(daemon, "vnc")
    run(daemon, "net-start", "default")
    disk = daemon.directory / "import.qcow2"
    subprocess.run(["qemu-img", "create", "-qf", "qcow2", disk, "64M"], check=True)
    disk.chmod(0o666)
    said = screen.start("virt-manager", "--no-fork", "--debug", "--connect", local(daemon))

    screen.window("Virtual Machine Manager")
    screen.until(lambda: "domain=vm status=Running" in said.read_text(), "the machine in the list")
    shown(screen, 0, 120, 400, 160)  # name and state
    called(screen, daemon, "CONNECT_LIST_ALL_DOMAINS", "CONNECT_GET_ALL_DOMAIN_STATS")

    import_by_wizard(screen, str(disk))
    screen.window("linux2022 on QEMU/KVM")
    called(screen, daemon, "DOMAIN_CREATE_XML", "DOMAIN_DEFINE_XML")
    assert "linux2022" in run(daemon, "list", "--name")

    called(screen, daemon, "DOMAIN_OPEN_GRAPHICS_FD")
    screen.until(  # what the firmware writes, white on black
        lambda: screens.is_console(screens.part(screen.picture(), 100, 240, 900, 460)),
        "the guest's screen",
    )
    assert screen.keep("console").stat().st_size > 0

    screen.click(67, 46)  # the bulb: details instead of the console
    screen.until(
        lambda: screens.part(screen.picture(), 240, 500, 1000, 780).count(255) > 100_000,
        "the page about the machine",
    )
    assert screen.keep("details").stat().st_size > 0
    assert "Traceback" not in said.read_text()
    assert unexpected(daemon) == []
    run(daemon, "undefine", "linux2022")


def shown(screen: screens.Screen, *area: int) -> None:
    """Until there is something in this part."""
    screen.until(lambda: not screens.blank(screens.part(screen.picture(), *area)), f"{area}")


def import_by_wizard(screen: screens.Screen, disk: str) -> None:
    """Create a new virtual machine: an existing disk, and all that is proposed."""
    screen.click(*NEW)
    screen.window("New VM")
    screen.click(135, 267, (25, 258, 45, 276))  # import existing disk image
    screen.click(*FORWARD, STEP)
    screen.click(150, 114)  # the storage path
    screen.type(disk)
    screen.click(200, 422)  # the operating system
    screen.type("generic", (40, 125, 460, 147))  # the first system that is found
    screen.press("Return", (40, 125, 460, 147))
    screen.click(*FORWARD, STEP)
    screen.click(*FORWARD, STEP)  # memory and processors as proposed
    screen.click(*FORWARD)  # finish


def test_virt_manager_plugs_hardware_and_shows_networks_and_storage(
    daemon: daemons.Daemon, screen: screens.Screen
) -> None:
    xml = daemon.directory / "vm.xml"
    xml.write_text(XML.format(graphics="vnc"))
    run(daemon, "define", str(xml))
    run(daemon, "start", "vm")
    run(daemon, "net-start", "default")
    command = ("virt-manager", "--no-fork", "--debug", "--connect", local(daemon))
    said = [screen.start(*command, "--show-domain-editor", "vm")]
    screen.window("vm on QEMU/KVM")
    screen.click(111, 806)  # add hardware
    screen.window("Add New Virtual Hardware")
    screen.click(60, 461)  # a random number generator
    screen.click(677, 543)  # finish
    for flags in ((), ("--inactive",)):
        screen.until(lambda flags=flags: "<rng" in run(daemon, "dumpxml", "vm", *flags), "the RNG")

    said.append(screen.start(*command, "--show-host-summary"))
    screen.window("QEMU/KVM - Connection Details")
    screen.click(170, 50)  # virtual networks
    shown(screen, 20, 80, 200, 100)
    screen.keep("networks")
    screen.click(285, 50)  # storage
    shown(screen, 20, 80, 200, 100)
    screen.keep("storage")
    called(screen, daemon, "DOMAIN_ATTACH_DEVICE", "NETWORK_GET_XML_DESC")
    called(screen, daemon, "STORAGE_POOL_GET_XML_DESC")
    assert not any("Traceback" in each.read_text() for each in said)
    assert unexpected(daemon) == []
    run(daemon, "destroy", "vm")
    run(daemon, "undefine", "vm")


@pytest.mark.parametrize("graphics", ["vnc", "spice"])
def test_virt_viewer_shows_the_guest(
    daemon: daemons.Daemon, screen: screens.Screen, graphics: str
) -> None:
    if graphics == "spice" and not spice_is_there():
        pytest.skip("this QEMU has no SPICE")
    created(daemon, graphics)
    screen.start("virt-viewer", "--attach", "-c", local(daemon), "vm")
    screen.until(lambda: any(title.startswith("vm (") for title in screen.titles()), "its window")
    called(screen, daemon, "DOMAIN_OPEN_GRAPHICS_FD")
    screen.until(  # black, and what the firmware writes
        lambda: screens.is_console(screens.part(screen.picture(), 10, 60, 640, 440)),
        "the guest's screen",
    )
    assert screen.keep(graphics).stat().st_size > 0
    assert unexpected(daemon) == []


def spice_is_there() -> Any:
    program = shutil.which("qemu-system-x86_64") or "false"
    told = subprocess.run([program, "-spice", "help"], capture_output=True, check=False)
    return b"there is no option with that name" not in told.stderr + told.stdout
