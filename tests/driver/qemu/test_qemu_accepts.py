"""Every golden case, started paused by the real QEMU, set up over its monitor, and ended."""

from __future__ import annotations

import array
import json
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cases import CASES, NO_KVM, defined, text

from virtory.driver.qemu import planning_host
from virtory.driver.qemu.capabilities import Capabilities, probe
from virtory.driver.qemu.command_line import command_line, environment, setup
from virtory.driver.qemu.live import with_cpu
from virtory.driver.qemu.planning import prepare
from virtory.driver.qemu.resources import acquire, credentials, release
from virtory.driver.qemu.unsupported import unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        for image in ("b.raw", "b2.raw", "c.iso", "vmlinuz", "initrd"):
            (directory / image).write_bytes(bytes(1 << 20))
        (directory / "vmlinuz").write_bytes(kernel())
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


@pytest.mark.parametrize("case", CASES)
def test_the_real_qemu_accepts_it(
    case: str, images: Path, tmp_path: Path, capabilities: Capabilities
) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own paths are too long for sockets
        here = planning_host.here(f"{name}/run", f"{name}/state", NO_KVM)
        os.chmod(name, 0o711)
        definition = defined(text(case, images), capabilities)
        assert unsupported(definition, capabilities, NO_KVM) == []
        live, plan = prepare(definition, here, 1000 + CASES.index(case))
        live = with_cpu(live, capabilities, plan.accelerator)
        taken = acquire(plan)
        handed = {
            slot: os.dup(taken.fds[slot]) for step in setup(live, plan) for slot in step.slots
        }
        who = credentials(plan)
        log = (tmp_path / "log").open("w+")
        process = subprocess.Popen(
            command_line(live, plan, capabilities, taken.fds),
            env=environment(live),
            pass_fds=list(taken.fds.values()),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=who.groups if who else None,
        )
        closing = ExitStack()
        try:
            path = plan.path("monitor")
            assert path is not None
            monitor = Monitor(path)
            closing.callback(monitor.close)
            taken.close()  # QEMU has its own; the monitor's socket now ends with it
            greeting = monitor.greeting()
            assert greeting, (tmp_path / "log").read_text()
            monitor.ask("qmp_capabilities", {})
            for step in setup(live, plan):
                for slot in step.slots:
                    monitor.ask("getfd", {"fdname": f"slot{slot}"}, handed[slot])
                monitor.ask(step.command, step.arguments)
            assert monitor.ask("query-status", {})["status"] == "prelaunch"
            monitor.ask("quit", {})
            assert process.wait(10) == 0
        finally:
            closing.close()
            if process.poll() is None:
                process.kill()
                process.wait()
            for descriptor in handed.values():
                os.close(descriptor)
            taken.close()
            release(plan)
            log.close()
        said = (tmp_path / "log").read_text().splitlines()
        assert [line for line in said if not line.startswith("char device redirected")] == []
