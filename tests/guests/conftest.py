"""Real guests under software emulation: a driver of our own, a tiny Linux, and what waits for it.

The rule kept here: every test has its own state directory and ends every process it started.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

import initramfs
from initramfs import BOOT_S
from tests import shared

from virtory.driver.qemu.driver import QemuDriver
from virtory.model.events import AgentLifecycle, Event, Lifecycle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

QUICK = "tsc=reliable no_timer_check cryptomgr.notests rcupdate.rcu_cpu_stall_suppress=1"
"""What an emulated kernel need not find out at each start, nor say on its console: that its host
was busy, amid what a test reads there.

Its watchdog stays: QEMU 7.2 can lose what should wake an emulated processor, which then sleeps
until a timer of its own. Without that one, taking a processor out of the machine may never end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.guest)


class Linux:
    """The tiny Linux, and definitions of machines that boot it."""

    def __init__(self, kernel: Path, initrd: Path) -> None:
        self.kernel = kernel
        self.initrd = initrd

    def xml(
        self,
        name: str,
        *,
        machine: str = "q35",
        memory_mib: int = 160,
        devices: str = "",
        more: str = "",
        features: str = "<acpi/>",
        serial: str = "<serial type='pty'/>",
        arguments: str = f"console=ttyS0 quiet panic=-1 {QUICK}",
    ) -> str:
        """A machine with a serial port on a terminal; it stays off until its kernel is loaded."""
        return (
            f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>{memory_mib}</memory>"
            f"<vcpu>1</vcpu><os><type arch='x86_64' machine='{machine}'>hvm</type>"
            f"<kernel>{self.kernel}</kernel><initrd>{self.initrd}</initrd>"
            f"<cmdline>{arguments}</cmdline></os><features>{features}</features>{more}"
            f"<devices>{serial}{devices}</devices></domain>"
        )


def bare_xml(name: str, devices: str = "", more: str = "", machine: str = "pc") -> str:
    """A machine with nothing to boot: its firmware runs, that is all."""
    return (
        f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
        f"<os><type arch='x86_64' machine='{machine}'>hvm</type></os>{more}"
        f"<devices>{devices}</devices></domain>"
    )


@pytest.fixture
def bare() -> Callable[..., str]:
    return bare_xml


@pytest.fixture(scope="session")
def linux(tmp_path_factory: pytest.TempPathFactory) -> Linux:
    kernel = initramfs.kernel()
    if kernel is None or shutil.which("busybox") is None:
        pytest.skip("needs a kernel in /boot (linux-image-cloud-amd64) and busybox-static")
    directory = tmp_path_factory.mktemp("linux")
    initramfs.build(directory / "initrd", packed=False)
    return Linux(kernel, directory / "initrd")


@pytest.fixture
def state() -> Iterator[str]:
    """A short path that guests may pass through: sockets below it have at most 107 bytes."""
    path = tempfile.mkdtemp(prefix="virtory-")
    os.chmod(path, 0o711)
    yield path
    shutil.rmtree(path)


class Seen:
    """Every event of a driver, in order, and a way to wait for one."""

    def __init__(self, driver: QemuDriver) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        driver.bus.listen(self._take, Event)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    async def wait(self, wanted: Callable[[Event], bool], limit_s: float = BOOT_S) -> Event:
        """The first event so far, or to come, that is wanted."""
        async with asyncio.timeout(limit_s):
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def lifecycle(self, event: int, detail: int, limit_s: float = BOOT_S) -> None:
        await self.wait(
            lambda e: isinstance(e, Lifecycle) and (e.event, e.detail) == (event, detail), limit_s
        )

    async def agent(self, state: int) -> None:
        """Until the channel says so; a start tells by itself that nobody is there yet."""
        await self.wait(
            lambda e: isinstance(e, AgentLifecycle) and (e.state, e.reason) == (state, 2)
        )

    def lifecycles(self) -> list[tuple[int, int]]:
        """Event and detail of each so far."""
        return [(e.event, e.detail) for e in self.events if isinstance(e, Lifecycle)]

    def clear(self) -> None:
        self.events.clear()


async def end_all(driver: QemuDriver) -> None:
    """Destroy whatever runs."""
    for ref in driver.domain.list_all(1):
        await driver.domain.destroy(ref.uuid, 0)


@pytest.fixture(scope="session")
def settings() -> dict[str, str]:
    """QEMU is probed once for all tests."""
    return {"cache_directory": str(shared.cache("virtory"))}


@pytest_asyncio.fixture
async def driver(state: str, settings: dict[str, str]) -> AsyncIterator[QemuDriver]:
    made = QemuDriver(state, os.geteuid() == 0, settings)
    await made.start()
    yield made
    await end_all(made)
    await made.stop()


@pytest_asyncio.fixture
async def seen(driver: QemuDriver) -> Seen:
    return Seen(driver)


class Console:
    """A console on which somebody reads and types."""

    def __init__(self, driver: QemuDriver, uuid: bytes) -> None:
        self._driver = driver
        self._uuid = uuid
        self.said = b""

    async def open(self) -> Console:
        self._stream = await self._driver.domain.open_console(self._uuid, None, 0, self)
        return self

    async def until(self, wanted: bytes, limit_s: float = BOOT_S) -> bytes:
        """Read until the guest has said this; what it said up to and with it."""
        async with asyncio.timeout(limit_s):
            while wanted not in self.said:
                data = await self._stream.read()
                assert data, f"the console ended after {self.said!r}"
                self.said += data
        head, _, self.said = self.said.partition(wanted)
        return head + wanted

    async def type(self, text: str) -> None:
        await self._stream.write(text.encode())

    def close(self) -> None:
        self._stream.close()


@pytest.fixture
def boot(driver: QemuDriver) -> Callable[[str], object]:
    """Start a transient machine and wait until its Linux is up; its uuid and its console."""

    async def booted(xml: str) -> tuple[bytes, Console]:
        ref = await driver.domain.create_xml(xml, 1, None)  # paused: nothing it says is missed
        console = await Console(driver, ref.uuid).open()
        await driver.domain.resume(ref.uuid)
        await console.until(initramfs.READY)
        return ref.uuid, console

    return booted
