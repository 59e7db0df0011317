"""The real QEMU takes what the pure passes give: at its start, and plugged in while it runs."""

from __future__ import annotations

import array
import json
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cases import CASES, NO_KVM, defined, text

from virtory.driver.qemu.capabilities import Capabilities, probe
from virtory.driver.qemu.command_line import command_line, environment, items, setup
from virtory.driver.qemu.definition.unsupported import unsupported
from virtory.driver.qemu.devices import Wiring
from virtory.driver.qemu.live import with_cpu
from virtory.driver.qemu.planning import host
from virtory.driver.qemu.planning.choice import prepare
from virtory.driver.qemu.resources import acquire, credentials, release

if TYPE_CHECKING:
    from collections.abc import Iterator

    from virtory.driver.qemu.plan import Plan
    from virtory.driver.qemu.planning.host import Host
    from virtory.model.domain import Domain

QEMU = shutil.which("qemu-system-x86_64")
pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(QEMU is None, reason="needs qemu-system-x86_64"),
]


@pytest.fixture(scope="module")
def capabilities() -> Capabilities:
    assert QEMU is not None
    return probe(QEMU)


@pytest.fixture(scope="module")
def images() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        for image in ("b.raw", "b2.raw", "c.iso", "vmlinuz", "initrd", "slic.aml"):
            (directory / image).write_bytes(bytes(1 << 20))
        (directory / "vmlinuz").write_bytes(kernel())
        (directory / "slic.aml").write_bytes(b"SLIC" + (374).to_bytes(4, "little") + bytes(366))
        for image, options in (
            ("a", []),
            ("base", []),
            ("overlay", ["-b", "base.qcow2", "-F", "qcow2"]),
        ):
            command = ["qemu-img", "create", "-q", "-f", "qcow2", *options, f"{image}.qcow2"]
            subprocess.run([*command, *(["16M"] if not options else [])], cwd=directory, check=True)
        yield directory


def kernel() -> bytes:
    """A file with the header of a Linux kernel (Documentation/arch/x86/boot.rst), never started."""
    image = bytearray(1 << 20)
    image[0x1F1] = 4  # sectors of set-up code
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x208] = b"HdrS\x06\x02"  # protocol 2.6
    image[0x211] = 1  # loaded high
    image[0x22C:0x230] = b"\xff\xff\xff\x7f"  # the highest address of an initial disk
    return bytes(image)


class Monitor:
    """QMP, one command after the other."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rb")

    def greeting(self) -> bytes:
        return self._lines.readline()

    def ask(self, command: str, arguments: dict[str, Any], fd: int | None = None) -> Any:
        data = json.dumps({"execute": command, "arguments": arguments}).encode()
        rights = (
            [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        )
        self._socket.sendmsg([data], rights)
        while True:
            reply = json.loads(self._lines.readline())
            if "event" not in reply:
                assert "return" in reply, (command, arguments, reply)
                return reply["return"]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@contextmanager
def running(live: Domain, plan: Plan, capabilities: Capabilities, log: Path) -> Iterator[Monitor]:
    """QEMU, started and set up, but paused; ended at the end whatever happens."""
    with ExitStack() as undo:
        undo.callback(release, plan)
        taken = acquire(plan)
        undo.callback(taken.close)
        handed = {s: os.dup(taken.fds[s]) for step in setup(live, plan) for s in step.slots}
        for descriptor in handed.values():
            undo.callback(os.close, descriptor)
        process = _started(live, plan, capabilities, taken.fds, log)
        undo.callback(_ended, process)
        path = plan.path("monitor")
        assert path is not None
        monitor = Monitor(path)
        undo.callback(monitor.close)
        taken.close()  # QEMU has its own; the monitor's socket now ends with it
        assert monitor.greeting(), log.read_text()
        monitor.ask("qmp_capabilities", {})
        for step in setup(live, plan):
            for slot in step.slots:
                monitor.ask("getfd", {"fdname": f"slot{slot}"}, handed[slot])
            monitor.ask(step.command, step.arguments)
        yield monitor
        monitor.ask("quit", {})
        assert process.wait(60) == 0


def _started(
    live: Domain, plan: Plan, capabilities: Capabilities, fds: dict[int, int], log: Path
) -> subprocess.Popen[bytes]:
    who = credentials(plan)
    with log.open("w") as output:
        return subprocess.Popen(
            command_line(live, plan, capabilities, fds),
            env=environment(live),
            cwd=plan.directory,
            pass_fds=list(fds.values()),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=who.groups if who else None,
        )


def _ended(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


@pytest.fixture
def here() -> Iterator[Host]:
    """This host, with directories whose paths are short enough for sockets."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)
        yield host.here(f"{name}/run", f"{name}/state", NO_KVM)


def prepared(xml: str, here: Host, number: int, capabilities: Capabilities) -> tuple[Domain, Plan]:
    live, plan = prepare(defined(xml, capabilities), here, number)
    return with_cpu(live, capabilities, plan.accelerator), plan


@pytest.mark.parametrize("case", CASES)
def test_the_real_qemu_accepts_it(
    case: str, images: Path, here: Host, tmp_path: Path, capabilities: Capabilities
) -> None:
    xml = text(case, images)
    assert unsupported(defined(xml, capabilities), capabilities, NO_KVM) == []
    live, plan = prepared(xml, here, 1000 + CASES.index(case), capabilities)
    with running(live, plan, capabilities, tmp_path / "log") as monitor:
        assert monitor.ask("query-status", {})["status"] == "prelaunch"
    said = (tmp_path / "log").read_text().splitlines()
    assert [line for line in said if not line.startswith("char device redirected")] == []


def test_two_machines_can_not_write_one_image(
    images: Path, here: Host, tmp_path: Path, capabilities: Capabilities
) -> None:
    """The daemon's descriptors do not get around QEMU's locks."""
    xml = text("pc-small", images)
    live, plan = prepared(xml, here, 2001, capabilities)
    other_xml = xml.replace("1d4f41c5", "1d4f41c6").replace("pc-small", "other")
    other, its_plan = prepared(other_xml, here, 2002, capabilities)
    with running(live, plan, capabilities, tmp_path / "log"):
        taken = acquire(its_plan)
        try:
            process = _started(other, its_plan, capabilities, taken.fds, tmp_path / "other")
            assert process.wait(60) != 0
        finally:
            taken.close()
            release(its_plan)
        assert 'Failed to get "write" lock' in (tmp_path / "other").read_text()


PLUGGED = """
<disk type='file'><driver type='qcow2' discard='unmap'/><source file='@IMAGES@/overlay.qcow2'/>
<target dev='vdb' bus='virtio'/></disk>
<interface type='user'><mac address='52:54:00:11:22:71'/><model type='virtio'/></interface>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<rng model='virtio'><backend model='builtin'/></rng>
<controller type='scsi' index='0' model='virtio-scsi'/>
"""
COMMANDS = {
    "object": "object-add",
    "blockdev": "blockdev-add",
    "chardev": "chardev-add",
    "netdev": "netdev_add",
    "device": "device_add",
}


def test_the_same_objects_are_accepted_while_it_runs(
    images: Path, here: Host, tmp_path: Path, capabilities: Capabilities
) -> None:
    """What a start would say of these devices is sent to a machine that has only their buses."""
    bare = text("q35-cpu", images).replace(
        "<emulator>", "<controller type='virtio-serial'/><emulator>"
    )
    whole = bare.replace("</emulator>", f"</emulator>{PLUGGED.replace('@IMAGES@', str(images))}")
    live, plan = prepared(whole, here, 2003, capabilities)
    ports = tuple(c for c in live.devices.controllers if c.type != "scsi")
    host_part = replace(
        live.devices, controllers=ports, disks=(), interfaces=(), channels=(), rngs=()
    )
    before = replace(live, devices=host_part)
    monitor_only = replace(
        plan, files=(), listens=tuple(e for e in plan.listens if e.purpose == "monitor"), pairs=(),
        helpers=(), images=(),
    )  # fmt: skip
    wiring = Wiring(live, plan, {e.slot: f"slot{e.slot}" for e in plan.listens})
    known = {e.value["id"] for e in items(wiring._replace(domain=before)) if e.kind == "device"}
    added = [e for e in items(wiring) if e.kind != "device" or e.value["id"] not in known]
    assert {item.kind for item in added} >= {"object", "blockdev", "chardev", "netdev", "device"}
    with (
        running(before, monitor_only, capabilities, tmp_path / "log") as monitor,
        ExitStack() as undo,
    ):
        listener = socket.socket(socket.AF_UNIX)
        undo.callback(listener.close)
        listener.bind(str(Path(here.run_directory) / "channel"))
        listener.listen()
        for file in plan.files:
            flags = os.O_RDWR if file.mode == "rw" else os.O_RDONLY
            descriptor = os.open(file.path, flags)
            undo.callback(os.close, descriptor)
            monitor.ask("add-fd", {"fdset-id": file.fdset, "opaque": file.purpose}, descriptor)
        for listen in plan.listens:
            if listen.purpose.startswith("char:"):
                monitor.ask("getfd", {"fdname": f"slot{listen.slot}"}, listener.fileno())
        for pair in plan.pairs:
            monitor.ask("getfd", {"fdname": f"slot{pair.slot}"}, listener.fileno())
        for item in added:
            if item.kind in COMMANDS and item.value.get("driver") != "none":
                monitor.ask(COMMANDS[item.kind], item.value)
        nodes = {node["node-name"] for node in monitor.ask("query-named-block-nodes", {})}
        assert {image.node for image in plan.images} <= nodes
