"""Domains in memory: limits and measurements, file systems and keys of the guest.

The rule kept here: what is set is read back; limits are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtory.driver.interface.domain_inside import GuestFilesystem
from virtory.driver.memory.flags_check import only
from virtory.driver.memory.lifecycle import require_agent
from virtory.driver.memory.state import HOST_CPUS
from virtory.errors import FROM_TEST, InvalidArgument, OperationInvalid, OperationUnsupported
from virtory.model import flags as f
from virtory.model.lifecycle import Trigger
from virtory.model.refs import BOOLEAN, INT, STRING, UINT, ULLONG, Param

if TYPE_CHECKING:
    from collections.abc import Sequence

    from virtory.driver.memory.host import Host

_UNLIMITED_KIB = 9007199254740991
_ANY = f.DomainAffect.ALL | 4
_APPEND, _REMOVE = 1, 2


class Resources:
    """The part of the driver about what a machine may use, and what is inside it."""

    _host: Host

    def memory_parameters(self, uuid: bytes, flags: int) -> list[Param]:
        self._asked(uuid, flags, "testDomainGetMemoryParameters")
        names = ("hard_limit", "soft_limit", "swap_hard_limit")
        return [Param(name, ULLONG, _UNLIMITED_KIB) for name in names]

    def blkio_parameters(self, uuid: bytes, flags: int) -> list[Param]:
        self._asked(uuid, flags, "testDomainGetBlkioParameters")
        return [Param("weight", UINT, 800), Param("device_weight", STRING, "")]

    def numa_parameters(self, uuid: bytes, flags: int) -> list[Param]:
        self._asked(uuid, flags, "testDomainGetNumaParameters")
        return [Param("numa_mode", INT, 0), Param("numa_nodeset", STRING, "")]

    def scheduler_parameters(self, uuid: bytes, flags: int) -> list[Param]:
        self._asked(uuid, flags, "testDomainGetSchedulerParametersFlags")
        return [Param("weight", UINT, 50)]

    def _asked(self, uuid: bytes, flags: int, function: str) -> None:
        only(flags, _ANY, function)
        self._host.machine(uuid)

    def refuse_limits(self, uuid: bytes, what: str) -> None:
        name = self._host.machine(uuid).name
        raise OperationUnsupported(
            f"cannot limit {what} of domain '{name}' of the test host", domain=FROM_TEST
        )

    def perf_events(self, uuid: bytes, flags: int) -> list[Param]:
        self._asked(uuid, flags, "testDomainGetPerfEvents")
        return [Param("cpu_cycles", BOOLEAN, 0), Param("instructions", BOOLEAN, 0)]

    def set_perf_events(self, uuid: bytes, events: list[Param], flags: int) -> None:
        only(flags, f.DomainAffect.ALL, "testDomainSetPerfEvents")
        if any(event.value for event in events):
            self.refuse_limits(uuid, "the counted events")

    def launch_security(self, uuid: bytes, flags: int) -> list[Param]:
        self._asked(uuid, flags, "testDomainGetLaunchSecurityInfo")
        return []

    async def iothreads(self, uuid: bytes, flags: int) -> list[tuple[int, bytes]]:
        self._asked(uuid, flags, "testDomainGetIOThreadInfo")
        return []

    async def start_dirty_rate(self, uuid: bytes, seconds: int, flags: int) -> None:
        only(flags, 3, "testDomainStartDirtyRateCalc")
        if not self._host.machine(uuid).active:
            raise OperationInvalid("domain is not running", domain=FROM_TEST)
        if not 1 <= seconds <= 60:
            raise InvalidArgument(
                f"seconds={seconds} is invalid, please choose value within [1, 60]",
                domain=FROM_TEST,
            )

    # -- inside --------------------------------------------------------------------------------
    async def filesystems(self, uuid: bytes, flags: int) -> list[GuestFilesystem]:
        only(flags, 0, "testDomainGetFSInfo")
        require_agent(self._host.machine(uuid))
        return [
            GuestFilesystem("/", "vda1", "ext4", ["vda"]),
            GuestFilesystem("/boot", "vda2", "ext4", ["vda"]),
        ]

    async def ssh_keys(self, uuid: bytes, user: str, flags: int) -> list[str]:
        only(flags, 0, "testDomainAuthorizedSSHKeysGet")
        machine = self._host.machine(uuid)
        require_agent(machine)
        return list(machine.ssh_keys.get(user, ()))

    async def set_ssh_keys(self, uuid: bytes, user: str, keys: Sequence[str], flags: int) -> None:
        only(flags, _APPEND | _REMOVE, "testDomainAuthorizedSSHKeysSet")
        machine = self._host.machine(uuid)
        require_agent(machine)
        there = machine.ssh_keys.get(user, [])
        if flags & _REMOVE:
            machine.ssh_keys[user] = [key for key in there if key not in keys]
        else:
            machine.ssh_keys[user] = [*(there if flags & _APPEND else ()), *keys]

    async def pm_suspend(self, uuid: bytes, target: int, duration_s: int, flags: int) -> None:
        only(flags, 0, "testDomainPMSuspendForDuration")
        machine = self._host.machine(uuid)
        require_agent(machine)
        if duration_s or target > 2:
            raise InvalidArgument("no such suspend", domain=FROM_TEST)
        machine.step(Trigger.PM_SUSPENDED if target == 0 else Trigger.PM_SUSPENDED_DISK)

    def set_agent_timeout(self, uuid: bytes, timeout_s: int, flags: int) -> None:
        only(flags, 0, "testDomainAgentSetResponseTimeout")
        self._host.machine(uuid)
        if timeout_s < -2:
            raise InvalidArgument(
                f"guest agent timeout '{timeout_s}' is less than the minimum '-2'",
                domain=FROM_TEST,
            )

    async def guest_vcpu_count(self, uuid: bytes, flags: int) -> int:
        only(flags, f.DomainVcpu.ALL, "testDomainGetVcpusFlags")
        machine = self._host.machine(uuid)
        require_agent(machine)
        return machine.current.vcpu.count

    async def inspect(self, uuid: bytes, flags: int) -> str:
        """A host that is only imagined virtualises nothing, and says so."""
        import json

        only(flags, 0, "virtoryDomainInspect")
        machine = self._host.machine(uuid)
        return json.dumps(
            {
                "name": machine.name,
                "uuid": str(machine.current.uuid),
                "state": "running" if machine.active else "shut off",
                "acceleration": {
                    "kind": "none",
                    "paging": "none",
                    "nested": None,
                    "host_kvm": "absent",
                    "host_kvm_found": "absent",
                    "host_modules": [],
                    "host_extensions": None,
                    "cure": "connect to virtory:///system or virtory:///session",
                },
                "machine": {"type": "test", "arch": "i686", "firmware": "BIOS"},
                "host": {
                    "cpus": HOST_CPUS,
                    "memory_kib": 3145728,
                    "available_kib": 3145728,
                    "running": 1,
                    "promised_vcpus": 2,
                    "promised_memory_kib": 8388608,
                },
                "processors": {"count": machine.current.vcpu.count},
                "memory": {"size_kib": machine.current.memory.kib},
                "virtio": [],
                "devices": [],
                "screens": [],
                "consoles": [],
            }
        )
