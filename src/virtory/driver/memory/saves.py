"""Domains in memory: saving, restoring, dumping, jobs.

The rule kept here: a file of a saved machine is its description; there is no memory to put into it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from virtory.driver.memory.flags_check import only
from virtory.driver.memory.machine import Machine, understand
from virtory.errors import OperationFailed, OperationInvalid, SystemCallFailed
from virtory.model import flags as f
from virtory.model.domain import format_domain, parse_domain, without_secrets
from virtory.model.lifecycle import Trigger

if TYPE_CHECKING:
    from virtory.driver.memory.host import Host
    from virtory.model.refs import Param

_MAGIC = "TestGuestMagic\n"
_LONGEST = 16 << 20
_F = f.DomainSaveRestore


class Saves:
    """The part of the driver that puts machines aside."""

    _host: Host

    async def save(self, uuid: bytes, path: str, xml: str | None, flags: int) -> None:
        only(flags, _F.ALL, "testDomainSaveFlags")
        machine = self._host.running(uuid)
        text = format_domain(understand(xml) if xml else machine.current)
        _write(path, f"{_MAGIC}{int(_runs(machine, flags))}\n{text}")
        _suspend(machine)
        machine.step(Trigger.SAVED)

    async def restore(self, path: str, xml: str | None, flags: int, owner: object) -> None:
        only(flags, _F.ALL, "testDomainRestoreFlags")
        runs, text = _read(path)
        domain = understand(xml or text)
        machine = self._host.known(domain)
        if machine is not None and machine.active:
            raise OperationInvalid(f"domain '{machine.name}' is already active")
        if machine is None:
            machine = Machine(self._host, domain)
            machine.definition = None
            self._host.add(machine)
        machine.resume_from(domain, runs=runs or bool(flags & _F.RUNNING), flags=flags)

    async def save_image_xml(self, path: str, flags: int) -> str:
        only(flags, _F.IMAGE_XML_SECURE, "testDomainSaveImageGetXMLDesc")
        domain = parse_domain(_read(path)[1], lenient=True)
        return format_domain(domain if flags else without_secrets(domain))

    async def define_save_image_xml(self, path: str, xml: str, flags: int) -> None:
        only(flags, _F.RUNNING | _F.PAUSED, "testDomainSaveImageDefineXML")
        runs, _ = _read(path)
        runs = bool(flags & _F.RUNNING) or (runs and not flags & _F.PAUSED)
        text = format_domain(understand(xml))
        _write(path, f"{_MAGIC}{int(runs)}\n{text}")

    def has_managed_save(self, uuid: bytes, flags: int) -> bool:
        only(flags, 0, "testDomainHasManagedSaveImage")
        return self._host.machine(uuid).saved is not None

    async def managed_save(self, uuid: bytes, flags: int) -> None:
        only(flags, _F.ALL, "testDomainManagedSave")
        machine = self._host.running(uuid)
        if machine.definition is None:
            raise OperationInvalid("cannot do managed save for transient domain")
        runs, domain = _runs(machine, flags), machine.current
        _suspend(machine)
        machine.step(Trigger.SAVED)
        machine.saved = domain, runs

    async def remove_managed_save(self, uuid: bytes, flags: int) -> None:
        only(flags, 0, "testDomainManagedSaveRemove")
        self._host.machine(uuid).saved = None

    async def managed_save_xml(self, uuid: bytes, flags: int) -> str:
        domain, _ = self._saved(uuid)
        return format_domain(domain if flags else without_secrets(domain))

    async def define_managed_save_xml(self, uuid: bytes, xml: str | None, flags: int) -> None:
        _, runs = self._saved(uuid)
        runs = bool(flags & _F.RUNNING) or (runs and not flags & _F.PAUSED)
        self._host.machine(uuid).saved = understand(xml or ""), runs

    def _saved(self, uuid: bytes) -> tuple[Domain, bool]:
        saved = self._host.machine(uuid).saved
        if saved is None:
            raise OperationInvalid("domain does not have managed save image")
        return saved

    async def core_dump(self, uuid: bytes, path: str, dump_format: int, flags: int) -> None:
        only(flags, f.DomainDump.ALL, "testDomainCoreDumpWithFormat")
        machine = self._host.running(uuid)
        _write(path, "TestGuestMagic")
        if flags & f.DomainDump.CRASH:
            machine.step(Trigger.CRASH_DESTROYED)

    async def job_info(self, uuid: bytes) -> list[int]:
        """The twelve numbers of `virDomainJobInfo`: no job."""
        self._host.running(uuid)
        return [0] * 12

    async def job_stats(self, uuid: bytes, flags: int) -> tuple[int, list[Param]]:
        only(flags, 3, "testDomainGetJobStats")
        if not flags & 1:
            self._host.running(uuid)
        self._host.machine(uuid)
        return 0, []

    async def abort_job(self, uuid: bytes, flags: int) -> None:
        only(flags, 0, "testDomainAbortJob")
        self._host.running(uuid)
        raise OperationInvalid("no job is active on the domain")


def _runs(machine: Machine, flags: int) -> bool:
    running = machine.state == f.DomainState.RUNNING
    return bool(flags & _F.RUNNING) or (running and not flags & _F.PAUSED)


def _suspend(machine: Machine) -> None:
    if machine.state == f.DomainState.RUNNING:
        machine.step(Trigger.SAVE_PAUSED)


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise SystemCallFailed(
            f"Failed to create file '{path}': {error.strerror}", errno=error.errno
        ) from None


def _unblocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe nobody writes is not waited for


def _read(path: str) -> tuple[bool, str]:
    try:
        with open(path, opener=_unblocking) as file:
            magic, runs, text = file.readline(99), file.readline(99), file.read(_LONGEST)
    except OSError as error:
        raise SystemCallFailed(
            f"Failed to open file '{path}': {error.strerror}", errno=error.errno
        ) from None
    except UnicodeDecodeError:
        magic = ""
    if magic != _MAGIC or len(text) == _LONGEST:
        raise OperationFailed(f"'{path}' is no save image, or a damaged one")
    return runs == "1\n", text


if TYPE_CHECKING:
    from virtory.model.domain import Domain
